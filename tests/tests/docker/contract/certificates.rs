//! A renewed certificate: it is put into the folder, and role by role is told to read it.

use std::collections::BTreeMap;
use std::process::Command;

use berth_tests::{Served, have, wait_until_within};
use nix::libc::SIGKILL;
use serde_json::Value;

use crate::engine::PATIENCE;
use crate::installation::Installation;
use crate::stack::stack;

/// Roles that show a certificate; those with pages do so to the front.
const SHOW: [&str; 8] = ["smtp", "imap", "pop3", "mx", "web", "api", "caldav", "carddav"];

/// The doors of clients, and how TLS begins there.
const DOORS: [(&str, &[&str]); 5] =
    [("smtp", &[]), ("imap", &[]), ("pop3", &[]), ("mx", &["-starttls", "smtp"]), ("https", &[])];

/// Files that are put into the place of others as a client for ACME does: written beside, then renamed.
const RENEW: &str = "cd \"$0\" && mkdir -p ../kept && cp -p *.pem ../kept/ &&
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=example.test \
      -addext subjectAltName=DNS:example.test,DNS:*.example.test,DNS:localhost,IP:127.0.0.1 -keyout k -out c 2>/dev/null &&
    cp c a && chmod 444 k c a && mv -f k privkey.pem && mv -f c fullchain.pem && mv -f a chain.pem";

/// As they were.
const PUT_BACK: &str = "cd \"$0\" && mv -f ../kept/*.pem . && rmdir ../kept";

fn sh(stack: &Installation, script: &str) {
    let folder = stack.state("compose/certificates");
    let status = stack.engine.case.command("sh").args(["-c", script]).arg(folder).status().unwrap();
    assert!(status.success(), "{script}");
}

fn serial(command: &mut Command) -> String {
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The serial number of the certificate in the folder.
fn on_disk(stack: &Installation) -> String {
    let file = stack.state("compose/certificates/fullchain.pem");
    serial(stack.engine.case.command("openssl").args(["x509", "-noout", "-serial", "-in"]).arg(file))
}

/// The serial number of the certificate that a door shows.
fn shown(stack: &Installation, door: (&str, &[&str])) -> String {
    let address = format!("127.0.0.1:{}", stack.published(door.0));
    let script = "openssl s_client -servername example.test -connect \"$@\" </dev/null 2>/dev/null |
        openssl x509 -noout -serial";
    serial(stack.engine.case.command("sh").args(["-c", script, "sh", &address]).args(door.1))
}

/// What changes when a container is started again, of each.
fn starts(stack: &Installation) -> BTreeMap<String, (Value, Value)> {
    let of = |service: String| {
        let seen = stack.inspect(&service);
        (service, (seen["Id"].clone(), seen["State"]["StartedAt"].clone()))
    };
    stack.services().into_iter().map(of).collect()
}

fn renew(stack: &Installation) {
    for role in SHOW {
        stack.done(&["restart", role]);
    }
    stack.engine.done(&["exec", &stack.container("front"), "nginx", "-s", "reload"]);
    let expected = on_disk(stack);
    for door in DOORS {
        wait_until_within(PATIENCE, &format!("{} shows the certificate of the folder", door.0), || {
            (shown(stack, door) == expected).then_some(())
        });
    }
}

#[test]
fn a_new_certificate_is_shown_role_by_role_and_no_container_starts_again() {
    if !have(&["openssl"]) {
        return;
    }
    let Some(stack) = stack() else { return };
    let (before, old) = (starts(&stack), on_disk(&stack));
    let sqlite = stack.main("sqlite");
    sh(&stack, RENEW);
    for door in DOORS {
        assert_eq!(shown(&stack, door), old, "{}: it is told first", door.0);
    }
    renew(&stack);
    assert_ne!(on_disk(&stack), old);
    assert_eq!(starts(&stack), before);
    assert_eq!(stack.main("sqlite"), sqlite, "it shows no certificate to clients");

    // It was no signal of the engine's, which would take the next end as wanted.
    let restarts = stack.restarts("imap");
    stack.main("imap").signal(SIGKILL).unwrap();
    wait_until_within(PATIENCE, "a crash is still mended", || {
        (stack.restarts("imap") > restarts).then_some(())
    });
    stack.becomes("imap", "healthy");

    sh(&stack, PUT_BACK);
    renew(&stack);
    assert!(fs_err::read_to_string(stack.authority()).is_ok());
    stack.done(&["prove"]);
}

#[test]
fn a_certificate_that_is_made_anew_is_shown_after_restarts_in_place() {
    let Some(stack) = stack() else { return };
    let (before, old) = (starts(&stack), on_disk(&stack));
    fs_err::remove_file(stack.state("tls/fullchain.pem")).unwrap();
    let ran = stack.up();
    assert_ne!(on_disk(&stack), old);
    let proven = if stack.makes_users() { "proven: a mail goes through" } else { "each door answers" };
    assert!(ran.out.contains(proven), "{}", ran.out);
    assert!(ran.err.contains("imap reads changed files: started again, ready after "), "{}", ran.err);
    assert_eq!(starts(&stack), before);
    assert_eq!(shown(&stack, DOORS[1]), on_disk(&stack));
}
