//! The base images, real or standing in, have what our images and Compose files rely on.

use berth_tests::{Ran, wait_until_within};
use serde_json::json;

use crate::contributor;
use crate::engine::{Engine, PATIENCE, base};
use crate::registry::Registry;

/// Hardened as a role is.
const HARDENED: [&str; 9] = [
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges=true",
    "--user=10001:10001",
    "--tmpfs=/tmp",
    "--memory=64m",
    "--pids-limit=32",
    "--network=none",
    "--rm",
];

/// What a container from a base sees of itself, as `KEY VALUE` lines of /proc/self/status.
fn seen(engine: &Engine, image: &str, script: &str) -> String {
    let label = engine.label();
    let words = ["run", "--label", &label];
    let tail = [image, "sh", "-c", script];
    engine.done(&[&words[..], &HARDENED, &tail].concat())
}

#[test]
fn a_hardened_container_has_no_capability_and_writes_only_where_it_may() {
    let Some(engine) = Engine::new() else { return };
    let script = "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; id -u; touch /tmp/a && echo tmp; \
        touch /a 2>&1 || true";
    let seen = seen(&engine, &base("debian"), script);
    let lines: Vec<_> =
        seen.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let none = "0000000000000000";
    let expected = [&format!("CapEff: {none}"), &format!("CapBnd: {none}"), "NoNewPrivs: 1", "10001", "tmp"];
    assert_eq!(&lines[..5], expected, "{seen}");
    assert!(lines[5].contains("Read-only file system"), "{seen}");
}

#[test]
fn a_health_check_is_asked_at_its_start_interval_until_the_container_is_healthy() {
    let Some(engine) = Engine::new() else { return };
    // An hour apart once it has started: only the start interval can make it healthy in this test's time.
    let name = engine.start(
        "health",
        &[
            "--health-cmd=test -e /tmp/good",
            "--health-interval=1h",
            "--health-start-period=1h",
            "--health-start-interval=200ms",
            "--tmpfs=/tmp",
            &base("debian"),
            "sleep",
            "infinity",
        ],
    );
    wait_until_within(PATIENCE, "it was asked in vain", || {
        let state = engine.inspect(&name)["State"].clone();
        let log = state["Health"]["Log"].as_array()?.clone();
        (log.len() >= 2 && log.iter().all(|entry| entry["ExitCode"] == 1)).then_some(())
    });
    assert_eq!(engine.inspect(&name)["State"]["Health"]["Status"], "starting");
    engine.done(&["exec", &name, "touch", "/tmp/good"]);
    engine.becomes(&name, "healthy");
}

#[test]
fn a_stop_is_the_signal_that_the_image_asks_for_and_the_end_is_told_truly() {
    let Some(engine) = Engine::new() else { return };
    let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done";
    let name = engine.start("stop", &[&base("debian"), "sh", "-c", script]);
    wait_until_within(PATIENCE, "it is ready", || {
        engine.run(&["logs", &name]).out.contains("ready").then_some(())
    });
    engine.done(&["stop", "--timeout", "60", &name]);
    let state = engine.inspect(&name)["State"].clone();
    assert_eq!([&state["ExitCode"], &state["OOMKilled"]], [&json!(7), &json!(false)], "{state:#}");
}

#[test]
fn the_builder_compiles_what_a_native_module_is_made_of_and_the_slim_image_runs_it() {
    let Some(engine) = Engine::new() else { return };
    for image in ["node", "builder"] {
        assert!(seen(&engine, &base(image), "node --version").starts_with("v24."), "{image}");
        seen(&engine, &base(image), "npm --version");
    }
    let words =
        "for tool in python3 make g++ git; do command -v $tool; done; test -f /usr/local/include/node/node.h";
    assert_eq!(seen(&engine, &base("builder"), words).lines().count(), 4);
}

