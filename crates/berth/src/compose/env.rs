//! The file `.env` beside the Compose files: what an installation sets, kept with what its owner has changed in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use berth_render::compose::VARIABLES;

/// The project's name, and which files it is made of: read by Compose itself.
pub const PROJECT: &str = "COMPOSE_PROJECT_NAME";
pub const FILES: &str = "COMPOSE_FILE";

/// What is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Env(BTreeMap<String, Set>);

/// As it is written, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Set {
    text: String,
    value: String,
}

impl Env {
    /// Reads what is set; what is only spoken of is not.
    pub fn read(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='));
        let set = |text: &str| Set { text: text.to_owned(), value: value(text) };
        Self(pairs.map(|(name, text)| (name.trim().to_owned(), set(text.trim()))).collect())
    }

    /// The value of a variable, if it is set to anything.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|variable| variable.value.as_str()).filter(|value| !value.is_empty())
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), Set { text: quoted(value), value: value.to_owned() });
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
            if let Some(set) = self.0.get(name) {
                let _ = writeln!(text, "{name}={}", set.text);
            }
        }
        for variable in VARIABLES.iter() {
            let default = variable.sample.as_ref().filter(|_| sample).or(variable.default.as_ref());
            let _ = writeln!(text, "\n# {}", variable.meaning);
            if let Some(set) = self.0.get(&variable.name) {
                let _ = writeln!(text, "{}={}", variable.name, set.text);
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
        for (name, set) in others {
            let _ = writeln!(text, "{name}={}", set.text);
        }
        text
    }
}

/// What Compose takes a text for: a word up to a blank and `#`, or what is in quotes. Variables in it are not filled in.
fn value(text: &str) -> String {
    let mut letters = text.chars();
    let Some(quote @ ('\'' | '"')) = letters.next() else {
        return text.split(" #").next().unwrap_or_default().trim_end().to_owned();
    };
    let mut inside = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            _ if letter == quote => return inside,
            '\\' if quote == '"' => inside.extend(letters.next()),
            '\\' if letters.as_str().starts_with('\'') => inside.extend(letters.next()),
            _ => inside.push(letter),
        }
    }
    text.to_owned()
}

/// A value as Compose reads it back: quotes, comments and `$` mean something in what is not quoted.
fn quoted(value: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:,@[]".contains(letter);
    if value.chars().all(plain) {
        value.to_owned()
    } else if value.contains('\'') || value.ends_with('\\') {
        let escaped =
            |letter: char| ['\\', '"', '$'].contains(&letter).then_some('\\').into_iter().chain([letter]);
        format!("\"{}\"", value.chars().flat_map(escaped).collect::<String>())
    } else {
        format!("'{value}'")
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

    /// What docker compose 2.40 makes of the same lines.
    #[test]
    fn what_is_set_means_what_it_means_to_compose() {
        let text = "A=plain # a comment\nexport B=exported\nC=\"a # b\" # c\nD=x#y\nE='it\\'s'\nF=\"/o'b/\\\"x\\\"/\\\\b/\\$H\"\n";
        let env = Env::read(text);
        let all = ["A", "B", "C", "D", "E", "F"].map(|name| env.get(name).unwrap());
        assert_eq!(all, ["plain", "exported", "a # b", "x#y", "it's", r#"/o'b/"x"/\b/$H"#]);
        assert!(env.text(false).contains("A=plain # a comment\n"), "what its owner wrote stays");
        for value in ["/home/o'brien/berth-init", r#"o' $ " \"#, "a $b # c", r"ends with \"] {
            let mut env = Env::default();
            env.set("BERTH_INIT_FILE", value);
            assert_eq!(Env::read(&env.text(false)).get("BERTH_INIT_FILE"), Some(value));
        }
    }
}
