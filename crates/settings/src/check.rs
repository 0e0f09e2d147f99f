//! What is wrong with settings, as far as their text tells: the rules of the known ones.

use std::collections::BTreeMap;

use crate::template::{self, Rendered};
use crate::{FILE, Finding, Kind, Origin, Setting, Settings, Severity, Value, known};

/// Secrets that were in print: the application's own default, and that of an installer.
const PUBLISHED: [&str; 2] = ["secret", "Thisisapassword123"];

/// The length of a key for AES-256.
const KEY_BYTES: usize = 32;

impl Settings {
    /// All that is wrong, as far as it is the business of whoever `concerns` says so of a key: what ends the
    /// application first, then what is only odd.
    pub fn findings(&self, concerns: impl Fn(&str) -> bool) -> Vec<Finding> {
        // What cannot be read or rendered ends every role.
        let read = self.findings.iter().filter(|finding| {
            finding.severity == Severity::Refused
                || finding.key.as_deref().is_none_or(|key| known(key).is_none() || concerns(key))
        });
        let mut findings: Vec<_> = read.cloned().collect();
        findings.extend(self.missing().map(|(key, origin)| {
            let may_be_empty =
                known(key).is_none_or(|known| !matches!(known.kind, Kind::Key | Kind::Secrets | Kind::File));
            let message = if may_be_empty { "is not set; an empty value will do" } else { "is not set" };
            Finding::refused(message).of(key).at(origin)
        }));
        let ours = || self.list.iter().filter(|setting| concerns(&setting.key));
        for setting in ours() {
            let Some(known) = known(&setting.key) else { continue };
            findings.extend(
                self.wrong(setting, known.kind).map(|message| said(Finding::refused(message), setting)),
            );
            findings
                .extend(self.odd(setting, known.kind).map(|message| said(Finding::warned(message), setting)));
        }
        findings.extend(same_database(ours()));
        findings.extend(self.list.iter().filter_map(other_readers));
        findings.sort_by_key(|finding| finding.severity);
        findings
    }

    /// Why a setting cannot be used, by what it holds.
    fn wrong(&self, setting: &Setting, kind: Kind) -> Option<String> {
        let text = setting.text();
        match kind {
            Kind::Key if setting.key.ends_with("_LEGACY") && setting.written.is_empty() => None,
            Kind::Key if setting.written.is_empty() => {
                Some(format!("is empty, and has to be {KEY_BYTES} bytes"))
            }
            Kind::Secrets if setting.written.is_empty() => {
                Some("is empty, and has to hold a secret and a comma after it".to_owned())
            }
            _ if setting.written.is_empty() => None,
            Kind::Text | Kind::Flag | Kind::File => None,
            Kind::Port => match text.parse::<u16>() {
                Ok(number) if number > 0 => None,
                _ => Some(format!("is no port number (1 to 65535): {text:?}")),
            },
            Kind::Database => match setting.value() {
                Value::List(_) => Some(
                    "has a comma, so the application makes a list of it: put the whole in backticks"
                        .to_owned(),
                ),
                _ => None,
            },
            Kind::Secret => self.mangled(setting).or_else(|| published(setting)),
            Kind::Key => {
                // Of what the application makes something else, the length is that of what was meant.
                let meant = if let Value::Text(_) = setting.value() { text } else { &setting.rendered };
                let long = (meant.len() != KEY_BYTES)
                    .then(|| format!("is {} bytes long, and has to be {KEY_BYTES}", meant.len()));
                match (self.mangled(setting), long) {
                    (Some(mangled), Some(long)) => Some(format!("{mangled}; and it {long}")),
                    (mangled, long) => mangled.or_else(|| published(setting)).or(long),
                }
            }
            Kind::Secrets => self.misrendered(setting).or_else(|| secrets(setting)),
        }
    }

    /// How the application changes a secret on its way in.
    fn mangled(&self, setting: &Setting) -> Option<String> {
        self.misrendered(setting).or_else(|| changed(&setting.rendered).map(str::to_owned))
    }

    /// How rendering changes a secret that was not meant as the value of another setting.
    fn misrendered(&self, setting: &Setting) -> Option<String> {
        if !setting.written.contains("{{") {
            return None;
        }
        let done = self.rendering(setting)?;
        if let Some(name) = done.escaped.first() {
            return Some(format!(
                "takes {name} by {{{{{name}}}}}, which writes & < > \" ' / ` = as HTML does: take it by {{{{{{{name}}}}}}}"
            ));
        }
        (done.sections || !done.unknown.is_empty())
            .then(|| "contains {{, which the application takes for the name of another setting".to_owned())
    }

    /// What becomes of a setting by rendering; nothing when that is impossible, which was said already.
    fn rendering(&self, setting: &Setting) -> Option<Rendered> {
        template::render(&setting.written, |key| self.rendered(key)).ok()
    }