#[test]
fn the_document_store_answers_those_who_have_the_password_alone() {
    let Some(engine) = Engine::new() else { return };
    let network = engine.name("inside");
    engine.done(&["network", "create", "--internal", "--label", &engine.label(), &network]);
    engine.case.write("password", "of-tests-only");
    let secret = format!("{}:/run/secrets/password:ro", engine.case.path("password").display());
    let database = engine.start(
        "postgres",
        &[
            "--network",
            &network,
            "--read-only",
            "--cap-drop=ALL",
            "--user=999:999",
            "--tmpfs=/tmp",
            "--tmpfs=/var/run/postgresql:uid=999",
            "--env=POSTGRES_USER=postbox",
            "--env=POSTGRES_PASSWORD_FILE=/run/secrets/password",
            "--env=POSTGRES_DB=postgres",
            "--volume",
            &secret,
            &base("postgres-documentdb"),
        ],
    );
    let ask = |host: &str, password: &str| {
        let password = format!("--env=PGPASSWORD={password}");
        let words =
            ["exec", &password, &database, "psql", "--host", host, "--username=postbox", "--dbname=postgres"];
        let question = ["--tuples-only", "--no-align", "--command"];
        let question =
            [&question[..], &["SELECT extname FROM pg_extension WHERE extname = 'documentdb'"]].concat();
        engine.run(&[&words[..], &question].concat())
    };
    let address = engine.inspect(&database)["NetworkSettings"]["Networks"][&network]["IPAddress"].clone();
    let address = address.as_str().unwrap();
    wait_until_within(PATIENCE, "it has the extension", || {
        (ask(address, "of-tests-only").out.trim() == "documentdb").then_some(())
    });
    let refused = ask(address, "wrong");
    assert!(refused.code != Some(0) && refused.err.contains("authentication failed"), "{refused:#?}");
    let url =
        format!("--env=FERRETDB_POSTGRESQL_URL=postgres://postbox:of-tests-only@{address}:5432/postgres");
    let store = engine.start(
        "ferretdb",
        &[
            "--network",
            &network,
            "--read-only",
            "--cap-drop=ALL",
            "--tmpfs=/state:uid=1000",
            &url,
            "--env=FERRETDB_TELEMETRY=disable",
            &base("ferretdb"),
        ],
    );
    wait_until_within(PATIENCE, "FerretDB answers", || {
        (engine.run(&["exec", &store, "/ferretdb", "ping"]).code == Some(0)).then_some(())
    });
}

/// Puts an image that has this text in it under the registry's `tool:1`, and gives its digest.
fn publish(engine: &Engine, registry: &Registry, text: &str) -> String {
    engine.case.write("tool/Dockerfile", "FROM scratch\nCOPY text /\n");
    engine.case.write("tool/text", text);
    let (folder, tag) = (engine.case.path("tool"), format!("{}/tool:1", registry.address));
    let (label, folder) = (engine.label(), folder.to_str().unwrap());
    engine.done(&["build", "--quiet", "--provenance=false", "--label", &label, "--tag", &tag, folder]);
    engine.done(&["push", "--quiet", &tag]);
    engine.done(&["image", "rm", &tag]);
    registry.digest(engine, "tool", "1")
}

#[test]
fn a_base_is_pinned_by_the_digest_that_its_registry_tells_and_moves_only_when_it_is_asked_again() {
    let Some(engine) = Engine::new() else { return };
    let Some(registry) = Registry::of(contributor::in_a_clone(&engine)) else { return };
    let image = format!("{}/tool:1", registry.address);
    let (list, workflow) = ("clone/docker/bases.json", "clone/.github/workflows/ci.yml");
    let lists = |digest: &str| {
        format!(
            "[\n  {{\n    \"name\": \"tool\",\n    \"image\": \"{image}\",\n    \"digest\": \"{digest}\",\n    \
             \"for\": \"a job\"\n  }}\n]\n"
        )
    };
    let runs_in = |digest: &str| format!("jobs:\n  a:\n    container:\n      image: {image}@{digest}\n");
    let bases = |words: &[&str]| Ran::run(contributor::in_a_clone(&engine).arg("bases").args(words));
    engine.case.write(list, &lists("unpinned"));
    engine.case.write(workflow, &runs_in(&format!("sha256:{} # unpinned", "0".repeat(64))));

    let first = publish(&engine, &registry, "first");
    let refreshed = bases(&["--refresh"]);
    assert_eq!(refreshed.code, Some(0), "{refreshed:#?}");
    assert!(refreshed.out.contains(&format!("{image}: unpinned -> {first}\n")), "{}", refreshed.out);
    assert!(refreshed.out.ends_with(&format!("tool  {image}@{first}\n")), "{}", refreshed.out);
    assert_eq!((engine.case.read(list), engine.case.read(workflow)), (lists(&first), runs_in(&first)));

    let second = publish(&engine, &registry, "second");
    assert_ne!(first, second);
    let used = bases(&[]);
    assert_eq!(used.out, format!("tool  {image}@{first}\n"), "{used:#?}");
    let refreshed = bases(&["--refresh"]);
    assert_eq!(refreshed.code, Some(0), "{refreshed:#?}");
    assert!(refreshed.out.ends_with(&format!("tool  {image}@{second}\n")), "{}", refreshed.out);
    assert_eq!((engine.case.read(list), engine.case.read(workflow)), (lists(&second), runs_in(&second)));

    drop(registry);
    let away = bases(&["--refresh"]);
    assert_eq!(away.code, Some(1), "{away:#?}");
    let said = format!("no registry told the digest of {image}: left as it was");
    assert!(away.err.contains(&said), "{}", away.err);
    assert_eq!((engine.case.read(list), engine.case.read(workflow)), (lists(&second), runs_in(&second)));
}
