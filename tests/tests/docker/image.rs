//! The shared image, made in three ways, looked at from outside: from source, derived from a published one, and a published
//! one that is left as it is and has berth-init brought in. What is published is a stand-in: the sample, built the way of
//! the published recipe.

use std::collections::BTreeMap;
use std::path::Path;

use berth_catalogue::ROLES;
use berth_render::dockerfile;
use berth_tests::{Ran, berth, init};
use serde_json::json;

use crate::engine::{Engine, while_layers_stay};

/// What `cargo xtask build-image` makes of the sample.
pub const SAMPLE: &str = "berth/postbox:dev";

/// What `cargo xtask build-image --standin` makes of it.
pub const PUBLISHED: &str = "berth-standin/published:dev";

/// What a container of one of the ways is started with, before its command.
struct Way {
    name: &'static str,
    words: Vec<String>,
    /// The user that roles run as.
    user: &'static str,
}

/// The three ways; the derived one is made here, by what operators have.
fn ways(engine: &Engine) -> Vec<Way> {
    let derived = engine.name("derived");
    let made = derive(engine, &["--from", PUBLISHED, "--tag", &derived]);
    assert_eq!(made.code, Some(0), "{made:#?}");
    let mount = format!("{}:/usr/local/bin/berth-init:ro", init().display());
    let injected = ["--volume", &mount, "--entrypoint=/usr/local/bin/berth-init", PUBLISHED];
    vec![
        Way { name: "from source", words: vec![SAMPLE.to_owned()], user: "10001" },
        Way { name: "derived", words: vec![derived], user: "999" },
        Way { name: "injected", words: injected.map(str::to_owned).into(), user: "999" },
    ]
}

/// Runs `berth image derive`; what it makes goes with the test.
pub fn derive(engine: &Engine, words: &[&str]) -> Ran {
    derive_with(engine, &init(), words)
}

/// The same, with another `berth-init`.
pub fn derive_with(engine: &Engine, init: &Path, words: &[&str]) -> Ran {
    let label = engine.label();
    let mut command = engine.program(berth());
    command.args(["image", "derive", "--init"]).arg(init).args(words);
    command.args(["--", "--load", "--label", &label]);
    while_layers_stay(|| Ran::run(&mut command))
}

impl Way {
    fn run(&self, engine: &Engine, options: &[&str], command: &[&str]) -> Ran {
        let label = engine.label();
        let image: Vec<_> = self.words.iter().map(String::as_str).collect();
        let start = ["run", "--rm", "--network=none", "--label", &label];
        engine.run(&[&start[..], options, &image, command].concat())
    }
}

#[test]
fn each_way_lists_the_roles_and_runs_a_program_as_its_user() {
    let Some(engine) = Engine::new() else { return };
    let mut lists = Vec::new();
    for way in ways(&engine) {
        let listed = way.run(&engine, &[], &[]);
        assert_eq!(listed.code, Some(0), "{}: {listed:#?}", way.name);
        for role in ROLES {
            assert!(listed.out.contains(&format!("\n  {} ", role.name)), "{}: {}", way.name, listed.out);
        }
        lists.push(listed.out);
        let user = way.run(&engine, &[], &["--", "id", "-u"]);
        assert_eq!((user.code, user.out.trim()), (Some(0), way.user), "{}: {user:#?}", way.name);
        let unset = way.run(&engine, &[], &["imap"]);
        assert_eq!(unset.code, Some(78), "{}: {unset:#?}", way.name);
        assert!(unset.err.contains("HELPER_ENCRYPTION_KEY: is not set"), "{}: {}", way.name, unset.err);
    }
    assert!(lists.iter().all(|list| *list == lists[0]), "{lists:#?}");
}

#[test]
fn each_way_runs_a_role_that_becomes_healthy_and_is_stopped_as_it_wants_to_be() {
    let Some(engine) = Engine::new() else { return };
    let settings = settings(&engine);
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    // The image without berth in it has no health check of its own: the overlay brings that along, too.
    let health = [
        "--health-cmd=/usr/local/bin/berth-init health",
        "--health-start-interval=500ms",
        "--health-start-period=1m",
    ];
    for way in ways(&engine) {
        let image: Vec<_> = way.words.iter().map(String::as_str).collect();
        let health = if way.name == "injected" { &health[..] } else { &[] };
        let of = way.name.replace(' ', "-");
        // The folder of mailboxes is a volume of that user.
        let data = [&*format!("--tmpfs=/mnt:uid={}", way.user)];
        let container =
            engine.start(&of, &[&settings[..], &HARDENED, &data, health, &image, &["smtp"]].concat());
        let state = engine.becomes(&container, "healthy");
        let said =
            state["Health"]["Log"].as_array().unwrap().last().unwrap()["Output"].as_str().unwrap().to_owned();
        assert!(said.starts_with("healthy in ") && said.contains("220 "), "{}: {said}", way.name);
        let status = engine.done(&["exec", &container, "/usr/local/bin/berth-init", "status"]);
        assert!(status.contains("smtp") && status.contains("ready"), "{}: {status}", way.name);
        engine.done(&["stop", "--timeout=60", &container]);
        assert_eq!(engine.inspect(&container)["State"]["ExitCode"], 0, "{}", way.name);
    }
}

/// As the Compose files harden a role.
pub const HARDENED: [&str; 5] = [
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges=true",
    "--network=none",
];

