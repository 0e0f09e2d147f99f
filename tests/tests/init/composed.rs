//! The environment that Compose gives to roles: `check` finds nothing wrong with it, and every secret comes from its file.

use std::collections::BTreeMap;
use std::path::Path;

use berth_render::compose::{Made, SECRETS, files, page};
use berth_tests::{Case, application, node, skip};
use serde_json::Value;

use crate::running::{Init, Place, stdout};

const DOMAIN: &str = "example.test";

/// Runs the commands that a section of the manual gives: for the certificates, and for the secrets.
fn made_as_in(case: &Case, section: &str) {
    let manual = page().text;
    let section = manual.split(&format!("\n## {section}\n")).nth(1).unwrap();
    let block = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let output = case.command("sh").args(["-e", "-u", "-c", block]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// `KEY: value` lines, with what `${…}` stands for, and the container's folders in the case's.
fn pairs<'a>(case: &Case, lines: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    let folder = |inside: &str| case.path(inside).display().to_string();
    let lines = lines.map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(": "));
    pairs
        .map(|(key, value)| {
            let value =
                value.replace(":?is the mail domain, to be set in .env", "").replace("${DOMAIN}", DOMAIN);
            let value = match value.strip_prefix("${").and_then(|value| value.strip_suffix('}')) {
                Some(variable) => variable.split_once(":-").unwrap().1.to_owned(),
                None => value,
            };
            let value = value.trim_matches('"').replace("/run/secrets", &folder("secrets"));
            (key.to_owned(), value.replace("/certificates", &folder("certificates")))
        })
        .collect()
}

/// What Compose gives to a role, by `compose.yaml` and by what `sample.yaml` adds.
fn environment(case: &Case, role: &str) -> BTreeMap<String, String> {
    let files = files();
    let text = |path: &str| &*files.iter().find(|file| file.path == path).unwrap().text;
    let block = |text: &str, begin: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|line| *line != begin).skip(1);
        lines.take_while(|line| line.starts_with(' ')).map(str::to_owned).collect()
    };
    let base = text("compose/compose.yaml");
    let service = block(base, &format!("  {role}:"));
    let own = service.iter().skip_while(|line| !line.starts_with("    environment:")).skip(1);
    let own = own.take_while(|line| line.starts_with("      "));
    let mut all = pairs(case, block(base, "x-settings: &settings").iter().map(|line| &**line));
    all.extend(pairs(case, own.map(|line| &**line)));
    all.extend(pairs(
        case,
        block(text("compose/sample.yaml"), "x-sample: &sample").iter().map(|line| &**line),
    ));
    all
}

/// A role of the sample application, asked about under what Compose gives it.
fn about(case: &Case, role: &str, words: &[&str], node: &Path) -> Value {
    let init =
        Init::new(case, Place::Ordinary, words).set("BERTH_APP_DIR", application()).set("BERTH_NODE", node);
    let init = environment(case, role).into_iter().fold(init, |init, (key, value)| init.set(&key, value));
    let output = init.output();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stdout(&output)))
}

#[test]
fn no_role_finds_anything_wrong_with_what_compose_gives_it() {
    let Some(node) = node() else { return skip("there is no Node") };
    let case = Case::new();
    made_as_in(&case, "Certificates");
    made_as_in(&case, "Secrets");
    let mut asked = 0;
    for role in berth_catalogue::names() {
        let verdict = about(&case, role, &["check", role, "--json"], &node);
        assert_eq!(verdict["good"], true, "{role}: {verdict:#}");
        // The stores are not here, which `check` calls odd.
        let odd = verdict["findings"].as_array().unwrap().iter();
        let odd = odd.filter(|finding| !finding["message"].as_str().unwrap().contains("mongodb:27017"));
        let odd: Vec<_> =
            odd.filter(|finding| !finding["message"].as_str().unwrap().contains("redis:6379")).collect();
        assert!(odd.is_empty(), "{role}: {odd:#?}");
        asked += 1;
    }
    assert_eq!(asked, 12);
}

