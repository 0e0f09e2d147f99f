//! The application's settings, read as the application reads them.
//!
//! Three sources, the later one wins: `.env.defaults` and `.env` in the application's folder, and the environment. Every
//! key that `.env.schema` lists must be in one of them, though it may be empty. Then values that name others (`{{NAME}}`)
//! are rendered, twice, and what looks like a number, a flag or a list becomes one. The application does this with dotenv
//! 8, mustache 4, dotenv-parse-variables 2 and @ladjs/env 4; a test holds what is here to theirs.
//!
//! On top, for every key of the schema and every known secret: `NAME_FILE` names a file that holds the value of `NAME`. The
//! application does not know of that, so whoever starts it hands the value over: [`Settings::handed_over`].
//!
//! [`Settings::findings`] says what is wrong, all of it at once, by the [`KNOWN`] settings' rules.
//!
//! Invariants: nothing here changes the environment; what may be a secret is never printed, `Debug` shows keys only.
//!
//! ```
//! use berth_settings::Settings;
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join(".env.defaults"), "IMAP_PORT=02993\nIMAP_HOST=imap.{{WEB_HOST}}\n")?;
//! std::fs::write(folder.path().join(".env.schema"), "IMAP_PORT=\nAPI_SECRETS=\n")?;
//! let settings = Settings::load(folder.path(), [("WEB_HOST".into(), "example.test".into())]);
//! assert_eq!(settings.get("IMAP_PORT"), Some("2993"));
//! assert_eq!(settings.get("IMAP_HOST"), Some("imap.example.test"));
//! let findings = settings.findings(|_| true);
//! assert_eq!(findings[0].to_string(), ".env.schema:2 API_SECRETS: is not set");
//! # Ok::<(), std::io::Error>(())
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

mod check;
mod dotenv;
mod finding;
mod javascript;
mod known;
mod own;
mod source;
mod template;
mod value;

pub use finding::{Finding, Severity};
pub use known::{KNOWN, Kind, Known, Readers, known};
pub use own::{LIVE_EVERY, LIVE_WITHIN, NEED_WITHIN, OWN, OwnSetting, Unset};
pub use source::Origin;
pub use value::Value;

use template::OF_EVERY_OBJECT;

const DEFAULTS: &str = ".env.defaults";
const FILE: &str = ".env";
const SCHEMA: &str = ".env.schema";

/// To JavaScript an assignment of a text to this name is none.
const NEVER_ASSIGNED: &str = "__proto__";

/// The settings of one application folder under one environment.
#[derive(Clone, Default)]
pub struct Settings {
    /// In the application's order, in which values are rendered.
    list: Vec<Setting>,
    places: BTreeMap<String, usize>,
    schema: Vec<(String, Origin)>,
    /// What was found while reading.
    findings: Vec<Finding>,
}

/// A setting and where it comes from.
#[derive(Clone)]
pub struct Setting {
    key: String,
    /// As it was given.
    written: String,
    /// With the values of others in place.
    rendered: String,
    /// As the application has it.
    text: String,
    origin: Origin,
    /// What `.env.defaults` says, which the world can read.
    default: Option<String>,
}

impl Setting {
    /// Its name.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The text that the application's value amounts to.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The application's value.
    #[must_use]
    pub fn value(&self) -> Value {
        Value::of(&self.rendered)
    }

    /// Where it was given.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl Settings {
    /// Reads the settings. What is wrong with them is told by [`Self::findings`]; a file that does not exist is empty.
    pub fn load(folder: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut settings = Self::default();
        for name in [DEFAULTS, FILE] {
            settings.take_file(folder, name);
        }
        let schema = settings.read_file(folder, SCHEMA);
        settings.schema = schema.into_iter().map(|(key, _, origin)| (key, origin)).collect();
        for (key, value) in environment.into_iter().filter(|(key, _)| key != NEVER_ASSIGNED) {
            settings.set(key, value, Origin::Environment);
        }
        settings.take_secrets(folder);
        settings.refuse_names_of_objects();
        settings.render();
        settings
    }