    /// What is odd about a setting, and ends nothing.
    fn odd(&self, setting: &Setting, kind: Kind) -> Option<String> {
        match (kind, setting.value()) {
            (Kind::Flag, Value::Text(text)) if !text.is_empty() => {
                Some("is neither true nor false; the application takes any text for true".to_owned())
            }
            (Kind::Flag, Value::List(_) | Value::Number(_)) => Some("is neither true nor false".to_owned()),
            (Kind::Text | Kind::File | Kind::Database, _) => self.rendering(setting)?.escaped.first().map(|name| {
                format!(
                    "takes {name} by {{{{{name}}}}}, which writes / as &#x2F;: take it by {{{{{{{name}}}}}}}"
                )
            }),
            _ => None,
        }
    }
}

fn said(finding: Finding, setting: &Setting) -> Finding {
    finding.of(&setting.key).at(&setting.origin)
}

/// What the application makes of a text that was meant as it stands.
fn changed(text: &str) -> Option<&'static str> {
    match Value::of(text) {
        Value::Text(same) if same == text => None,
        Value::Text(_) if text.ends_with('*') => Some("ends in *, which the application takes off"),
        Value::Text(_) => Some("is in backticks, which the application takes off"),
        Value::Flag(_) => Some("reads true or false, which the application takes for a flag"),
        Value::Number(_) => {
            Some("looks like a number, and the application makes one of it: put a letter into it")
        }
        Value::List(_) => Some("has a comma, so the application makes a list of it"),
    }
}

/// A list of secrets ends in a comma: without it the application has a text, and takes its first letter for the first
/// secret and any part of it as credentials.
fn secrets(setting: &Setting) -> Option<String> {
    if !setting.rendered.ends_with(',') {
        return Some(
            "does not end in a comma, which makes it a list: without, any part of it opens the door"
                .to_owned(),
        );
    }
    let mut parts = setting.rendered.split(',').filter(|part| !part.is_empty()).peekable();
    if parts.peek().is_none() {
        return Some("holds no secret".to_owned());
    }
    if let Some(part) = parts.clone().find_map(changed) {
        return Some(format!("has a part that {part}"));
    }
    parts.any(|part| PUBLISHED.contains(&part)).then(|| IN_PRINT.to_owned()).or_else(|| published(setting))
}

const IN_PRINT: &str = "is one that was published, with which anybody can get in: make one";

fn published(setting: &Setting) -> Option<String> {
    let is_template = setting.written.contains("{{");
    let is_default = !is_template && setting.default.as_ref() == Some(&setting.written);
    (is_default || PUBLISHED.contains(&setting.text())).then(|| IN_PRINT.to_owned())
}

/// The application opens each database on its own, and ends when two are one.
fn same_database<'a>(settings: impl Iterator<Item = &'a Setting>) -> Vec<Finding> {
    let mut owners: BTreeMap<String, &Setting> = BTreeMap::new();
    let mut findings = Vec::new();
    for setting in settings {
        if known(&setting.key).is_none_or(|known| known.kind != Kind::Database) || setting.text().is_empty() {
            continue;
        }
        match owners.get(&database(setting.text())) {
            Some(owner) => {
                let message = format!(
                    "names the same database as {} ({}): each needs its own",
                    owner.key, owner.origin
                );
                findings.push(said(Finding::refused(message), setting));
            }
            None => drop(owners.insert(database(setting.text()), setting)),
        }
    }
    findings
}

/// Hosts and database of a URI, without the user and the options. Not given, the database is `test` and the port 27017.
fn database(uri: &str) -> String {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let (authority, name) = rest.split_once('/').unwrap_or((rest, ""));
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts).to_ascii_lowercase();
    let mut hosts: Vec<_> = hosts.split(',').map(|host| host.trim_end_matches(":27017").to_owned()).collect();
    hosts.sort();
    format!("{}/{}", hosts.join(","), if name.is_empty() { "test" } else { name })
}

