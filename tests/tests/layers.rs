//! Which crate may use which, and who may name a role.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};

use berth_tests::{root, rust_files};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use fs_err as fs;

/// Arrows between crates of one layer; all others go to a smaller number.
const ARROWS_INSIDE_A_LAYER: [(&str, &str); 6] = [
    ("supervise", "cgroup"),
    ("supervise", "control"),
    ("supervise", "process"),
    ("engine", "control"),
    ("engine", "process"),
    ("render", "catalogue"),
];

/// Of the mechanisms, the only one that a role may use: its health check is composed of probes.
const MECHANISM_FOR_ROLES: &str = "probe";

/// PID 1 does without these, though they are below it: it stays small, and renders and proves nothing.
const NOT_FOR_INIT: [&str; 3] = ["canary", "engine", "render"];

/// Besides roles themselves, the crates that may name one: the list of them, and black-box tests.
const NAME_ROLES: [&str; 2] = ["catalogue", "tests"];

/// Names of roles are words of the field too. Where one means something else, or one role stands for all, and what.
const OTHER_MEANINGS: [(&str, &str, &str); 7] = [
    ("crates/berth/src/doors.rs", "api", "the name of a port"),
    ("crates/berth/src/doors.rs", "smtp", "the name of a port, IANA's for 25"),
    ("crates/canary/src/prove.rs", "api", "a step of the proof"),
    ("crates/canary/src/prove.rs", "mx", "a step of the proof"),
    ("crates/canary/src/prove.rs", "pop3", "a step of the proof"),
    ("crates/canary/src/prove.rs", "web", "a step of the proof"),
    ("crates/role/src/lib.rs", "web", "a kind of role"),
];

fn layer(name: &str) -> Option<u8> {
    Some(match name {
        "role" | "settings" | "report" => 0,
        "canary" | "cgroup" | "control" | "engine" | "probe" | "process" | "supervise" => 1,
        _ if name.starts_with("role-") => 2,
        "catalogue" | "render" => 3,
        "init" | "berth" => 4,
        "xtask" | "tests" => 5,
        _ => return None,
    })
}

/// Why a crate may not use another, if it may not.
fn objection(from: &str, to: &str) -> Option<String> {
    let (Some(upper), Some(lower)) = (layer(from), layer(to)) else {
        return Some(format!("{from} or {to} is in no layer: give it one in tests/tests/layers.rs"));
    };
    if from == "init" && NOT_FOR_INIT.contains(&to) {
        return Some(format!("PID 1 does without {}", NOT_FOR_INIT.join(", ")));
    }
    if upper == 2 && lower == 1 && to != MECHANISM_FOR_ROLES {
        return Some(format!("of the mechanisms a role may use {MECHANISM_FOR_ROLES} alone"));
    }
    let allowed = lower < upper || ARROWS_INSIDE_A_LAYER.contains(&(from, to));
    let inside = ARROWS_INSIDE_A_LAYER.map(|(from, to)| format!("{from} -> {to}")).join(", ");
    (!allowed).then(|| {
        format!(
            "layer {upper} may use layers below {upper} and, inside a layer, only {inside}; {to} is in layer {lower}"
        )
    })
}

fn workspace() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap()
}

fn short(package: &str) -> &str {
    package.strip_prefix("berth-").unwrap_or(package)
}

#[test]
fn every_crate_uses_only_what_its_layer_may() {
    let metadata = workspace();
    let mut faults = Vec::new();
    for package in metadata.workspace_packages() {
        let from = short(&package.name);
        let ours = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
        for dependency in ours {
            let how = if dependency.kind == DependencyKind::Development { " (for tests)" } else { "" };
            let to = short(&dependency.name);
            faults.extend(objection(from, to).map(|why| format!("{from} -> {to}{how}: {why}")));
        }
    }
    assert!(faults.is_empty(), "forbidden arrows between crates:\n  {}\n", faults.join("\n  "));
}

#[test]
fn a_forbidden_arrow_is_named_with_what_is_allowed() {
    for (from, to, allowed) in [
        ("init", "supervise", true),
        ("init", "render", false),
        ("supervise", "control", true),
        ("control", "supervise", false),
        ("role-imap", "probe", true),
        ("role-imap", "control", false),
        ("role-imap", "role-sqlite", false),
        ("probe", "role", true),
        ("role", "report", false),
        ("canary", "probe", false),
        ("catalogue", "render", false),
        ("berth", "xtask", false),
        ("newcomer", "role", false),
    ] {
        assert_eq!(objection(from, to).is_none(), allowed, "{from} -> {to}: {:?}", objection(from, to));
    }
}

/// Whoever is no role asks by protocol, exposure or kind; else a thirteenth role is more than one crate and
/// one line. A role's name counts where it is a whole string literal outside of tests.
#[test]
fn roles_are_named_only_by_roles_the_catalogue_and_tests() {
    let metadata = workspace();
    let packages: BTreeMap<_, _> =
        metadata.workspace_packages().into_iter().map(|package| (short(&package.name), package)).collect();
    let roles: Vec<_> = packages.keys().filter_map(|name| name.strip_prefix("role-")).collect();
    assert!(roles.len() >= 12, "{roles:?}");
    let mut faults = Vec::new();
    let mut used: BTreeSet<&(&str, &str, &str)> = BTreeSet::new();
    for (name, package) in &packages {
        if name.starts_with("role-") || NAME_ROLES.contains(name) {
            continue;
        }
        for file in rust_files(package.manifest_path.parent().unwrap().join("src").as_std_path()) {
            let path = file.strip_prefix(root()).unwrap().display().to_string();
            let named = names(&fs::read_to_string(&file).unwrap(), &roles).into_iter();
            let named = named.filter(|(_, role)| {
                let known = OTHER_MEANINGS.iter().find(|known| (known.0, known.1) == (&path, *role));
                used.extend(known);
                known.is_none()
            });
            faults.extend(named.map(|(line, role)| format!("{path}:{line} names the role {role}")));
        }
    }
    assert!(
        faults.is_empty(),
        "only role crates, {} may name a role; ask by protocol, exposure or kind:\n  {}\n",
        NAME_ROLES.join(" and "),
        faults.join("\n  ")
    );
    let unused: Vec<_> = OTHER_MEANINGS.iter().filter(|known| !used.contains(*known)).collect();
    assert!(unused.is_empty(), "nobody says these any more: {unused:?}");
}

/// Lines of code, before the tests at a file's end, that hold a role's name as a string literal.
fn names<'a>(text: &str, roles: &[&'a str]) -> Vec<(usize, &'a str)> {
    let code = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").enumerate();
    let code = code.filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.flat_map(|(number, line)| {
        let named = roles.iter().filter(move |role| line.contains(&format!("\"{role}\"")));
        named.map(move |role| (number + 1, *role))
    })
    .collect()
}

#[test]
fn a_role_is_found_in_code_and_not_in_comments_and_tests() {
    let text = "//! \"imap\"\nlet a = \"imap\";\nlet b = \"imaps\";\n#[cfg(test)]\nlet c = \"imap\";\n";
    assert_eq!(names(text, &["imap", "mx"]), [(2, "imap")]);
}
