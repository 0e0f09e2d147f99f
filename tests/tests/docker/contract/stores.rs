//! A store is away for half a minute at least, and comes back.

use std::time::{Duration, Instant};

use berth_tests::{Load, Mails, have, wait_until_within};

use crate::installation::{Installation, START};
use crate::stack::stack;

/// So long.
const AWAY: Duration = Duration::from_secs(30);

/// Whether every role's health is bad. The sample's for what this setting names, or because it greets with 421, for the same
/// reason; of another application nothing is known but that its own answer may be missed first.
fn all_miss(stack: &Installation, roles: &[&str], setting: &str) -> bool {
    let for_any_reason = !stack.makes_users();
    let misses = |role: &str| {
        let said = stack.exec(role, &["berth-init", "health"]);
        let told = for_any_reason || said.out.contains(setting) || said.out.contains("read \"421");
        said.code == Some(1) && told
    };
    // A name that is gone is looked for for five seconds.
    std::thread::scope(|scope| {
        let asked: Vec<_> = roles.iter().map(|role| scope.spawn(move || misses(role))).collect();
        asked.into_iter().all(|role| role.join().unwrap())
    })
}

/// Has a store away, during which every role says what it needs, is live, and does not end. Where there can be somebody to get
/// them, mails go in meanwhile, and `finish` looks for them.
fn away(stack: &Installation, setting: &str, go: &[&str], back: &[&str], finish: impl FnOnce(Load<'_>)) {
    let load = stack.makes_users().then(|| Load::start(stack, Mails { threads: 1, size: 4000, pause: 0.2 }));
    let load = load.inspect(|load| load.goes_on(5));
    let roles = stack.roles();
    let state = || -> Vec<_> {
        roles.iter().map(|role| (stack.restarts(role), stack.init(role), stack.main(role))).collect()
    };
    let before = state();
    let begun = Instant::now();
    stack.engine.done(go);
    let missed = || all_miss(stack, &roles, setting).then_some(());
    wait_until_within(START, &format!("all miss {setting}"), missed);
    loop {
        for role in &roles {
            let live = stack.exec(role, &["berth-init", "health", "--live"]);
            assert_eq!(live.code, Some(0), "{role}: {live:#?}");
        }
        if begun.elapsed() > AWAY {
            break;
        }
    }
    stack.engine.done(back);
    for role in &roles {
        wait_until_within(START, &format!("{role} is well again"), || {
            (stack.exec(role, &["berth-init", "health"]).code == Some(0)).then_some(())
        });
    }
    assert!(state() == before, "a role ended for want of a store");
    if let Some(load) = load {
        load.goes_on(5);
        finish(load);
    }
    stack.done(&["prove"]);
}

#[test]
fn while_the_document_store_hangs_health_says_so_and_nothing_ends_or_is_lost() {
    if !have(&["python3"]) {
        return;
    }
    let Some(stack) = stack() else { return };
    let store = stack.container(stack.document_store());
    away(&stack, "MONGO_URI", &["pause", &store], &["unpause", &store], |load| {
        load.finish_in_doubt("the document store paused for 30 s");
    });
}

#[test]
fn while_redis_is_gone_health_says_so_and_nothing_ends_or_is_lost() {
    if !have(&["python3"]) {
        return;
    }
    let Some(stack) = stack() else { return };
    let store = stack.container("redis");
    away(&stack, "REDIS_HOST", &["stop", &store], &["start", &store], |load| {
        load.finish("Redis gone for 30 s");
    });
}
