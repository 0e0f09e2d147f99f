//! What `berth` prints, to the letter: the files in `golden`. After a wanted change: `SNAPSHOTS=overwrite`.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use berth_tests::is_root;
use snapbox::{Data, assert_data_eq};

use crate::service::{Ran, Service, have};

fn golden(name: &str) -> Data {
    Data::read_from(Path::new(&format!("{}/tests/local/golden/{name}", env!("CARGO_MANIFEST_DIR"))), None)
}

/// With the case's folder as `[CASE]`, each number as `N`, a time as `TIME`, and one blank between words, since the
/// columns of a table are as wide as what differs.
fn steady(service: &Service, text: &str) -> String {
    let text = text.replace(service.case.folder().to_str().unwrap(), "[CASE]");
    text.lines().map(|line| steady_line(line) + "\n").collect()
}

fn steady_line(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let (bare, tail) = word.split_at(word.trim_end_matches([',', ';']).len());
        let is_number = bare.parse::<f64>().is_ok();
        if ["ms", "s", "min"].contains(&bare) && words.last().is_some_and(|last| last == "N") {
            words.pop();
            words.push(format!("TIME{tail}"));
        } else {
            words.push(if is_number { format!("N{tail}") } else { word.to_owned() });
        }
    }
    let indent = line.len() - line.trim_start().len();
    " ".repeat(indent) + &words.join(" ")
}

/// It was told to make an installation where there was one.
#[test]
fn an_installation_that_may_not_be_read_is_not_said_to_be_absent() {
    let service = Service::new();
    service.case.write("state/version", "1\n");
    fs_err::set_permissions(service.state(""), Permissions::from_mode(0o000)).unwrap();
    let berth = service.berth(&["status"]);
    // Root may read all, unless it leaves what lets it.
    let mut command = if is_root() {
        if !have(&["setpriv"]) {
            return;
        }
        let mut command = service.case.command("setpriv");
        command.args(["--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"]);
        command.arg(berth.get_program()).args(berth.get_args());
        command.envs(berth.get_envs().filter_map(|(key, value)| Some((key, value?))));
        command
    } else {
        berth
    };
    let ran = Ran::run(&mut command);
    fs_err::set_permissions(service.state(""), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.err.starts_with("error: cannot use the state folder\n  cause: "), "{}", ran.err);
    assert!(ran.err.contains("state/version") && ran.err.contains("ermission denied"), "{}", ran.err);
    assert!(
        ran.err
            .ends_with("\nhint: run berth as the owner of the state folder, or use another: --state DIR\n"),
        "{}",
        ran.err
    );
}

#[test]
fn every_help_is_as_it_was_written_down() {
    let service = Service::new();
    let top = service.done(&["--help"]).out;
    assert_data_eq!(&top, golden("help.stdout"));
    for verb in [
        "up",
        "down",
        "status",
        "logs",
        "restart",
        "prove",
        "image",
        "image derive",
        "image check",
        "image load",
        "verify",
    ] {
        let mut command = service.case.command(berth_tests::berth());
        let help = command.args(verb.split(' ')).arg("--help").output().unwrap();
        let help = Ran::of(&help).out;
        assert_data_eq!(&help, golden(&format!("help-{}.stdout", verb.replace(' ', "-"))));
        let first = verb.split(' ').next().unwrap();
        assert!(top.contains(&format!("  {first} ")), "{top}");
        assert!(help.lines().count() <= 40 && help.lines().all(|line| line.chars().count() <= 120), "{help}");
    }
}

#[test]
fn mistakes_are_told_with_what_was_meant() {
    let service = Service::new();
    let cases: [(&str, &[&str], i32); 9] = [
        ("nothing", &[], 64),
        ("upp", &["upp"], 64),
        ("flag", &["status", "--jsno"], 64),
        ("only-imapp", &["up", "--only", "imapp"], 64),
        ("only-gopher", &["up", "--only", "gopher"], 64),
        ("restart-imapp", &["restart", "imapp"], 64),
        ("once-and-detach", &["up", "--once", "--detach"], 64),
        ("status-of-nothing", &["status"], 69),
        ("down-of-nothing", &["down"], 69),
    ];
    for (name, words, code) in cases {
        // Asked for elsewhere, so that no mistake leaves a folder behind that the next one finds.
        let elsewhere = service.case.path(name);
        let ran = Ran::of(&service.berth(words).env("BERTH_STATE", &elsewhere).output().unwrap());
        assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{name}: {ran:#?}");
        assert_data_eq!(steady(&service, &ran.err), golden(&format!("{name}.stderr")));
        assert!(!elsewhere.exists(), "{name}: a mistake makes no state folder");
    }
}

#[test]
fn missing_programs_are_named_with_how_to_name_them() {
    let service = Service::new();
    for (name, variable) in
        [("no-app", "BERTH_APP_DIR"), ("no-node", "BERTH_NODE"), ("no-init", "BERTH_INIT")]
    {
        let ran = Ran::of(&service.berth(&["up", "--detach"]).env(variable, "/nowhere").output().unwrap());
        assert_eq!((ran.code, ran.out.as_str()), (Some(127), ""), "{name}: {ran:#?}");
        assert_data_eq!(steady(&service, &ran.err), golden(&format!("{name}.stderr")));
        assert!(!service.state("").exists());
    }
}

#[test]
fn a_whole_run_reads_as_it_was_written_down() {
    let service = Service::new();
    let ran = service.done(&["up", "--once"]);
    let password: serde_json::Value = serde_json::from_str(&service.case.read("state/account.json")).unwrap();
    let out = ran.out.replace(password["password"].as_str().unwrap(), "[PASSWORD]");
    assert_data_eq!(steady(&service, &out), golden("once.stdout"));
    // Which role is ready first, and whether one is slow enough to be spoken of, is the machine's business.
    let is_steady = |line: &&str| !line.starts_with("waiting for ") && !line.ends_with(" is waiting");
    let steady = steady(&service, &ran.err);
    let mut lines: Vec<_> = steady.lines().filter(is_steady).collect();
    lines.sort_unstable();
    assert_data_eq!(lines.join("\n") + "\n", golden("once.stderr"));

    let ran = service.run(&["status"]);
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (Some(1), "  nothing is up here: berth up\n", "")
    );
    let down = service.done(&["down"]);
    assert_eq!((down.out.as_str(), down.err.as_str()), ("", "nothing of it runs any more\n"));
}

#[test]
fn what_a_running_service_is_asked_reads_as_it_was_written_down() {
    let service = Service::new();
    service.bring_up_with(&["sqlite"]);
    for (name, words) in
        [("status", &["status"][..]), ("restart", &["restart", "sqlite"]), ("down", &["down"])]
    {
        let ran = service.done(words);
        assert_data_eq!(steady(&service, &ran.out), golden(&format!("{name}.stdout")));
        // Whether it is slow enough to be spoken of is the machine's business.
        let said: String = ran
            .err
            .lines()
            .filter(|line| !line.starts_with("waiting for "))
            .map(|line| line.to_owned() + "\n")
            .collect();
        assert_data_eq!(steady(&service, &said), golden(&format!("{name}.stderr")));
    }
    assert_eq!(service.case.processes(), []);
}