/// Compose reads `.env` by rules of its own: `$` names a variable, ` #` begins a comment, and quotes may end anywhere.
fn other_readers(setting: &Setting) -> Option<Finding> {
    if !matches!(setting.origin, Origin::File { name: FILE, .. }) {
        return None;
    }
    let written = &setting.written;
    let what = if written.contains('$') {
        "$ begins the name of a variable"
    } else if written.starts_with('#') || written.contains(" #") || written.contains("\t#") {
        "# begins a comment"
    } else if written.contains(['"', '\'']) {
        "quotes are read otherwise"
    } else {
        return None;
    };
    let message =
        format!("reads otherwise to Docker Compose, should it be given the same file: there {what}");
    Some(said(Finding::noted(message), setting))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD_KEY: &str = "abcdefghijklmnopqrstuvwxyz012345";

    fn told(environment: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let findings = Settings::load(folder.path(), environment).findings(|_| true);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_secret_that_the_application_would_change_is_refused() {
        for (value, why) in [
            ("12345678901234567890123456789012", "looks like a number"),
            ("123e4567890", "looks like a number"),
            ("True", "true or false"),
            ("abc*", "ends in *"),
            ("`abc`", "backticks"),
            ("a,b", "comma"),
            ("a{{b}}", "contains {{"),
            ("secret", "published"),
        ] {
            let told = told(&[("SRS_SECRET", value)]);
            assert!(told.len() <= 2 && told[0].contains(why), "{value}: {told:?}");
            assert!(told.iter().all(|line| value.len() < 6 || !line.contains(value)), "{told:?}");
        }
        assert_eq!(told(&[("SRS_SECRET", "a`b*c'd/e=f")]), Vec::<String>::new());
    }

    #[test]
    fn a_secret_may_be_that_of_another_setting_unless_its_letters_are_escaped() {
        let with = |password: &str, taken: &str| {
            told(&[("REDIS_PASSWORD", password), ("IMAP_REDIS_PASSWORD", taken)])
        };
        assert_eq!(with("abc", "{{REDIS_PASSWORD}}"), Vec::<String>::new());
        assert_eq!(with("a/b", "{{{REDIS_PASSWORD}}}"), Vec::<String>::new());
        assert!(with("a/b", "{{REDIS_PASSWORD}}")[0].contains("{{{REDIS_PASSWORD}}}"));
    }

    #[test]
    fn a_key_has_32_bytes_and_a_list_of_secrets_a_comma_at_its_end() {
        assert_eq!(told(&[("HELPER_ENCRYPTION_KEY", GOOD_KEY)]), Vec::<String>::new());
        assert!(told(&[("HELPER_ENCRYPTION_KEY", &GOOD_KEY[1..])])[0].contains("is 31 bytes long"));
        assert!(told(&[("HELPER_ENCRYPTION_KEY", "")])[0].contains("is empty"));
        let number = &told(&[("HELPER_ENCRYPTION_KEY", &"1".repeat(31))])[0];
        assert!(number.contains("looks like a number") && number.contains("is 31 bytes long"), "{number}");
        let number = &told(&[("HELPER_ENCRYPTION_KEY", &"1".repeat(32))])[0];
        assert!(number.contains("looks like a number") && !number.contains("bytes"), "{number}");
        assert_eq!(told(&[("HELPER_ENCRYPTION_KEY_LEGACY", "")]), Vec::<String>::new());
        for (value, why) in [
            ("abc", "does not end in a comma"),
            ("", "is empty"),
            (",", "holds no secret"),
            ("abc,123,", "has a part that looks like a number"),
            ("abc,secret,", "published"),
        ] {
            let told = told(&[("API_SECRETS", value)]);
            assert!(told.len() == 1 && told[0].contains(why), "{value}: {told:?}");
        }
        assert_eq!(told(&[("API_SECRETS", "abc,")]), Vec::<String>::new());
        assert_eq!(told(&[("API_SECRETS", "abc,def,")]), Vec::<String>::new());
    }

    #[test]
    fn two_settings_do_not_name_one_database() {
        let two = |first: &str, second: &str| told(&[("MONGO_URI", first), ("LOGS_MONGO_URI", second)]);
        assert_eq!(two("mongodb://h/a", "mongodb://h/b"), Vec::<String>::new());
        assert_eq!(two("", ""), Vec::<String>::new());
        assert_eq!(
            two("mongodb://u:p@H:27017/a?tls=true", "mongodb://h/a"),
            [
                "environment LOGS_MONGO_URI: names the same database as MONGO_URI (environment): each needs its own"
            ]
        );
        assert_eq!(two("mongodb://h", "mongodb://h/?x=y").len(), 1);
    }

    #[test]
    fn what_a_default_publishes_is_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join(".env.defaults"), "SRS_SECRET=abcdefg\n").unwrap();
        fs_err::write(folder.path().join(".env"), "# copied\nSRS_SECRET=abcdefg\nAPP_NAME=a$b\n").unwrap();
        let findings = Settings::load(folder.path(), []).findings(|_| true);
        let told: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with(".env:2 SRS_SECRET: is one that was published"), "{told:?}");
        assert_eq!(findings[1].severity, Severity::Noted);
    }

    #[test]
    fn only_what_concerns_the_one_who_asks_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let environment =
            [("SRS_SECRET".to_owned(), "1".to_owned()), ("API_SECRETS".to_owned(), "2".to_owned())];
        let findings = Settings::load(folder.path(), environment).findings(|key| key == "API_SECRETS");
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].key.as_deref(), Some("API_SECRETS"));
    }
}