/// `openssl req -x509` makes an authority's certificate, which clients with rustls refuse from a server: the proof did.
#[test]
fn the_certificate_of_the_manual_is_a_servers_and_no_authoritys() {
    let case = Case::new();
    made_as_in(&case, "Certificates");
    let file = case.path("certificates/fullchain.pem").display().to_string();
    let output = case.command("openssl").args(["x509", "-noout", "-text", "-in", &file]).output().unwrap();
    let text = stdout(&output);
    assert_eq!(text.matches("X509v3 Basic Constraints").count(), 1, "{text}");
    assert!(text.contains("CA:FALSE") && !text.contains("CA:TRUE"), "{text}");
    for name in ["DNS:example.com", "DNS:*.example.com", "DNS:localhost", "IP Address:127.0.0.1"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    let output = case.command("openssl").args(["verify", "-CAfile", &file, &file]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_commands_of_the_manual_make_every_secret_as_its_table_says() {
    let case = Case::new();
    made_as_in(&case, "Secrets");
    let read = |name: &str| case.read(format!("secrets/{name}")).trim_end().to_owned();
    let all =
        |text: &str, count: usize, letter: fn(u8) -> bool| text.len() == count && text.bytes().all(letter);
    for secret in SECRETS {
        let value = read(secret.name);
        let password = read("MONGO_PASSWORD");
        let good = match secret.made {
            Made::Letters(count) => all(&value, count, |letter| letter.is_ascii_alphanumeric()),
            Made::Hexadecimal(count) => all(&value, count, |letter| letter.is_ascii_hexdigit()),
            Made::List(count) => value
                .strip_suffix(',')
                .is_some_and(|value| all(value, count, |letter| letter.is_ascii_hexdigit())),
            Made::Documents(database) => {
                value == format!("mongodb://berth:{password}@mongodb:27017/{database}?authSource=admin")
            }
            Made::PostgreSql => value == format!("postgres://berth:{password}@postgresql:5432/postgres"),
        };
        assert!(good, "{}: {value}", secret.name);
        assert!(!value.starts_with(['e', 'E', 'I']) && value.as_bytes()[0].is_ascii_alphabetic());
    }
    let mode = |path: &str| {
        std::os::unix::fs::PermissionsExt::mode(&fs_err::metadata(case.path(path)).unwrap().permissions())
    };
    assert_eq!((mode("secrets") & 0o777, mode("secrets/API_SECRETS") & 0o777), (0o700, 0o444));
    let files = fs_err::read_dir(case.path("secrets")).unwrap().count();
    assert_eq!(files, SECRETS.len(), "no secret that nobody needs");
}

#[test]
fn every_secret_that_compose_mounts_is_handed_over_from_its_file() {
    let Some(node) = node() else { return skip("there is no Node") };
    let case = Case::new();
    made_as_in(&case, "Certificates");
    made_as_in(&case, "Secrets");
    for role in berth_catalogue::names() {
        let files = environment(&case, role).into_iter().filter(|(_, value)| value.contains("/secrets/"));
        let keys: Vec<String> = files.map(|(key, _)| key.strip_suffix("_FILE").unwrap().to_owned()).collect();
        assert!(keys.len() >= 17, "{role}: {keys:?}");
        let program = "const given = process.argv.slice(1).map((key) => [key, process.env[key] ?? '', `${key}_FILE` in process.env]);\
                       console.log(JSON.stringify(given))";
        let mut words = vec!["--settings", "--", node.to_str().unwrap(), "-e", program];
        words.extend(keys.iter().map(|key| &**key));
        let given = about(&case, role, &words, &node);
        for (key, given) in keys.iter().zip(given.as_array().unwrap()) {
            assert_eq!(given[0], **key);
            assert!(
                given[1].as_str().is_some_and(|value| value.len() > 10) && given[2] == false,
                "{role}: {given}"
            );
        }
    }
}