    /// The value of a key, as text; an empty value is a value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.setting(key).map(Setting::text)
    }

    /// A setting, if it is given.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        self.places.get(key).map(|place| &self.list[*place])
    }

    /// All that are given, in the application's order.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.list.iter()
    }

    /// The keys of the schema that nothing sets, all of them, in the schema's order.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &Origin)> {
        let missing = self.schema.iter().filter(|(key, _)| !self.places.contains_key(key));
        missing.map(|(key, origin)| (key.as_str(), origin))
    }

    /// What was read from the files that `NAME_FILE` names: each `NAME` and its value. The program is to have these in its
    /// environment, and not `NAME_FILE`.
    pub fn handed_over(&self) -> impl Iterator<Item = (&str, &str)> {
        let secrets = self.list.iter().filter(|setting| matches!(setting.origin, Origin::Secret(_)));
        secrets.map(|setting| (setting.key.as_str(), setting.written.as_str()))
    }

    /// What is to be said of this setting, at the place where it is given.
    #[must_use]
    pub fn about(&self, key: &str, finding: Finding) -> Finding {
        let finding = finding.of(key);
        match self.setting(key) {
            Some(setting) => finding.at(&setting.origin),
            None => finding,
        }
    }

    /// The value of a key, as far as it is rendered.
    fn rendered(&self, key: &str) -> Option<&str> {
        self.setting(key).map(|setting| setting.rendered.as_str())
    }

    fn set(&mut self, key: String, written: String, origin: Origin) {
        let place = *self.places.entry(key.clone()).or_insert(self.list.len());
        let default = matches!(origin, Origin::File { name: DEFAULTS, .. }).then(|| written.clone());
        let setting = Setting { key, rendered: String::new(), text: String::new(), written, origin, default };
        match self.list.get_mut(place) {
            Some(before) => {
                let default = setting.default.clone().or(before.default.take());
                *before = Setting { default, ..setting };
            }
            None => self.list.push(setting),
        }
    }

    fn take_file(&mut self, folder: &Path, name: &'static str) {
        for (key, value, origin) in self.read_file(folder, name) {
            if let Some(Origin::File { name: other, line }) = self.setting(&key).map(Setting::origin)
                && *other == name
            {
                let message = format!("is given in line {line} too; this one counts");
                self.findings.push(Finding::warned(message).of(&key).at(&origin));
            }
            self.set(key, value, origin);
        }
    }

    /// The pairs of a file.
    fn read_file(&mut self, folder: &Path, name: &'static str) -> Vec<(String, String, Origin)> {
        let (text, is_utf8) = source::text(&folder.join(name)).unwrap_or_else(|message| {
            self.findings.push(Finding::refused(message).at(&Origin::File { name, line: 0 }));
            (String::new(), true)
        });
        if !is_utf8 {
            let message = "holds bytes that are no UTF-8; the application puts U+FFFD in their place";
            self.findings.push(Finding::warned(message).at(&Origin::File { name, line: 0 }));
        }
        let mut pairs = Vec::new();
        for line in dotenv::parse(&text) {
            let origin = Origin::File { name, line: line.number };
            if let Some((key, value)) = line.pair {
                if key == NEVER_ASSIGNED {
                    continue;
                }
                pairs.push((key, value, origin));
            } else {
                let message = "is no KEY=VALUE, and the application passes it over";
                self.findings.push(Finding::warned(message).at(&origin));
            }
        }
        pairs
    }

    /// Puts the value of a file in the place of the name of the file.
    fn take_secrets(&mut self, folder: &Path) {
        let in_schema = |key: &str| self.schema.iter().any(|(other, _)| other == key);
        let of_schema = self.schema.iter().map(|(key, _)| key.clone());
        // A published image may have lost lines of its schema, and secrets of roles that it does not have are in none.
        let secrets = self.list.iter().filter_map(|setting| setting.key.strip_suffix("_FILE"));
        let secrets =
            secrets.filter(|key| !in_schema(key) && known(key).is_some_and(|known| known.kind.is_secret()));
        let keys =
            of_schema.chain(secrets.map(str::to_owned)).map(|key| (key.clone(), format!("{key}_FILE")));
        let keys: Vec<_> = keys.filter(|(_, named)| !in_schema(named)).collect();
        for (key, named) in keys {
            let Some(by) = self.setting(&named).filter(|by| !by.written.is_empty()).cloned() else {
                continue;
            };
            // What is given in the defaults is there to be replaced; Compose's `${X:-}` gives an empty text.
            let given = self.setting(&key).filter(|given| !given.written.is_empty());
            let given = given.filter(|given| !matches!(given.origin, Origin::File { name: DEFAULTS, .. }));
            if let Some(given) = given {
                let message =
                    format!("is given here and by {named} ({}): leave one of the two out", by.origin);
                self.findings.push(Finding::refused(message).of(&key).at(&given.origin));
                continue;
            }
            let path = folder.join(&by.written);
            match source::secret(&path) {
                Ok(value) => self.set(key, value, Origin::Secret(path)),
                Err(message) => {
                    self.findings.push(Finding::refused(message).of(&named).at(&by.origin));
                    // It was given, if badly: to say that it is missing as well would mislead.
                    self.set(key, String::new(), by.origin);
                }
            }
        }
    }

    /// A file's key that JavaScript finds in every object ends the application's loader, unless the environment has it too.
    fn refuse_names_of_objects(&mut self) {
        let bad = self.list.iter().filter(|setting| {
            OF_EVERY_OBJECT.contains(&setting.key.as_str()) && matches!(setting.origin, Origin::File { .. })
        });
        let message = "is a name that JavaScript keeps for itself, and ends the application";
        self.findings
            .extend(bad.map(|setting| Finding::refused(message).of(&setting.key).at(&setting.origin)));
    }

    /// Renders what names others, in the application's order: twice, so that what is named may name others in turn, and each
    /// value as soon as it is rendered in the eyes of the next.
    fn render(&mut self) {
        for setting in &mut self.list {
            setting.rendered.clone_from(&setting.written);
        }
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        order.sort_by_key(|place| (array_index(&self.list[*place].key).unwrap_or(u32::MAX), *place));
        let mut broken = vec![false; self.list.len()];
        for _ in 0..2 {
            for &place in &order {
                if broken[place] || !self.list[place].rendered.contains("{{") {
                    continue;
                }
                let Setting { key, rendered, origin, .. } = &self.list[place];
                match template::render(rendered, |key| self.rendered(key)) {
                    Ok(done) => {
                        let unknown = done.unknown.iter().filter(|name| !name.is_empty());
                        let findings = unknown.map(|name| {
                            let name = if may_be_secret(key) { "something between {{ and }}" } else { name };
                            let message =
                                format!("names {name}, which is not set: nothing is put in its place");
                            Finding::warned(message).of(key).at(origin)
                        });
                        self.findings.extend(findings.collect::<Vec<_>>());
                        self.list[place].rendered = done.text;
                    }
                    Err(error) => {
                        let error = if may_be_secret(key) { error.without_names() } else { error };
                        let message = format!("cannot be rendered, which ends the application: {error}");
                        self.findings.push(Finding::refused(message).of(key).at(origin));
                        broken[place] = true;
                    }
                }
            }
        }
        for setting in &mut self.list {
            setting.text = setting.value().to_string();
        }
    }
}

