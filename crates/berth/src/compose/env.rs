//! The file `.env` beside the Compose files: what an installation sets, kept with what its owner has changed in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use berth_render::compose::VARIABLES;

/// The project's name, and which files it is made of: read by Compose itself.
pub const PROJECT: &str = "COMPOSE_PROJECT_NAME";
pub const FILES: &str = "COMPOSE_FILE";

/// What is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// Reads what is set; what is only spoken of is not.
    pub fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let pairs = lines.filter_map(|line| line.split_once('='));
        Self(pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect())
    }

    /// The value of a variable, if it is set to anything.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.as_str();
        let inside = |quote| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
        Some(inside('\'').or_else(|| inside('"')).unwrap_or(value)).filter(|value| !value.is_empty())
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &str) {
        // Compose reads quotes, comments and `$` in what is not quoted.
        let plain =
            value.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./:,@[]".contains(letter));
        let value = if plain { value.to_owned() } else { format!("'{value}'") };
        self.0.insert(name.to_owned(), value);
    }

    /// Sets a variable that is not set.
    pub fn set_first(&mut self, name: &str, value: &str) {
        if !self.0.contains_key(name) {
            self.set(name, value);
        }
    }

    /// Leaves a variable to its default.
    pub fn unset(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The file: what is set, and what could be.
    pub fn text(&self, sample: bool) -> String {
        let mut text = HEAD.to_owned();
        for name in [PROJECT, FILES] {
            if let Some(value) = self.0.get(name) {
                let _ = writeln!(text, "{name}={value}");
            }
        }
        for variable in VARIABLES.iter() {
            let default = variable.sample.as_ref().filter(|_| sample).or(variable.default.as_ref());
            let _ = writeln!(text, "\n# {}", variable.meaning);
            if let Some(value) = self.0.get(&variable.name) {
                let _ = writeln!(text, "{}={value}", variable.name);
            } else {
                let _ = writeln!(text, "# {}={}", variable.name, default.map_or("", String::as_str));
            }
        }
        let known =
            |name: &str| [PROJECT, FILES].contains(&name) || VARIABLES.iter().any(|known| known.name == name);
        let others: Vec<_> = self.0.iter().filter(|(name, _)| !known(name)).collect();
        if !others.is_empty() {
            text += "\n# Yours\n";
        }
        for (name, value) in others {
            let _ = writeln!(text, "{name}={value}");
        }
        text
    }
}

const HEAD: &str = "\
# What this installation sets. Read and written again by `berth up`: values that you change stay, comments do not.
# After a change: berth up
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_its_owner_changed_stays_and_the_rest_is_spoken_of() {
        let mut env = Env::read(
            "DOMAIN=a.test\nBERTH_MEMORY_IMAP=3g\n# BERTH_BIND=::1\nMINE=x\nREVERSE_NAME='m.a.test'\n",
        );
        assert_eq!((env.get("REVERSE_NAME"), env.get("BERTH_BIND")), (Some("m.a.test"), None));
        env.set(PROJECT, "mail");
        env.set_first("BERTH_MEMORY_IMAP", "1g");
        env.set("BERTH_INIT_FILE", "/opt/my files/berth-init");
        let text = env.text(false);
        for line in [
            "COMPOSE_PROJECT_NAME=mail",
            "DOMAIN=a.test",
            "BERTH_MEMORY_IMAP=3g",
            "MINE=x",
            "# BERTH_BIND=",
            "# BERTH_PORT_SMTP=25",
            "BERTH_INIT_FILE='/opt/my files/berth-init'",
            "# SEND_EMAIL=true",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
        let again = Env::read(&text);
        assert_eq!(
            (again.text(false), again.get("BERTH_INIT_FILE")),
            (text, Some("/opt/my files/berth-init"))
        );
        assert!(env.text(true).contains("# SEND_EMAIL=false\n"));
    }
}
