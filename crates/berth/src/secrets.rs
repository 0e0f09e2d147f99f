//! The secrets of an installation, made once and never again.

use std::collections::BTreeMap;

use anyhow::{Context, anyhow};
use berth_engine::{Folder, Kind};
use berth_render::compose::{Made, Readers, SECRETS, Secret};
use berth_report::{Code, Problem};

use crate::problem;

/// Where they are kept, in the state folder.
pub const FILE: &str = "settings.env";

const LETTERS_AND_DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEXADECIMAL: &[u8] = b"0123456789abcdef";

/// What an installation keeps: its mail domain and its secrets.
pub type Kept = BTreeMap<String, String>;

/// What was there from the first start on. Without it nothing that is stored can be read.
const ALWAYS: [&str; 2] = ["DOMAIN", "HELPER_ENCRYPTION_KEY"];

/// Reads what the installation keeps; nothing at its first start.
pub fn kept(folder: &Folder) -> anyhow::Result<Kept> {
    let text = folder.read(FILE)?.unwrap_or_default();
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
    let pairs = lines.map(|(line, number)| pair(line).map_err(|wrong| of_line(folder, number, wrong)));
    Ok(pairs.collect::<Result<_, _>>()?)
}

/// A line as it is: what quotes and blanks would be to others is a part of the value here, and opens nothing.
fn pair(line: &str) -> Result<(String, String), &'static str> {
    let (name, value) = line.split_once('=').ok_or("is no NAME=value")?;
    let is_name = |name: &str| name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
    if name.is_empty() || !is_name(name) {
        Err("has no name of letters, digits and _ before the =")
    } else if value.trim() != value {
        Err("has blanks around its value")
    } else if value.starts_with(['"', '\'']) {
        Err("has its value in quotes")
    } else {
        Ok((name.to_owned(), value.to_owned()))
    }
}

fn of_line(folder: &Folder, number: u32, wrong: &str) -> Problem {
    let file = folder.path(FILE);
    let problem = Problem::new(Code::Settings, format!("line {number} of {} {wrong}", file.display()));
    problem.hint("write NAME=value, without quotes and blanks")
}

/// What the installation keeps, on the way to bringing it up: secrets that are gone are not made anew, for others read
/// nothing of what is stored.
pub fn kept_for_up(folder: &Folder) -> anyhow::Result<Kept> {
    let kept = kept(folder)?;
    let gone: Vec<_> = ALWAYS.into_iter().filter(|name| !kept.contains_key(*name)).collect();
    if gone.is_empty() || Kind::of(folder).map_err(problem::of)?.is_none() {
        return Ok(kept);
    }
    let file = folder.path(FILE);
    let problem = Problem::new(Code::Settings, format!("{} has lost {}", file.display(), gone.join(" and ")));
    let problem =
        problem.because(anyhow!("what is stored was encrypted with it, and others read nothing of it"));
    let hint = "put the file back from a copy of the state folder; compose/secrets in there has a file for each \
                secret of containers. For an empty installation take another folder: --state DIR";
    Err(problem.hint(hint).into())
}

/// Whether roles need this secret wherever they run. The others are of stores and a front that processes of this host do
/// without.
pub fn is_of_roles(secret: &Secret) -> bool {
    secret.readers == Readers::Roles
}

/// Completes what is kept by these secrets, and writes it down before anything is encrypted with it.
pub fn complete(
    folder: &Folder,
    mut kept: Kept,
    domain: &str,
    needed: impl Fn(&Secret) -> bool,
) -> anyhow::Result<Kept> {
    let mut new = Kept::new();
    if !kept.contains_key("DOMAIN") {
        new.insert("DOMAIN".to_owned(), domain.to_owned());
    }
    for secret in SECRETS.iter().filter(|secret| needed(secret) && !kept.contains_key(secret.name)) {
        if let Some(made) = make(secret.made)? {
            new.insert(secret.name.to_owned(), made);
        }
    }
    if !new.is_empty() {
        let mut text = folder.read(FILE)?.unwrap_or_default();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.extend(new.iter().map(|(key, value)| format!("{key}={value}\n")));
        folder.write(FILE, text.as_bytes()).context("cannot keep the secrets")?;
    }
    kept.append(&mut new);
    Ok(kept)
}

