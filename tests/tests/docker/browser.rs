//! People read and write mail with a browser through the front.

use std::path::Path;

use berth_tests::{Ran, Served, User, application, have, node, tell};
use serde_json::json;

use crate::stack::stack;

#[test]
fn two_people_write_to_each_other_in_a_browser_through_the_front() {
    if !have(&["chromium"]) {
        return;
    }
    let Some(stack) = stack() else { return };
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots").join("front");
    fs_err::create_dir_all(&pictures).unwrap();
    let person = |User { address, password }| json!({ "address": address, "password": password });
    let facts = json!({
        "base": format!("https://127.0.0.1:{}", stack.published("https")),
        "mx": stack.published("mx"),
        "ada": person(stack.user("ada")),
        "bob": person(stack.user("bob")),
        "shots": pictures,
    });
    let mut browser = stack.engine.case.command(node().unwrap());
    browser.arg(application().join("test/browser/main.js")).args(["walk", &facts.to_string()]);
    let folder = stack.engine.case.folder();
    browser.env("HOME", folder).env("TMPDIR", folder).env("LANG", "C.UTF-8");
    browser.env("APP_NAME", "example.test");
    let ran = Ran::of(&browser.output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    tell(ran.out.trim_end());
}
