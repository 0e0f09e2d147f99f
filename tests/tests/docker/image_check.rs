//! `berth image check` on images that were made wrong on purpose, one way or all ways at once.

use std::io::Write;
use std::process::Stdio;

use berth_tests::{Ran, berth};
use serde_json::Value;

use crate::engine::{Engine, base};
use crate::image::{PUBLISHED, SAMPLE};

/// What `berth image check --json` says, and how it ends.
pub fn check(engine: &Engine, image: &str) -> (Option<i32>, Value) {
    let ran = Ran::run(engine.program(berth()).args(["image", "check", "--json", image]));
    let report = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
    (ran.code, report)
}

/// Its findings as `RULE PATH`.
pub fn findings(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    findings.map(|finding| format!("{} {}", text(finding, "rule"), text(finding, "path"))).collect()
}

/// Builds an image of these instructions, which are added to a base without faults.
fn image(engine: &Engine, of: &str, instructions: &str) -> String {
    let name = engine.name(of);
    let label = engine.label();
    let mut build = engine.docker(&["build", "--quiet", "--tag", &name, "--label", &label, "-"]);
    let mut child = build.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let base = base("debian");
    // Setuid programs go, in the same layer as what else is done.
    let good = "RUN find / -xdev -type f -perm /6000 -exec chmod u-s,g-s {} +\nUSER 10001\nWORKDIR /app\n";
    let dockerfile = format!("FROM {base}\n{good}USER 0\n{instructions}\n");
    child.stdin.take().unwrap().write_all(dockerfile.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    name
}

#[test]
fn each_fault_is_found_and_nothing_else_is() {
    let Some(engine) = Engine::new() else { return };
    let package = |folder: &str, text: &str| {
        format!("RUN mkdir -p /app/{folder} && echo '{text}' > /app/{folder}/package.json\n")
    };
    let application = package(".", r#"{"dependencies": {"a": "1"}, "devDependencies": {"b": "1"}}"#)
        + &package("node_modules/a", r#"{"dependencies": {"c": "1"}}"#)
        + &package("node_modules/c", "{}");
    // The first bytes of a program for a big IBM (elf.h: EM_S390).
    let foreign = r"RUN printf '\177ELF\2\2\1\0\0\0\0\0\0\0\0\0\0\2\0\026\0\0\0\1' > /usr/bin/foreign";
    for (of, instructions, expected) in [
        ("good", "USER 10001".to_owned(), &[][..]),
        ("root", String::new(), &["root "]),
        ("setuid", "RUN cp -p /bin/su /su && chmod 4755 /su\nUSER 10001".to_owned(), &["setuid /su"]),
        ("open", "RUN mkdir -m 777 /srv/open\nUSER 10001".to_owned(), &["world-writable /srv/open"]),
        (
            "git",
            "RUN mkdir /app/.git && echo x > /app/.git/config\nRUN rm -r /app/.git\nUSER 10001".to_owned(),
            &["git /app/.git"],
        ),
        (
            "development",
            application + &package("node_modules/b", "{}") + "USER 10001",
            &["dev-dependency /app/node_modules/b"],
        ),
        (
            "cache",
            "RUN mkdir -p /root/.npm && echo x > /root/.npm/x\nUSER 10001".to_owned(),
            &["package-cache /root/.npm"],
        ),
        ("foreign", format!("{foreign}\nUSER 10001"), &["platform /usr/bin/foreign"]),
        ("settings", "RUN echo SRS_SECRET=x > /app/.env\nUSER 10001".to_owned(), &["settings /app/.env"]),
    ] {
        let (code, report) = check(&engine, &image(&engine, of, &instructions));
        assert_eq!(findings(&report), expected, "{of}: {report:#}");
        assert_eq!(code, Some(i32::from(!expected.is_empty())), "{of}");
        assert_eq!(report["good"], expected.is_empty(), "{of}");
    }
}

#[test]
fn the_sample_has_none_and_what_the_published_recipe_makes_has_many() {
    let Some(engine) = Engine::new() else { return };
    let (code, ours) = check(&engine, SAMPLE);
    assert_eq!((code, findings(&ours)), (Some(0), Vec::new()));
    let (code, theirs) = check(&engine, PUBLISHED);
    assert_eq!(code, Some(1));
    let found = findings(&theirs);
    for rule in
        ["setuid /", "git /app/.git", "dev-dependency /app/node_modules/", "platform /app/node_modules/"]
    {
        assert!(found.iter().any(|finding| finding.starts_with(rule)), "{rule}: {found:#?}");
    }
    for size in ["compressed", "unpacked"] {
        let [ours, theirs] = [&ours, &theirs].map(|report| report[size].as_u64().unwrap());
        assert!(ours * 2 <= theirs, "{size}: {ours} of {theirs}");
    }
}

#[test]
fn a_saved_image_is_read_from_its_file_and_what_is_none_is_refused() {
    let Some(engine) = Engine::new() else { return };
    let file = engine.case.path("image.tar");
    let path = file.to_str().unwrap();
    engine.done(&["image", "save", "--output", path, SAMPLE]);
    let (code, from_file) = check(&engine, path);
    assert_eq!(code, Some(0));
    let (_, from_engine) = check(&engine, SAMPLE);
    for part in ["layers", "findings", "platform", "user", "compressed", "unpacked"] {
        assert_eq!(from_file[part], from_engine[part], "{part}");
    }
    let text = engine.case.write("text", "no archive");
    for (image, code, said) in [
        (text.to_str().unwrap(), 1, "this is no tar archive"),
        ("berth-test/none:there", 127, "there is no image or file berth-test/none:there"),
    ] {
        let ran = Ran::run(engine.program(berth()).args(["image", "check", image]));
        assert_eq!(ran.code, Some(code), "{ran:#?}");
        assert!(ran.err.contains(said), "{ran:#?}");
    }
}
