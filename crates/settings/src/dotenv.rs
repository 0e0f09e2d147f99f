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
    use super::parse;

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
