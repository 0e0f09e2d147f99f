//! The Compose files against the catalogue: what each has to say of every role, and that nothing is said that no table has.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use berth_catalogue::{ROLES, find};
use berth_render::Generated;
use berth_render::compose::{FOLDER, OVERLAYS, SECRETS, VARIABLES, files, page};
use berth_role::{Exposure, Role, Start, Strength, Upstream};

fn text(name: &str) -> String {
    let path = format!("{FOLDER}/{name}");
    files().into_iter().find(|file| file.path == path).unwrap_or_else(|| panic!("no {path}")).text
}

/// The services of a file, each with its lines.
fn services(text: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut at = None;
    for line in text.lines().skip_while(|line| *line != "services:").skip(1) {
        if line.starts_with(|first: char| first.is_ascii_alphabetic()) {
            break;
        }
        if let Some((name, rest)) = line.strip_prefix("  ").and_then(|line| line.split_once(':'))
            && name
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
        {
            assert!(found.insert(name.to_owned(), format!("{rest}\n")).is_none(), "{name} is there twice");
            at = Some(name.to_owned());
        } else if let Some(at) = &at
            && !line.trim_start().starts_with('#')
        {
            let lines = found.get_mut(at).unwrap();
            lines.push_str(line);
            lines.push('\n');
        }
    }
    found
}

/// The lines of a service that are under one of its keys.
fn under(service: &str, key: &str) -> Vec<String> {
    let begin = format!("    {key}:");
    let lines = service.lines().skip_while(|line| !line.starts_with(&begin));
    let rest = lines.clone().skip(1).take_while(|line| line.starts_with("      "));
    let own = lines.clone().next().map(|line| line[begin.len()..].trim().to_owned());
    own.into_iter().chain(rest.map(|line| line.trim().to_owned())).filter(|line| !line.is_empty()).collect()
}

fn service(name: &str) -> String {
    services(&text("compose.yaml"))[name].clone()
}

/// Names in `${NAME…}`, with what stands after them.
fn used(text: &str) -> Vec<(String, String)> {
    let begins = text.match_indices("${").map(|(at, _)| &text[at + 2..]);
    begins
        .map(|rest| {
            let end = rest.find(|letter: char| {
                !letter.is_ascii_uppercase() && !letter.is_ascii_digit() && letter != '_'
            });
            let (name, rest) = rest.split_at(end.unwrap());
            let mut depth = 1;
            let close = rest.char_indices().find(|(_, letter)| {
                depth += match letter {
                    '{' => 1,
                    '}' => -1,
                    _ => 0,
                };
                depth == 0
            });
            (name.to_owned(), rest[..close.unwrap().0].to_owned())
        })
        .collect()
}

#[test]
fn every_role_is_a_service_once_and_nothing_else_is_but_stores_and_front() {
    let names: BTreeSet<String> = services(&text("compose.yaml")).into_keys().collect();
    let expected = ROLES.iter().map(|role| role.name).chain(["mongodb", "redis", "front"]);
    assert_eq!(names, expected.map(str::to_owned).collect());
    for role in ROLES {
        assert!(service(role.name).contains(&format!("    command: [{}]\n", role.name)));
        assert!(service(role.name).contains("    <<: *role\n"));
    }
}

#[test]
fn a_role_waits_for_the_health_of_all_that_it_needs() {
    for role in ROLES {
        let depends = under(&service(role.name), "depends_on").join("\n");
        for need in role.needs.iter().filter(|need| need.strength == Strength::Hard) {
            match need.on {
                Upstream::Role(name) => {
                    assert!(
                        depends.contains(&format!("{name}: {{ condition: service_healthy }}")),
                        "{depends}"
                    );
                }
                Upstream::Documents(_) | Upstream::KeyValue(_) => assert!(depends.contains("*stores")),
            }
        }
        let lazy = role.needed_roles(Strength::Lazy).filter(|_| role.start != Start::Last);
        for name in lazy {
            assert!(!depends.contains(&format!("{name}:")), "{} waits for {name}", role.name);
        }
    }
    let stores = text("compose.yaml");
    let stores = stores.split("x-stores: &stores\n").nth(1).unwrap();
    assert!(
        stores.starts_with(
            "  mongodb: { condition: service_healthy }\n  redis: { condition: service_healthy }\n"
        )
    );
}

