//! People read and write mail with a browser: Chromium, driven by the scenarios in `docker/app/test/browser`.
//!
//! Pictures of the pages at the width of a phone and of a desk are kept in `target/screenshots`.

use std::path::Path;

use berth_tests::{application, node};
use serde_json::json;

use crate::clients::done;
use crate::service::{Service, User, have, tell};

/// What a mail goes through between two people with browsers.
const ROLES: [&str; 4] = ["sqlite", "mx", "smtp-bree", "web"];

/// Plays a scenario with two new users.
fn play(scenario: &str) {
    if !have(&["chromium"]) {
        return;
    }
    let service = Service::up_with(&ROLES);
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    fs_err::create_dir_all(&pictures).unwrap();
    let person = |User { address, password }| json!({ "address": address, "password": password });
    let facts = json!({
        "base": format!("https://{}", service.door("web")),
        "mx": service.port("mx"),
        "ada": person(service.user("ada")),
        "bob": person(service.user("bob")),
        "shots": pictures,
    });
    let mut browser = service.case.command(node().unwrap());
    browser.arg(application().join("test/browser/main.js")).args([scenario, &facts.to_string()]);
    // Where it leaves its profile and its logs, and names files with more than ASCII.
    browser.env("HOME", service.case.folder()).env("TMPDIR", service.case.folder()).env("LANG", "C.UTF-8");
    tell(done(&mut browser).out.trim_end());
    service.down();
}

#[test]
fn two_people_write_to_each_other_in_a_browser_without_scripts() {
    play("walk");
}

#[test]
fn a_mail_is_read_with_the_keyboard_alone() {
    play("keyboard");
}

#[test]
fn no_page_has_a_fault_that_axe_core_finds() {
    play("accessibility");
}

#[test]
fn a_hostile_mail_reaches_nobody_and_runs_nothing() {
    play("hostile");
}