/// What the sample wants to be told, as options of `docker run`: a certificate, keys, secrets.
pub fn settings(engine: &Engine) -> Vec<String> {
    let folder = engine.case.path("ssl");
    fs_err::create_dir_all(&folder).unwrap();
    let [key, certificate, dkim] = ["privkey.pem", "fullchain.pem", "dkim.pem"].map(|name| folder.join(name));
    let mut make = engine.case.command("openssl");
    make.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=example.test"]);
    make.args(["-addext", "subjectAltName=DNS:smtp.example.test", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    assert!(make.output().unwrap().status.success());
    let mut make = engine.case.command("openssl");
    assert!(make.args(["genrsa", "-out"]).arg(&dkim).arg("2048").output().unwrap().status.success());
    for file in [&key, &certificate, &dkim] {
        // The container's user is another than ours.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o444);
        fs_err::set_permissions(file, mode).unwrap();
    }
    let mut options = vec!["--volume".to_owned(), format!("{}:/ssl:ro", folder.display())];
    for pair in [
        "WEB_HOST=example.test",
        "HELPER_ENCRYPTION_KEY=0123456789abcdefghijklmnopqrstuv",
        "API_SECRETS=abcdefghijklmnop0123456789,",
        "SRS_SECRET=ghijklmnop0123456789abcdef",
        "WEB_SSL_KEY_PATH=/ssl/privkey.pem",
        "WEB_SSL_CERT_PATH=/ssl/fullchain.pem",
        "DKIM_PRIVATE_KEY_PATH=/ssl/dkim.pem",
        "SMTP_PORT=2465",
    ] {
        options.extend(["--env".to_owned(), pair.to_owned()]);
    }
    options
}

#[test]
fn an_image_says_of_the_roles_what_the_catalogue_says() {
    let Some(engine) = Engine::new() else { return };
    let derived = engine.name("derived");
    assert_eq!(derive(&engine, &["--from", PUBLISHED, "--tag", &derived]).code, Some(0));
    for image in [SAMPLE, &derived] {
        let config = engine.inspect(image)["Config"].clone();
        let exposed: BTreeMap<_, _> =
            dockerfile::exposed(ROLES).into_iter().map(|port| (format!("{port}/tcp"), json!({}))).collect();
        assert_eq!(config["ExposedPorts"], json!(exposed), "{image}");
        for (name, value) in dockerfile::labels(ROLES) {
            assert_eq!(config["Labels"][&name], value, "{image}: {name}");
        }
        assert_eq!(config["Entrypoint"], json!(["/usr/local/bin/berth-init"]), "{image}");
        assert_eq!(config["Cmd"], json!(null), "{image}");
        assert_eq!(config["StopSignal"], "SIGTERM", "{image}");
        assert_eq!(config["WorkingDir"], "/app", "{image}");
        let health = &config["Healthcheck"];
        assert_eq!(health["Test"], json!(["CMD", "/usr/local/bin/berth-init", "health"]), "{image}");
        let start = health["StartPeriod"].as_u64().unwrap() / 1_000_000_000;
        assert!(ROLES.iter().all(|role| start > role.ready_within.as_secs()), "{image}: {start} s");
        assert_eq!(health["StartInterval"], 1_000_000_000, "{image}");
    }
    let config = engine.inspect(SAMPLE)["Config"].clone();
    assert_eq!(config["User"], "10001:10001");
    assert_eq!(config["Labels"]["org.opencontainers.image.title"], "postbox");
    assert_eq!(config["Labels"]["org.opencontainers.image.licenses"], "MIT OR Apache-2.0");
    assert!(config["Env"].as_array().unwrap().contains(&json!("SELF_HOSTED=true")), "{config:#}");
}

#[test]
fn of_the_image_its_user_may_write_into_the_data_folder_alone() {
    let Some(engine) = Engine::new() else { return };
    let script = "id -un; id -gn; touch /mnt/a && echo mnt; for d in /app /app/lib /usr/local/bin /etc /; do \
        touch $d/a 2>/dev/null && echo $d; done; find / -xdev -type d -writable -not -path '/proc/*' 2>/dev/null; \
        readlink /usr/local/bin/imap; ls /root 2>&1 | tail -1";
    let label = engine.label();
    let seen =
        engine.done(&["run", "--rm", "--network=none", "--label", &label, SAMPLE, "--", "sh", "-c", script]);
    let seen: Vec<_> = seen.lines().collect();
    let (last, rest) = seen.split_last().unwrap();
    assert!(last.contains("Permission denied"), "{last}");
    let expected = ["berth", "berth", "mnt", "/mnt", "/run/lock", "/tmp", "/var/tmp", "berth-init"];
    let mut found = rest.to_vec();
    found[3..7].sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn a_role_is_called_by_its_link_and_asked_by_its_name() {
    let Some(engine) = Engine::new() else { return };
    let label = engine.label();
    for role in ROLES {
        let entrypoint = format!("--entrypoint=/usr/local/bin/{}", role.name);
        let ran = engine.run(&["run", "--rm", "--network=none", "--label", &label, &entrypoint, SAMPLE]);
        assert_eq!(ran.code, Some(78), "{}: {ran:#?}", role.name);
        assert!(ran.err.contains(&format!("cannot start the role {}", role.name)), "{}", ran.err);
    }
}
