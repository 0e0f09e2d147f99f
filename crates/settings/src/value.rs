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