/// The pairs of a settings file's text, in order.
#[must_use]
pub fn pairs(text: &str) -> Vec<(String, String)> {
    dotenv::parse(text).into_iter().filter_map(|line| line.pair).collect()
}

/// What stands between braces in a secret is a part of it, as likely as the name of a setting.
fn may_be_secret(key: &str) -> bool {
    known(key).is_some_and(|known| known.kind.is_secret())
}

/// The numbers that JavaScript puts first in an object, in ascending order.
fn array_index(key: &str) -> Option<u32> {
    let number: u32 = key.parse().ok()?;
    (number != u32::MAX && number.to_string() == key).then_some(number)
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.list.iter().map(Setting::key)).finish()
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting")
            .field("key", &self.key)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "hunter2hunter2";

    /// A settings file: pairs, and bytes that are none.
    fn files() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            6 => prop::sample::select(&["MX_PORT", "SRS_SECRET", "SRS_SECRET_FILE", "API_SECRETS", "HELPER_ENCRYPTION_KEY", "MONGO_URI", "A",
                "=", "=", "\n", "\n", "secret", SECRET, "{{A}}", "{{", "}}", "65536", "mongodb://h/a", ",", "\"", "#", "/", "\0"][..])
                .prop_map(|piece| piece.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..6),
        ];
        prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// What is missing is just what the schema has and nothing gives; what is found names a place, and repeats no secret.
        #[test]
        fn any_files_are_read_or_told_without_what_is_secret(
            defaults in files(), file in files(), schema in files(), secret in prop::collection::vec(any::<u8>(), 0..40),
            value in "[^\0]{0,20}",
        ) {
            let folder = tempfile::tempdir().unwrap();
            for (name, bytes) in [(DEFAULTS, &defaults), (FILE, &file), (SCHEMA, &schema), ("a", &secret)] {
                fs_err::write(folder.path().join(name), bytes).unwrap();
            }
            let environment = [("A", value.as_str()), ("SRS_SECRET_FILE", "a")];
            let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned()));
            let settings = Settings::load(folder.path(), environment);
            for (key, _) in settings.missing() {
                prop_assert!(settings.get(key).is_none() && key != "A");
            }
            for setting in settings.iter() {
                prop_assert!(setting.text().len() <= 256 * 1024);
            }
            let findings = settings.findings(|_| true);
            for finding in findings.iter().filter(|finding| finding.key.as_deref().is_some_and(|key| {
                known(key).is_some_and(|known| known.kind.is_secret())
            })) {
                let told = finding.to_string();
                prop_assert!(!told.contains(SECRET), "{told}");
            }
            // What a file gives is what the file holds, less the line ends behind it.
            let given = settings.handed_over().find(|(key, _)| *key == "SRS_SECRET");
            let held = str::from_utf8(&secret).ok().map(|text| text.trim_end_matches(['\n', '\r']));
            prop_assert!(given.is_none_or(|(_, value)| Some(value) == held && !value.contains('\0')));
        }
    }
}