/// A new secret; nothing for one that follows from others.
fn make(made: Made) -> anyhow::Result<Option<String>> {
    Ok(Some(match made {
        Made::Letters(length) => random(length, LETTERS_AND_DIGITS)?,
        Made::Hexadecimal(length) => random(length, HEXADECIMAL)?,
        // Its loader takes a text only for a list when there is a comma in it.
        Made::List(length) => random(length, HEXADECIMAL)? + ",",
        Made::Documents(_) | Made::PostgreSql => return Ok(None),
    }))
}

/// What a secret is in this installation: as it is kept, or as it follows from what is kept.
pub fn value(kept: &Kept, secret: &Secret) -> Option<String> {
    let password = || kept.get("MONGO_PASSWORD");
    let follows = || match secret.made {
        Made::Documents(database) => {
            Some(format!("mongodb://berth:{}@mongodb:27017/{database}?authSource=admin", password()?))
        }
        Made::PostgreSql => Some(format!("postgres://berth:{}@postgresql:5432/postgres", password()?)),
        Made::Letters(_) | Made::Hexadecimal(_) | Made::List(_) => None,
    };
    kept.get(secret.name).cloned().or_else(follows)
}

/// A password for a person to copy.
pub fn password() -> anyhow::Result<String> {
    random(20, LETTERS_AND_DIGITS)
}

/// A random word that no settings loader takes for anything else: it begins with a letter that begins no number
/// either (1e5 and Infinity are numbers to JavaScript; `e` and `I` are left out at the start).
pub fn random(length: usize, letters: &[u8]) -> anyhow::Result<String> {
    let mut word = String::with_capacity(length);
    while word.len() < length {
        let mut bytes = [0; 64];
        aws_lc_rs::rand::fill(&mut bytes).ok().context("the system has no randomness to give")?;
        // A byte beyond the last whole round of the letters would make the first ones likelier.
        let fair = 256 / letters.len() * letters.len();
        let drawn = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        for letter in drawn.map(|byte| char::from(letters[byte % letters.len()])) {
            let begins = letter.is_ascii_alphabetic() && !matches!(letter, 'e' | 'E' | 'I');
            if word.len() < length && (begins || !word.is_empty()) {
                word.push(letter);
            }
        }
    }
    Ok(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_of_its_letters_and_never_a_number() {
        for _ in 0..2000 {
            let secret = random(32, HEXADECIMAL).unwrap();
            assert_eq!(secret.len(), 32);
            assert!(secret.bytes().all(|byte| HEXADECIMAL.contains(&byte)));
            assert!(matches!(secret.as_bytes()[0], b'a'..=b'd' | b'f'), "{secret}");
        }
        let letters: std::collections::BTreeSet<_> =
            random(8000, LETTERS_AND_DIGITS).unwrap().bytes().collect();
        assert_eq!(letters.len(), LETTERS_AND_DIGITS.len());
    }

    #[test]
    fn a_second_run_keeps_every_secret_and_adds_only_what_is_new() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path()).unwrap();
        let mut first = complete(&folder, kept(&folder).unwrap(), "example.test", is_of_roles).unwrap();
        assert!(first["API_SECRETS"].ends_with(',') && first["API_SECRETS"].len() == 65);
        assert_eq!(first["HELPER_ENCRYPTION_KEY"].len(), 32);
        assert_eq!(kept(&folder).unwrap(), first);
        for name in ["REDIS_PASSWORD", "MONGO_PASSWORD", "MONGO_URI", "AUTH_BASIC_PASSWORD"] {
            assert!(!first.contains_key(name), "no process is given {name}");
        }
        first.remove("SRS_SECRET");
        let second = complete(&folder, first.clone(), "example.test", is_of_roles).unwrap();
        assert_eq!(second["HELPER_ENCRYPTION_KEY"], first["HELPER_ENCRYPTION_KEY"]);
        assert_eq!(second["SRS_SECRET"].len(), 32);
    }

    #[test]
    fn what_follows_from_others_is_made_of_them_unless_it_is_given() {
        let uri = SECRETS.iter().find(|secret| secret.name == "EMAILS_MONGO_URI").unwrap();
        let mut kept = Kept::from([("MONGO_PASSWORD".to_owned(), "p".to_owned())]);
        let expected = "mongodb://berth:p@mongodb:27017/mail_emails?authSource=admin";
        assert_eq!(value(&kept, uri).unwrap(), expected);
        kept.insert("EMAILS_MONGO_URI".to_owned(), "mongodb://elsewhere/emails".to_owned());
        assert_eq!(value(&kept, uri).unwrap(), "mongodb://elsewhere/emails");
        assert_eq!(value(&Kept::new(), uri), None);
    }
}
