//! Mail is fetched over POP3 by clients that nobody here wrote, and none is lost.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use berth_tests::wait_until;
use nix::libc::SIGKILL;
use serde_json::{Value, json};

use crate::clients::{done, swaks_from_outside};
use crate::service::{Ran, Service, User, have, tell};

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/local/pop3.py");
const ROLES: [&str; 3] = ["sqlite", "mx", "pop3"];

/// A port offset with which no port has an ending that stands for TLS from the first byte.
const STLS: u16 = 115;

/// Both ways to TLS: from the first byte, and after STLS.
fn both_ways(test: impl Fn(&Service, &User, &str)) {
    for (scheme, more) in [("pop3s", 0), ("pop3", STLS)] {
        let mut service = Service::new();
        service.offset += more;
        service.bring_up_with(&ROLES);
        let bob = service.user("bob");
        for subject in ["first", "second"] {
            let mail = ["--to", &bob.address, "--h-Subject", subject, "--body", "a line\n.a dot\n"];
            done(swaks_from_outside(&service).args(mail));
        }
        test(&service, &bob, scheme);
        service.down();
    }
}

fn curl(service: &Service, user: &User, scheme: &str, path: &str) -> Command {
    let mut curl = service.case.command("curl");
    curl.args(["--silent", "--show-error", "--ssl-reqd", "--cacert", &service.authority()]);
    curl.args(["--user", &user.credentials(), &format!("{scheme}://{}/{path}", service.door("pop3"))]);
    curl
}

#[test]
fn curl_lists_reads_and_deletes() {
    if !have(&["swaks", "curl"]) {
        return;
    }
    both_ways(|service, bob, scheme| {
        let list = done(&mut curl(service, bob, scheme, "")).out;
        assert_eq!(list.lines().count(), 2, "{list}");
        let mail = done(&mut curl(service, bob, scheme, "2")).out;
        assert!(mail.contains("Subject: second\r\n") && mail.contains("\r\na line\r\n.a dot\r\n"), "{mail}");
        let head = done(curl(service, bob, scheme, "").args(["--request", "TOP 1 0"])).out;
        assert!(head.contains("Subject: first\r\n") && !head.contains("a line"), "{head}");
        done(curl(service, bob, scheme, "1").args(["--request", "DELE", "--list-only"]));
        let ids = done(curl(service, bob, scheme, "").args(["--request", "UIDL"])).out;
        assert_eq!(ids.lines().count(), 1, "{ids}");
        assert!(done(&mut curl(service, bob, scheme, "1")).out.contains("Subject: second\r\n"));
        let wrong = User { address: bob.address.clone(), password: "wrong".to_owned() };
        let ran = Ran::of(&curl(service, &wrong, scheme, "").output().unwrap());
        assert_eq!(ran.code, Some(67), "curl's code for a login that was denied: {ran:#?}");
    });
}

