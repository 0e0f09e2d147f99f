//! A value in `.env` that Compose does not take, by its name and the line that it is on.

use std::path::Path;

use berth_engine::EngineError;
use berth_report::{Code, Problem};

use crate::problem;

/// An error of Compose about the files of a project, with the place where its owner can mend it. `there` is `.env` as it is
/// there, if it is.
pub fn told(error: EngineError, place: &Path, there: Option<&str>) -> anyhow::Error {
    let EngineError::Docker { said, .. } = &error else { return problem::of(error) };
    let Some(there) = there else { return problem::of(error) };
    let file = place.join(".env");
    let message = format!("Docker Compose does not take what is set in {}", file.display());
    let named: Vec<String> =
        blamed(there, &said.to_string()).map(|(line, name)| format!("{name} in line {line}")).collect();
    let hint = match &named[..] {
        [] if said.to_string().contains(&*file.to_string_lossy()) => "correct it there".to_owned(),
        // What else there is, files of its owner's among them, is named by Compose.
        [] => return problem::of(error),
        named => format!("correct {} there", named.join(", or ")),
    };
    Problem::new(Code::Settings, message).because(anyhow::anyhow!(said.to_string())).hint(hint).into()
}

/// The variables whose values Compose names in what it says, each with its line.
fn blamed<'a>(env: &'a str, said: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let lines = env.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#'));
    lines.filter_map(move |(at, line)| {
        let (name, value) = line.split_once('=')?;
        let value = value.trim();
        let inside = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
        let bare = inside('\'').or_else(|| inside('"')).unwrap_or(value);
        is_word_of(bare, said).then_some((at + 1, name.trim()))
    })
}

/// Whether a value stands in a text by itself, and not as a part of another word.
fn is_word_of(value: &str, text: &str) -> bool {
    let is_of_a_word = |letter: char| letter.is_alphanumeric() || "-_./".contains(letter);
    !value.is_empty()
        && text.match_indices(value).any(|(at, _)| {
            !text[..at].ends_with(is_of_a_word) && !text[at + value.len()..].starts_with(is_of_a_word)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_whose_value_is_named_is_told_with_its_line() {
        let env = "# BERTH_IPV6=maybe\nDOMAIN=a.test\nBERTH_MEMORY_IMAP='lots'\nBERTH_BIND=\nNOFILE=many\n";
        // As Compose 2.40.3 says it.
        for (said, expected) in [
            ("'services[imap].mem_limit' invalid size: 'lots'", vec![(3, "BERTH_MEMORY_IMAP")]),
            (
                "services.sqlite.ulimits.nofile: strconv.Atoi: parsing \"many\": invalid syntax",
                vec![(5, "NOFILE")],
            ),
            ("invalid boolean: maybe", vec![]),
            ("Invalid ip address: 300.1.2.3", vec![]),
            ("as many-sided", vec![]),
        ] {
            assert_eq!(blamed(env, said).collect::<Vec<_>>(), expected, "{said}");
        }
    }
}
