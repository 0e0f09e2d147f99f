//! One role is updated, and no other.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;

use crate::installation::{Installation, ROLES, STORES, image};
use crate::stack::stack;

/// The containers of all services.
fn ids(stack: &Installation) -> BTreeMap<&'static str, String> {
    let all = STORES.into_iter().chain(ROLES).chain(["front"]);
    all.map(|service| (service, stack.inspect(service)["Id"].as_str().unwrap().to_owned())).collect()
}

/// The roles' image, with something in it that is new.
fn newer(stack: &Installation) -> String {
    let (tag, label) = (format!("{}:1", stack.engine.name("newer")), stack.engine.label());
    let mut build = stack.engine.docker(&["build", "--quiet", "--label", &label, "--tag", &tag, "-"]);
    let mut build = build.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let recipe = format!("FROM {}\nLABEL berth.test.newer=yes\n", image());
    build.stdin.take().unwrap().write_all(recipe.as_bytes()).unwrap();
    assert!(build.wait().unwrap().success());
    tag
}

#[test]
fn one_role_is_updated_alone_and_goes_back_to_the_image_of_all() {
    let Some(stack) = stack() else { return };
    let newer = newer(&stack);
    let before = ids(&stack);
    stack.done(&["up", "--only", "pop3", "--image", &newer, "--detach", "--no-prove"]);
    let after = ids(&stack);
    let changed: Vec<_> = before.keys().filter(|name| before[*name] != after[*name]).collect();
    assert_eq!(changed, [&"pop3"]);
    let seen = stack.inspect("pop3");
    assert_eq!(
        (&seen["Config"]["Image"], &seen["Config"]["Labels"]["berth.test.newer"]),
        (&newer.as_str().into(), &"yes".into())
    );
    assert_eq!(stack.becomes("pop3", "healthy")["Running"], true);
    // Whatever is done to the others, it keeps its own.
    stack.done(&["up", "--detach", "--no-prove"]);
    assert_eq!(ids(&stack), after);

    stack.done(&["up", "--image", &image(), "--detach", "--no-prove"]);
    let last = ids(&stack);
    let changed: Vec<_> = after.keys().filter(|name| after[*name] != last[*name]).collect();
    assert_eq!(changed, [&"pop3"]);
    assert_eq!(stack.inspect("pop3")["Config"]["Image"], image());
    stack.engine.done(&["image", "rm", &newer]);
}
