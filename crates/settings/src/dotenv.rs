//! The file format as dotenv 8 for Node reads it, which no Rust crate does: no `$` expansion, no comment after
//! a value, `\n` expanded between double quotes only, the last of equal keys wins.

/// The pairs of a file, in order. A line that is no pair is passed over, as the application does.
pub fn parse(text: &str) -> Vec<(String, String)> {
    text.split(['\n', '\r']).filter_map(pair).collect()
}

fn pair(line: &str) -> Option<(String, String)> {
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    (!key.is_empty() && key.chars().all(is_key)).then(|| (key.to_owned(), unquote(value.trim())))
}

fn unquote(value: &str) -> String {
    let within = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    match (within('"'), within('\'')) {
        (Some(inner), _) => inner.replace("\\n", "\n"),
        (None, Some(inner)) => inner.to_owned(),
        (None, None) => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_file_is_read_as_the_application_reads_it() {
        let text =
            "# comment\n A = 1 # kept\r\nB=\"x\\ny\"\nC='x\\ny'\nD=\nE==a=b\nnot a pair\nB C=1\n=x\nF=\"\n";
        let expected =
            [("A", "1 # kept"), ("B", "x\ny"), ("C", "x\\ny"), ("D", ""), ("E", "=a=b"), ("F", "\"")];
        assert_eq!(parse(text), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
