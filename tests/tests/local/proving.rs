//! `berth prove`: how far it goes, what it prints for programs, and that it leaves nothing behind.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};

use berth_tests::{Process, application, wait_until};
use nix::libc::{SIGINT, SIGKILL};
use serde_json::Value;
use snapbox::{Data, assert_data_eq};

use crate::service::{Ran, Service, User};

/// What JSON there is, with every value as its kind: documents may get more fields, and never other ones.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(values) => values.first().map(shape).into_iter().collect(),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "yes or no".into(),
        Value::Null => "nothing".into(),
    }
}

fn holds_to(name: &str, out: &str) {
    let shape = shape(&serde_json::from_str(out).unwrap());
    let golden = format!("{}/tests/local/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = serde_json::to_string_pretty(&shape).unwrap() + "\n";
    assert_data_eq!(text, Data::read_from(Path::new(&golden), None).raw());
}

#[test]
fn documents_for_programs_keep_their_fields() {
    let service = Service::up();
    holds_to("status", &service.done(&["status", "--json"]).out);
    holds_to("prove", &service.done(&["prove", "--json"]).out);
    let ran = service.done(&["prove", "--latency", "5", "--json"]);
    holds_to("latency", &ran.out);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["mails"], 5);
    service.down();
}

/// A `berth prove` under way, once its mail is taken over.
fn under_way(service: &Service, words: &[&str], password: &str) -> Child {
    let out = File::create(service.case.path("proof")).unwrap();
    let mut command = service.berth(words);
    let mut child = command.stdin(Stdio::piped()).stdout(out).stderr(Stdio::null()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    wait_until("a mail is submitted", || service.case.read("proof").contains("submit a mail").then_some(()));
    child
}

fn ended(mut child: Child) -> Option<i32> {
    wait_until("it ends", || child.try_wait().unwrap()).code()
}

#[test]
fn the_account_of_a_killed_proof_is_removed_by_the_next() {
    let service = Service::up();
    let accounts = || service.admin(&["user", "list"]).out;
    let before = accounts();
    let child = under_way(&service, &["prove"], "");
    Process::of(&child).signal(SIGKILL).unwrap();
    ended(child);
    assert!(accounts().contains("canary-"), "it was killed too late: {}", accounts());
    service.done(&["prove"]);
    assert_eq!(accounts(), before);
    service.down();
}

#[test]
fn ctrl_c_takes_what_was_sent_out_of_the_mailbox_again() {
    let service = Service::up();
    let user = service.user("ada");
    let child = under_way(&service, &["prove", "--user", &user.address, "--password-stdin"], &user.password);
    Process::of(&child).signal(SIGINT).unwrap();
    assert_eq!(ended(child), Some(130), "{}", service.case.read("proof"));
    let proof = service.case.read("proof");
    assert!(proof.contains("it was interrupted") && proof.contains("NOT proven"), "{proof}");
    assert!(proof.contains("  ok      remove everything that it made"), "{proof}");
    assert_eq!(mails(&service, &user), "0");
    service.down();
}

/// It ended with 1.
#[test]
fn ctrl_c_while_latencies_are_measured_ends_as_that_of_a_proof_and_leaves_no_account() {
    let service = Service::up();
    let accounts = || service.admin(&["user", "list"]).out;
    let before = accounts();
    let out = File::create(service.case.path("measured")).unwrap();
    let mut command = service.berth(&["prove", "--latency", "1000"]);
    let child = command.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
    wait_until("its account is there", || accounts().contains("canary-").then_some(()));
    Process::of(&child).signal(SIGINT).unwrap();
    assert_eq!(ended(child), Some(130), "{}", service.case.read("measured"));
    let said = service.case.read("measured");
    assert!(said.starts_with("error: cannot measure\n  cause: it was interrupted\n"), "{said}");
    assert_eq!(accounts(), before);
    service.down();
}

/// How many mails are in INBOX.
fn mails(service: &Service, user: &User) -> String {
    let mut curl = service.case.command("curl");
    curl.args(["--silent", "--show-error", "--cacert", &service.authority(), "--user", &user.credentials()]);
    curl.args(["--request", "STATUS INBOX (MESSAGES)", &format!("imaps://{}/", service.door("imap"))]);
    let ran = Ran::of(&curl.output().unwrap());
    let count = ran.out.split("MESSAGES ").nth(1).unwrap_or_else(|| panic!("{ran:#?}"));
    count.chars().take_while(char::is_ascii_digit).collect()
}

/// An application whose accounts cannot be made: the doors are proved, and it says that no mail was sent.
#[test]
fn without_a_mailbox_the_protocols_are_proved_and_with_one_the_mails() {
    let service = Service::new();
    let app = service.case.path("app");
    fs_err::create_dir(&app).unwrap();
    for file in fs_err::read_dir(application()).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "admin.js" {
            std::os::unix::fs::symlink(file.path(), app.join(file.file_name())).unwrap();
        }
    }
    let up = ["up", "--detach", "--only", "imap,mx,smtp,smtp-bree"];
    let ran = Ran::of(&service.berth(&up).env("BERTH_APP_DIR", &app).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.out.contains("each door answers; no mail was sent"), "{}", ran.out);
    let proof: Value = serde_json::from_str(&service.done(&["prove", "--json"]).out).unwrap();
    assert_eq!((&proof["extent"], &proof["passed"]), (&"protocols".into(), &true.into()), "{proof:#}");

    let user = service.user("ada");
    let child = under_way(&service, &["prove", "--user", &user.address, "--password-stdin"], &user.password);
    assert_eq!(ended(child), Some(0), "{}", service.case.read("proof"));
    assert!(service.case.read("proof").contains("proven: a mail goes through"));
    assert_eq!(mails(&service, &user), "0");
    service.down();
}
