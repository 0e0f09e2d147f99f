//! A line of a log as a person reads it: out of the JSON of `berth-init` (`timestamp`) and of the application (`time`).

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Time, level, role, message, and whatever else there is as key=value; a line that is no such JSON as it stands. Whatever
/// would move the cursor is spelled out: it may come from anybody who sends a mail.
pub fn readable(name: &str, line: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else {
        return format!("{name} | {}", harmless(line));
    };
    // What tracing does not flatten is one object below.
    if let Some(Value::Object(inner)) = fields.remove("fields") {
        fields.extend(inner);
    }
    let mut text = |key| match fields.remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (Some(time), Some(level)) = (text("time").or_else(|| text("timestamp")), text("level")) else {
        return format!("{name} | {}", harmless(line));
    };
    let message = text("message").unwrap_or_default();
    let role = text("role").filter(|role| role != name);
    let mut told = format!("{time} {:<5} {name}: {}", level.to_lowercase(), message);
    rest(&mut told, role, fields);
    harmless(&told)
}

fn rest(told: &mut String, role: Option<String>, fields: Map<String, Value>) {
    // Where in the code a line is from helps nobody who reads a log.
    let fields = fields.into_iter().filter(|(key, _)| key != "target");
    for (key, value) in role.map(|role| ("role".to_owned(), Value::String(role))).into_iter().chain(fields) {
        let plain = |text: &str| !text.is_empty() && !text.contains([' ', '"', '=']);
        let _ = match &value {
            Value::String(text) if plain(text) => write!(told, " {key}={text}"),
            other => write!(told, " {key}={other}"),
        };
    }
}

fn harmless(text: &str) -> String {
    let letter = |letter: char| match letter {
        '\t' => "\t".to_owned(),
        letter if letter.is_control() => letter.escape_default().to_string(),
        letter => letter.to_string(),
    };
    text.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_read_alike_and_what_is_no_json_stays() {
        for (line, told) in [
            (
                r#"{"timestamp":"2026-11-28T10:00:01.5Z","level":"INFO","message":"ready","role":"imap","port":2993,"target":"x"}"#,
                "2026-11-28T10:00:01.5Z info  imap: ready port=2993",
            ),
            (
                r#"{"timestamp":"T","level":"WARN","fields":{"message":"waits","waiting_for":["a b"]}}"#,
                r#"T warn  imap: waits waiting_for=["a b"]"#,
            ),
            (
                r#"{"time":"T","level":"error","message":"cannot\nread","file":"a b","id":"x","role":"mx"}"#,
                r#"T error imap: cannot\nread role=mx file="a b" id=x"#,
            ),
            (r#"{"time":"T"}"#, r#"imap | {"time":"T"}"#),
            ("    at x.js:1 \u{1b}[2J", "imap |     at x.js:1 \\u{1b}[2J"),
            ("[1]", "imap | [1]"),
        ] {
            assert_eq!(readable("imap", line), told);
        }
    }
}
