//! What is written into a file of settings in vain is told, by the file and the line.

use crate::pretend::{Pretend, UP};

/// It was passed over without a word.
#[test]
fn settings_that_compose_sets_itself_are_told_with_what_to_do_instead() {
    let pretend = Pretend::new();
    let lines = [
        "# mine",
        "MAX_RECIPIENTS=20",
        "IMAP_HOST=mail.example.test",
        "IMAP_PORT=993",
        "WEB_SSL_CERT_PATH=/etc/mine.pem",
        "SEND_EMAIL=true",
        "SRS_SECRET=abcdefgh",
        "SQLITE_HOST=elsewhere",
    ];
    pretend.case.write("state/compose/settings.env", &(lines.join("\n") + "\n"));
    let ran = pretend.done(&UP);
    let place = pretend.state("compose");
    let place = place.display();
    let file = format!("{place}/settings.env");
    let take_out = "hint: take the line out";
    for (says, hint) in [
        (
            format!("{file}:3 IMAP_HOST has no effect: Compose sets it to imap.${{DOMAIN}}"),
            format!("{take_out}; it follows from the mail domain"),
        ),
        (
            format!("{file}:4 IMAP_PORT has no effect: Compose sets it to 2993"),
            format!("{take_out}; set BERTH_PORT_IMAPS in {place}/.env, the port that clients use"),
        ),
        (
            format!(
                "{file}:5 WEB_SSL_CERT_PATH has no effect: Compose sets it to /certificates/fullchain.pem"
            ),
            format!("{take_out}; put the file into {place}/certificates"),
        ),
        (
            format!("{file}:6 SEND_EMAIL has no effect: Compose sets it to ${{SEND_EMAIL:-true}}"),
            format!("{take_out}; set SEND_EMAIL in {place}/.env"),
        ),
        (
            format!(
                "{file}:7 SRS_SECRET is a secret that Compose gives in a file: no role starts that is given both"
            ),
            take_out.to_owned(),
        ),
        (format!("{file}:8 SQLITE_HOST has no effect: Compose sets it to sqlite"), take_out.to_owned()),
    ] {
        let at = ran
            .err
            .lines()
            .position(|line| line.trim_start().starts_with("warning") && line.ends_with(&says));
        let at = at.unwrap_or_else(|| panic!("{says}: {}", ran.err));
        assert_eq!(ran.err.lines().nth(at + 1).unwrap().trim(), hint, "{}", ran.err);
    }
    assert!(!ran.err.contains("MAX_RECIPIENTS"), "that one counts: {}", ran.err);
}

#[test]
fn an_overlay_has_settings_of_its_own_and_another_file_may_be_named() {
    let pretend = Pretend::new();
    pretend.case.write("mine.env", "NODE_OPTIONS=--trace-warnings\n");
    let named = format!("BERTH_SETTINGS={}\n", pretend.case.path("mine.env").display());
    pretend.case.write("state/compose/.env", &named);
    assert!(!pretend.done(&UP).err.contains("NODE_OPTIONS"), "only the sample is given these");
    let ran = pretend.done(&["up", "--dry-run", "--overlay", "sample"]);
    assert!(ran.err.contains("/mine.env:1 NODE_OPTIONS has no effect"), "{}", ran.err);
}

/// Two files are called settings.env.
#[test]
fn a_setting_beside_the_secrets_is_told_where_it_belongs() {
    let pretend = Pretend::new();
    pretend.up();
    let kept = pretend.case.read("state/settings.env");
    pretend.case.write("state/settings.env", &format!("MAX_RECIPIENTS=20\n{kept}"));
    let ran = pretend.done(&["up", "--no-prove"]);
    let state = pretend.state("settings.env");
    let says = format!("{}:1 MAX_RECIPIENTS has no effect: this file is for the secrets\n", state.display());
    assert!(ran.err.contains(&says), "{}", ran.err);
    let hint = format!("hint: write it into {}\n", pretend.state("compose/settings.env").display());
    assert!(ran.err.contains(&hint), "{}", ran.err);
    assert_eq!(ran.err.matches("this file is for the secrets").count(), 1, "{}", ran.err);
}