#[test]
fn fetchmail_keeps_what_it_is_told_to_keep_and_fetches_nothing_twice() {
    if !have(&["swaks", "curl", "fetchmail"]) {
        return;
    }
    both_ways(|service, bob, scheme| {
        let fetched = service.case.path(format!("fetched-{scheme}"));
        let fetch = |options: &str| {
            let text = format!(
                "poll localhost protocol POP3 port {port} uidl\n  user \"{user}\" password \"{password}\"\n  \
                 {tls} sslcertck sslcertfile \"{authority}\" {options}\n  mda \"cat >> {fetched}\"\n",
                port = service.port("pop3"),
                user = bob.address,
                password = bob.password,
                tls = if scheme == "pop3s" { "ssl" } else { "sslproto \"TLS1.2+\"" },
                authority = service.authority(),
                fetched = fetched.display(),
            );
            let file = service.case.write("fetchmailrc", &text);
            done(service.case.command("chmod").arg("600").arg(&file));
            let mut fetchmail = service.case.command("fetchmail");
            fetchmail.env("HOME", service.case.folder()).arg("-f").arg(&file);
            fetchmail.arg("--idfile").arg(service.case.path(format!("ids-{scheme}")));
            fetchmail.arg("--pidfile").arg(service.case.path("fetchmail.pid"));
            Ran::of(&fetchmail.output().unwrap())
        };
        let subjects = || {
            let text = fs_err::read_to_string(&fetched).unwrap();
            let lines = text.lines().filter_map(|line| line.strip_prefix("Subject: "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let ran = fetch("keep");
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        assert_eq!(subjects(), ["first", "second"]);
        let again = fetch("keep");
        assert_eq!(again.code, Some(1), "fetchmail's code for no new mail: {again:#?}");
        let third = ["--to", &bob.address, "--h-Subject", "third"];
        done(swaks_from_outside(service).args(third));
        assert_eq!(fetch("no keep").code, Some(0));
        assert_eq!(subjects(), ["first", "second", "third"]);
        let list = done(&mut curl(service, bob, scheme, "")).out;
        assert_eq!(list.lines().count(), 2, "what was fetched before is left alone: {list}");
    });
}

/// Each mail is deleted only after the client has it, so whatever is killed, client and server have all together.
#[test]
fn no_mail_is_lost_whatever_is_killed_while_a_client_deletes() {
    if !have(&["python3"]) {
        return;
    }
    let service = Service::up_with(&ROLES);
    let bob = service.user("bob");
    let folder = service.case.path("fetched");
    fs_err::create_dir(&folder).unwrap();
    let mails = 24;
    let plan = json!({
        "mx": service.port("mx"), "pop3": service.port("pop3"), "authority": service.authority(),
        "user": bob.address, "password": bob.password, "folder": folder, "mails": mails, "at_once": 2,
    });
    run(&service, "send", &plan, |_| ());

    let victims = ["pop3", "sqlite"];
    let (mut quits, mut kills) = (0, Vec::new());
    run(&service, "fetch", &plan, |doing| {
        // Every other session is left alone, so that it comes to an end.
        if doing == "quit" {
            quits += 1;
        }
        let wanted = if quits % 4 == 1 { "quit" } else { "delete" };
        if kills.len() >= 10 || quits % 2 == 0 || doing != wanted {
            return;
        }
        let role = victims[kills.len() % 2];
        let main = service.process(role, "main");
        main.signal(SIGKILL).unwrap();
        kills.push(format!("{role} at {doing}"));
        wait_until("its init starts another one", || {
            let now = service.role(role);
            (now["state"] == "ready" && now["main"] != main.0).then_some(())
        });
    });
    let mut found = BTreeSet::new();
    for entry in fs_err::read_dir(&folder).unwrap() {
        let text = fs_err::read_to_string(entry.unwrap().path()).unwrap();
        let number = text.lines().find_map(|line| line.strip_prefix("Subject: mail ")).unwrap_or_default();
        assert!(text.ends_with(&format!("\nend of mail {number}")), "whole: {text}");
        assert!(found.insert(number.to_owned()), "mail {number} has two unique-ids");
    }
    tell(&format!("pop3: {} of {mails} mails fetched, killed: {}", found.len(), kills.join(", ")));
    assert_eq!(found, (0..mails).map(|number: usize| number.to_string()).collect());
    assert!(
        kills.iter().any(|kill| kill.starts_with("pop3"))
            && kills.iter().any(|kill| kill.starts_with("sqlite"))
    );
    service.down();
}

/// Runs the client, and tells of each line that it says.
fn run(service: &Service, what: &str, plan: &Value, mut says: impl FnMut(&str)) {
    let mut client = service.case.command("python3");
    client.args([CLIENT, what]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut client = client.spawn().unwrap();
    writeln!(client.stdin.as_mut().unwrap(), "{plan}").unwrap();
    for line in BufReader::new(client.stdout.take().unwrap()).lines() {
        says(&line.unwrap());
    }
    assert!(client.wait().unwrap().success(), "{what}");
}
