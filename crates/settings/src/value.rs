//! What the application makes of a text: dotenv-parse-variables 2.

use std::fmt;

use crate::javascript;

/// A value as the application has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The text; for backticks what is between them, for a `*` at the end what is before it.
    Text(String),
    /// `true` and `false`, in any case.
    Flag(bool),
    /// Whatever JavaScript takes for a number.
    Number(f64),
    /// What is between commas; empty parts are dropped.
    List(Vec<Value>),
}

impl Value {
    /// What the application makes of this text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if let Some(rest) = text.strip_prefix('`')
            && text.ends_with('`')
        {
            return Self::Text(rest.strip_suffix('`').unwrap_or_default().to_owned());
        }
        let is_list = text.contains(',');
        if let Some(rest) = text.strip_suffix('*')
            && !is_list
        {
            return Self::Text(rest.to_owned());
        }
        if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            return Self::Flag(text.eq_ignore_ascii_case("true"));
        }
        match javascript::number(text) {
            Some(number) => Self::Number(number),
            None if is_list => {
                Self::List(text.split(',').filter(|part| !part.is_empty()).map(Self::of).collect())
            }
            None => Self::Text(text.to_owned()),
        }
    }
}

/// The text that JavaScript makes of it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => f.write_str(&javascript::text(*number)),
            Self::List(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if index > 0 { "," } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What the application makes of a text it makes again of the text of that, unless it was told to leave it: by backticks or `*`.
        #[test]
        fn a_value_is_what_its_text_is_read_as(text in prop_oneof!["[a-z0-9.,*` ]{0,12}", ".{0,12}"]) {
            let value = Value::of(&text);
            let shown = value.to_string();
            prop_assert!(shown.len() <= text.len() + 24 * text.matches(',').count() + 24);
            match value {
                Value::Text(kept) => prop_assert!(text.contains(&kept)),
                Value::Flag(flag) => prop_assert!(text.eq_ignore_ascii_case(&flag.to_string())),
                Value::Number(number) => prop_assert_eq!(Value::of(&shown), Value::Number(if number == 0.0 { 0.0 } else { number })),
                Value::List(parts) => {
                    prop_assert!(text.contains(',') && parts.len() <= text.split(',').count());
                    prop_assert!(!parts.iter().any(|part| matches!(part, Value::List(_))));
                }
            }
        }
    }
}
