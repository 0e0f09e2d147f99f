//! The file format as dotenv 8 for Node reads it, which no Rust crate does: no `$` expansion, no comment after
//! a value, `\n` expanded between double quotes only, quotes kept where white space follows them.

use crate::javascript::{ends_line, is_space};

/// A line of a file that is neither empty nor a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1, as an editor does.
    pub number: usize,
    /// The key and the value; nothing when the application passes the line over.
    pub pair: Option<(String, String)>,
}

/// The lines of a file, in order.
pub fn parse(text: &str) -> Vec<Line> {
    let mut number = 1;
    let mut lines = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(['\n', '\r']);
        let line = &rest[..end.unwrap_or(rest.len())];
        let bare = line.trim_start_matches(is_space);
        if !bare.is_empty() && !bare.starts_with('#') {
            lines.push(Line { number, pair: pair(line) });
        }
        let Some(end) = end else { return lines };
        number += 1;
        rest = rest[end..].strip_prefix("\r\n").unwrap_or(&rest[end + 1..]);
    }
}

fn pair(line: &str) -> Option<(String, String)> {
    let (key, value) = line.split_once('=')?;
    let key = key.trim_matches(is_space);
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if key.is_empty() || !key.chars().all(is_key) {
        return None;
    }
    // JavaScript's `.` does not match these two, so nothing but space may follow one.
    let value = value.trim_start_matches(is_space);
    let (value, after) = value.split_at(value.find(ends_line).unwrap_or(value.len()));
    after.chars().all(is_space).then(|| (key.to_owned(), unquote(value)))
}

fn unquote(value: &str) -> String {
    let within = |quote: char| {
        let rest = value.strip_prefix(quote).filter(|_| value.ends_with(quote))?;
        // A quote alone is its own beginning and end, and stays.
        Some(rest.strip_suffix(quote).unwrap_or(value))
    };
    match (within('"'), within('\'')) {
        (Some(inner), _) => inner.replace("\\n", "\n"),
        (None, Some(inner)) => inner.to_owned(),
        (None, None) => value.trim_matches(is_space).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{is_space, parse};

    proptest! {
        /// Nothing is read that is not there: keys are keys, in the order of the lines, and all values together are no longer than
        /// the text.
        #[test]
        fn any_text_is_read_to_its_end(
            parts in prop::collection::vec(prop_oneof![
                4 => prop::sample::select(&["A", "_.-", "=", "\"", "'", "\\n", "#", " ", "\t", "\u{feff}", "\u{2028}", "\n", "\r\n", "\r"][..])
                    .prop_map(str::to_owned),
                1 => any::<char>().prop_map(String::from),
            ], 0..60),
        ) {
            let text = parts.concat();
            let lines = parse(&text);
            let breaks = text.replace("\r\n", "\n").matches(['\n', '\r']).count();
            prop_assert!(lines.is_sorted_by(|one, next| one.number < next.number));
            prop_assert!(lines.iter().all(|line| (1..=breaks + 1).contains(&line.number)));
            let pairs: Vec<_> = lines.into_iter().filter_map(|line| line.pair).collect();
            prop_assert!(pairs.iter().all(|(key, value)| !key.is_empty() && key.is_ascii() && text.contains(key.as_str())
                && !value.contains('\r')));
            prop_assert!(pairs.iter().map(|(key, value)| key.len() + 1 + value.len()).sum::<usize>() <= text.len());
        }

        /// What has no line end, and no blank or quote at its ends, comes back as it was written, wherever it stands.
        #[test]
        fn a_value_that_is_written_is_read(
            before in prop::sample::select(&["", "# x\n", "no pair\r\n", "\n\n", "B=\r"][..]), key in "[A-Za-z0-9_.-]{1,9}",
            value in "[^\r\n\u{2028}\u{2029}]{0,20}", after in prop::sample::select(&["", "\n", "\r\n", "\nC=1\n"][..]),
        ) {
            prop_assume!(value.trim_matches(is_space) == value && !value.starts_with(['"', '\'']));
            let text = format!("{before}{key}={value}{after}");
            let number = before.replace("\r\n", "\n").matches(['\n', '\r']).count() + 1;
            let line = parse(&text).into_iter().find(|line| line.number == number);
            prop_assert_eq!(line.and_then(|line| line.pair), Some((key.clone(), value.clone())));
            // Between double quotes line ends can be written too.
            let lines = format!("{value}\n{value}");
            let quoted = parse(&format!("{key}=\"{}\"", lines.replace('\n', "\\n"))).remove(0);
            prop_assert_eq!(quoted.pair, Some((key, lines.replace("\\n", "\n"))));
        }
    }

    #[test]
    fn a_file_is_read_as_the_application_reads_it() {
        let text = "# comment\n A = 1 # kept\r\nB=\"x\\ny\"\nC='x\\ny'\rD=\nE==a=b\nnot a pair\nB C=1\n=x\n\nF=\"\nG=\"x\" \n\
                    H=a\u{2028}b\n";
        let read: Vec<_> = parse(text).into_iter().map(|line| (line.number, line.pair)).collect();
        let pair = |key: &str, value: &str| Some((key.to_owned(), value.to_owned()));
        let expected = [
            (2, pair("A", "1 # kept")),
            (3, pair("B", "x\ny")),
            (4, pair("C", "x\\ny")),
            (5, pair("D", "")),
            (6, pair("E", "=a=b")),
            (7, None),
            (8, None),
            (9, None),
            (11, pair("F", "\"")),
            (12, pair("G", "\"x\"")),
            (13, None),
        ];
        assert_eq!(read, expected);
    }
}
