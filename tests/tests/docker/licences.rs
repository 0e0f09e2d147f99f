//! The licences of what is in an image: those of packages are held to a list when the image is built, and all are in it.

use berth_tests::{Case, Ran, node, root, skip};

use crate::engine::Engine;
use crate::image::SAMPLE;

/// Packages as pnpm lays them out, each with what it says of its licence.
fn packages(case: &Case, packages: &[(&str, &str)]) {
    for (name, licence) in packages {
        let manifest = format!(r#"{{"name": "{name}", "version": "1.0.0"{licence}}}"#);
        case.write(
            format!("node_modules/.pnpm/{}@1.0.0/node_modules/{name}/package.json", name.replace('/', "+")),
            &manifest,
        );
    }
}

/// Where the packages are listed, with `accepted` as those whose licence was read.
fn listed(case: &Case, accepted: &str) -> Option<Ran> {
    let Some(node) = node() else {
        skip("there is no node");
        return None;
    };
    let mut list = case.command(node);
    list.arg(root().join("docker/recipe/licences.mjs")).args([
        "node_modules",
        "list",
        "MIT ISC Apache-2.0 BSD-3-Clause",
        accepted,
    ]);
    Some(Ran::run(&mut list))
}

#[test]
fn each_package_is_listed_and_a_licence_that_nobody_has_allowed_fails_the_build() {
    let case = Case::new();
    packages(
        &case,
        &[
            ("one", r#", "license": "MIT""#),
            ("@scope/two", r#", "license": "(GPL-3.0-only OR ISC)""#),
            ("three", r#", "license": "MIT AND Apache-2.0""#),
            ("four", r#", "licenses": [{"type": "MIT"}, {"type": "GPL-2.0"}]"#),
            ("five", r#", "license": "Apache-2.0 WITH LLVM-exception""#),
        ],
    );
    let Some(ran) = listed(&case, "") else { return };
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let list = case.read("list");
    assert!(list.starts_with("@scope/two 1.0.0: (GPL-3.0-only OR ISC)\nfive 1.0.0: "), "{list}");
    assert_eq!(list.lines().count(), 5, "{list}");
    for (name, licence) in [
        ("no", r#", "license": "GPL-3.0-only""#),
        ("both", r#", "license": "MIT AND GPL-3.0-only""#),
        ("nobody", ""),
        ("open", r#", "license": "(MIT OR ISC""#),
        ("words", r#", "license": "MIT or so""#),
    ] {
        let case = Case::new();
        packages(&case, &[("one", r#", "license": "MIT""#), (name, licence)]);
        let ran = listed(&case, "").unwrap();
        assert_eq!(ran.code, Some(1), "{name}: {ran:#?}");
        assert!(ran.err.contains(&format!("  {name} 1.0.0: ")) && !ran.err.contains("  one "), "{}", ran.err);
    }
}

/// Forward Email's own dependencies have these texts: the one is no licence's name, of the other not all are on the list.
#[test]
fn a_package_whose_licence_was_read_is_accepted_by_its_name_and_listed_as_such() {
    let case = Case::new();
    let to_read = [
        ("paypal-rest-sdk", r#", "license": "SEE LICENSE IN https://example.test/LICENSE""#),
        ("@fortawesome/fontawesome-free", r#", "license": "(CC-BY-4.0 AND OFL-1.1 AND MIT)""#),
    ];
    packages(&case, &[&to_read[..], &[("one", r#", "license": "MIT""#)]].concat());
    for (accepted, still_refused) in [
        ("", &to_read[..]),
        ("paypal-rest-sdk@1.8.1 @fortawesome/fontawesome-free@1.0", &to_read),
        ("paypal-rest-sdk", &to_read[1..]),
        ("paypal rest-sdk @fortawesome/fontawesome-free@1.0.0", &to_read[..1]),
    ] {
        let Some(ran) = listed(&case, accepted) else { return };
        assert_eq!(ran.code, Some(1), "{accepted}: {ran:#?}");
        for package in &to_read {
            let is_refused = ran.err.contains(&format!("  {} 1.0.0: ", package.0));
            assert_eq!(is_refused, still_refused.contains(package), "{accepted}: {}", ran.err);
        }
        assert!(ran.err.contains("LICENCES lists") && ran.err.contains("LICENCES_OF=\""), "{}", ran.err);
    }
    let ran = listed(&case, "one @fortawesome/fontawesome-free@1.0.0\npaypal-rest-sdk").unwrap();
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let list = case.read("list");
    let lines: Vec<_> = list.lines().collect();
    assert!(lines[0].starts_with("@fortawesome/fontawesome-free 1.0.0: (CC-BY-4.0 AND"), "{list}");
    assert!(lines[0].contains("read and accepted") && lines[2].contains("read and accepted"), "{list}");
    assert_eq!(lines[1], "one 1.0.0: MIT", "it needs nobody's acceptance");
}

#[test]
fn the_image_lists_the_licences_of_its_packages_of_the_crates_in_berth_init_and_of_node() {
    let Some(engine) = Engine::new() else { return };
    let read = |name: &str| {
        let path = format!("/usr/share/licenses/berth/{name}");
        engine.done(&["run", "--rm", "--network=none", SAMPLE, "--", "cat", &path])
    };
    let packages = read("packages");
    assert!(packages.lines().count() > 50 && packages.contains("\njoi "), "{packages}");
    let node = read("node");
    assert!(node.contains("Node.js is licensed for use as follows") && node.contains("V8"), "{node}");
    let crates = read("crates");
    assert!(crates.contains("\ntokio 1.") && crates.contains("Permission is hereby granted"), "{crates}");
}