#[test]
fn what_takes_the_whole_machine_starts_last_and_needs_nobody_for_that() {
    let last: Vec<&&Role> = ROLES.iter().filter(|role| role.start == Start::Last).collect();
    assert!(!last.is_empty());
    for role in last {
        let depends = under(&service(role.name), "depends_on").join("\n");
        for other in ROLES.iter().filter(|other| other.start != Start::Last) {
            let waits = format!("{}: {{ condition: service_healthy, required: false }}", other.name);
            assert!(depends.contains(&waits), "{waits}");
        }
    }
}

#[test]
fn only_public_ports_are_published_and_the_front_publishes_for_the_others() {
    for role in ROLES {
        let published = under(&service(role.name), "ports");
        let public: Vec<_> = role.ports.iter().filter(|port| port.exposure == Exposure::Public).collect();
        assert_eq!(published.len(), public.len(), "{}", role.name);
        for (line, port) in published.iter().zip(public) {
            assert!(line.ends_with(&format!(":-{}}}:{}\"", port.published, port.unprivileged())), "{line}");
        }
    }
    let front = under(&service("front"), "ports");
    assert_eq!(front.len(), 2);
    for store in ["mongodb", "redis"] {
        assert_eq!(under(&service(store), "ports"), Vec::<String>::new());
        assert_eq!(under(&service(store), "networks"), ["[inside]"]);
    }
}

#[test]
fn a_role_is_outside_exactly_when_it_asks_there_or_is_asked_from_there() {
    for role in ROLES {
        let reached = role.ports.iter().any(|port| port.exposure != Exposure::Private);
        let networks = under(&service(role.name), "networks").join(" ");
        assert_eq!(networks.contains("outside"), reached || role.place.outside.is_some(), "{}", role.name);
        assert!(networks.contains("inside"));
    }
}

#[test]
fn a_container_has_five_seconds_more_than_its_role() {
    for role in ROLES {
        let period = under(&service(role.name), "stop_grace_period");
        assert_eq!(period, [format!("{}s", role.stop.grace.as_secs() + 5)], "{}", role.name);
    }
}

#[test]
fn memory_is_limited_for_either_application() {
    let sample = services(&text("sample.yaml"));
    for role in ROLES {
        let limit = |service: &str| under(service, "mem_limit").concat();
        let (application, sample) = (limit(&service(role.name)), limit(&sample[role.name]));
        assert!(
            application.ends_with(&format!(":-{}}}", role.place.memory.application.limit)),
            "{application}"
        );
        assert!(sample.ends_with(&format!(":-{}}}", role.place.memory.sample.limit)), "{sample}");
    }
    for store in ["mongodb", "redis", "front"] {
        assert_eq!(under(&service(store), "mem_limit").len(), 1);
    }
}

#[test]
fn only_who_keeps_something_has_a_volume() {
    for role in ROLES {
        let volumes = under(&service(role.name), "volumes");
        let kept: Vec<String> = role
            .place
            .volumes
            .iter()
            .map(|volume| format!("- {}:{}", volume.word(), volume.path()))
            .collect();
        assert_eq!(volumes[0], "- *certificates");
        assert_eq!(volumes[1..], kept);
    }
}

#[test]
fn every_variable_is_in_the_table_and_every_one_of_the_table_is_used() {
    let mut found: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    let is_yaml = |file: &&Generated| Path::new(file.path).extension().is_some_and(|suffix| suffix == "yaml");
    for file in files().iter().filter(is_yaml) {
        for (name, rest) in used(&file.text) {
            found.entry(name).or_default().insert((file.path.to_owned(), rest));
        }
    }
    let table: BTreeSet<&str> = VARIABLES.iter().map(|variable| &*variable.name).collect();
    assert_eq!(table.len(), VARIABLES.len(), "a variable is there twice");
    assert_eq!(found.keys().map(|name| &**name).collect::<BTreeSet<_>>(), table);
    for variable in VARIABLES.iter() {
        let mut required = false;
        for (path, rest) in &found[&variable.name] {
            let told = match &variable.sample {
                Some(sample) if path.ends_with("/sample.yaml") => Some(sample),
                _ => variable.default.as_ref(),
            };
            required |= rest.starts_with(":?");
            if let Some(default) = rest.strip_prefix(":-").filter(|rest| !rest.starts_with("${BERTH_IMAGE:?"))
            {
                let default = default.replace(":?is the mail domain, to be set in .env", "");
                assert_eq!(Some(&default), told, "{} in {path}", variable.name);
            }
        }
        let through_another = variable.name == "BERTH_IMAGE";
        assert_eq!(variable.required, required || through_another, "{}", variable.name);
    }
}

