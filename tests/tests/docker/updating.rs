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

/// The roles' image, with one more step.
fn changed(stack: &Installation, name: &str, step: &str) -> String {
    let (tag, label) = (format!("{}:1", stack.engine.name(name)), stack.engine.label());
    let mut build = stack.engine.docker(&["build", "--quiet", "--label", &label, "--tag", &tag, "-"]);
    let mut build = build.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let recipe = format!("FROM {}\n{step}\n", image());
    build.stdin.take().unwrap().write_all(recipe.as_bytes()).unwrap();
    assert!(build.wait().unwrap().success());
    tag
}

#[test]
fn one_role_is_updated_alone_and_goes_back_to_the_image_of_all() {
    let Some(stack) = stack() else { return };
    let newer = changed(&stack, "newer", "LABEL berth.test.newer=yes");
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

#[test]
fn an_update_that_fails_tells_the_last_words_and_the_way_back_and_the_others_go_on() {
    let Some(stack) = stack() else { return };
    let step = "USER 0\nRUN echo 'console.error(`the moon is in the way`); process.exit(3)' > /app/imap.js\n\
                USER 10001:10001";
    let broken = changed(&stack, "broken", step);
    let ran = stack.run(&["up", "--only", "imap", "--image", &broken, "--no-prove"]);
    assert_eq!(ran.code, Some(69), "{ran:#?}");
    assert!(ran.err.contains("  | the moon is in the way\n"), "{}", ran.err);
    assert!(ran.err.contains("error: imap ended with code 3"), "{}", ran.err);
    let back = format!("back to it: berth up --only imap --image {}", image());
    assert!(ran.err.contains(&back), "{}", ran.err);
    for role in ROLES.iter().filter(|role| **role != "imap") {
        assert_eq!(stack.inspect(role)["State"]["Health"]["Status"], "healthy", "{role}");
    }
    stack.done(&["up", "--only", "imap", "--image", &image(), "--no-prove"]);
    stack.becomes("imap", "healthy");
    stack.engine.done(&["image", "rm", &broken]);
}