#[test]
fn secrets_are_files_and_no_value_of_one_is_anywhere() {
    let text = text("compose.yaml");
    for secret in SECRETS.iter().filter(|secret| secret.overlay.is_none()) {
        let declared = format!("  {0}:\n    file: ${{BERTH_SECRETS:-./secrets}}/{0}\n", secret.name);
        assert!(text.contains(&declared), "{declared}");
    }
    for file in files() {
        for secret in SECRETS {
            // As a setting it would be `NAME: value`; only files are named, and the name is declared.
            let given = file.text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
            let mut given =
                given.filter_map(|line| line.split_once(':')).filter(|(key, _)| *key == secret.name);
            assert!(given.all(|(_, value)| value.is_empty() || value == " !reset null"), "{}", file.path);
        }
    }
    for (name, service) in services(&text) {
        for line in service.lines().filter(|line| line.contains("/run/secrets/") && line.contains("_FILE:")) {
            let secret = line.rsplit('/').next().unwrap();
            assert!(SECRETS.iter().any(|known| known.name == secret), "{name}: {line}");
        }
    }
}

#[test]
fn each_prefix_of_the_key_value_store_and_each_uri_is_given() {
    let text = text("compose.yaml");
    for need in ROLES.iter().flat_map(|role| role.needs) {
        match need.on {
            Upstream::KeyValue(prefix) => {
                for line in ["HOST: redis", "PORT: 6379", "PASSWORD_FILE: /run/secrets/REDIS_PASSWORD"] {
                    assert!(text.contains(&format!("  {prefix}{line}\n")), "{prefix}{line}");
                }
            }
            Upstream::Documents(uri) => {
                assert!(text.contains(&format!("  {uri}_FILE: /run/secrets/{uri}\n")));
            }
            Upstream::Role(_) => {}
        }
    }
}

#[test]
fn an_overlay_speaks_of_every_role_that_it_is_about() {
    let files = files();
    for (name, _) in OVERLAYS {
        assert!(files.iter().any(|file| file.path == format!("{FOLDER}/{name}")), "{name}");
    }
    let names = |name: &str| -> BTreeSet<String> { services(&text(name)).into_keys().collect() };
    let all: BTreeSet<String> = ROLES.iter().map(|role| role.name.to_owned()).collect();
    for name in ["build.yaml", "sample.yaml", "injected.yaml", "ferretdb.yaml", "stores-elsewhere.yaml"] {
        assert!(names(name).is_superset(&all), "{name}");
    }
    let forwards = services(&text("forward-only.yaml"));
    for role in ROLES {
        let absent = forwards.get(role.name).is_some_and(|lines| lines.starts_with(" !reset null"));
        assert_eq!(absent, !role.forwards, "{}", role.name);
    }
    let fronted = |role: &&&Role| role.ports.iter().any(|port| port.exposure == Exposure::Fronted);
    let fronted = ROLES.iter().filter(fronted).map(|role| role.name).chain(["front"]);
    assert_eq!(names("no-front.yaml"), fronted.map(str::to_owned).collect());
}

#[test]
fn the_front_has_a_server_for_each_role_with_pages() {
    let nginx = text("front/nginx.conf");
    for role in ROLES {
        for port in role.ports {
            let passes =
                format!("set $role {};\n      proxy_pass https://$role:{};", role.name, port.unprivileged());
            assert_eq!(nginx.matches(&passes).count(), usize::from(port.exposure == Exposure::Fronted));
        }
    }
    assert_eq!(nginx.matches("ssl default_server;").count(), 2, "one server, IPv4 and IPv6");
    assert_eq!(nginx.matches('{').count(), nginx.matches('}').count());
}

#[test]
fn the_page_and_the_example_have_every_variable() {
    let (page, example) = (page().text, text(".env.example"));
    for variable in VARIABLES.iter() {
        assert_eq!(page.matches(&format!("\n| `{}` |", variable.name)).count(), 1, "{}", variable.name);
        assert!(
            example
                .lines()
                .any(|line| line.trim_start_matches('#').starts_with(&format!("{}=", variable.name)))
        );
    }
    for secret in SECRETS {
        assert!(page.contains(&format!("\n| `{}` |", secret.name)));
    }
    assert!(find("imap").is_some_and(|imap| page.contains(&format!("[{0}](roles.md#{0})", imap.name))));
}

#[test]
fn no_place_of_a_template_is_left_open() {
    for file in files().into_iter().chain([page()]) {
        let open = file.text.lines().find(|line| {
            let line = line.trim();
            line.len() > 2 && line.starts_with('%') && line.ends_with('%')
        });
        assert_eq!(open, None, "{}", file.path);
        assert!(!file.text.contains("%image-"), "{}", file.path);
    }
}
