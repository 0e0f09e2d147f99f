//! Values that name other values: mustache.js 4, as far as settings need it.
//!
//! The application renders every value that contains `{{` with all settings at hand, which are text. So a section is shown
//! once or not at all, and there are no partials. Of the crates for this none escapes what mustache.js escapes nor strips
//! lines as it does. What only makes sense in JavaScript (a path such as `{{A.length}}`, the names that every object has) is refused.

use crate::javascript::is_space;

/// No environment takes a longer text (execve(2), MAX_ARG_STRLEN); without an end, ten lines that name each other twice
/// would take all memory.
const LONGEST: usize = 128 * 1024;

/// What JavaScript finds in every object, settings or not.
pub const OF_EVERY_OBJECT: [&str; 12] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// Why a template cannot be rendered. The first four are mistakes that end the application, too.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("{{{{ without an end")]
    UnclosedTag,
    #[error("{{{{/{0}}}}} without a beginning")]
    UnopenedSection(String),
    #[error("the section {{{{#{0}}}}} has no end, or another section ends in it")]
    UnclosedSection(String),
    #[error("{{{{= =}}}} has to hold two delimiters")]
    Delimiters,
    #[error("{{{{{0}}}}} is no setting but JavaScript's own")]
    NotASetting(String),
    #[error("it becomes longer than {LONGEST} bytes")]
    TooLong,
}

impl TemplateError {
    /// The same, but for what it repeats of the template.
    pub fn without_names(self) -> Self {
        let something = || "…".to_owned();
        match self {
            Self::UnopenedSection(_) => Self::UnopenedSection(something()),
            Self::UnclosedSection(_) => Self::UnclosedSection(something()),
            Self::NotASetting(_) => Self::NotASetting(something()),
            Self::UnclosedTag | Self::Delimiters | Self::TooLong => self,
        }
    }
}

/// A rendered template, and what is worth knowing of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    pub text: String,
    /// The names that are no settings, in whose place there is nothing.
    pub unknown: Vec<String>,
    /// The names whose values were changed, because `{{…}}` escapes for HTML.
    pub escaped: Vec<String>,
    /// There is something else in it than values of other settings and text around them.
    pub sections: bool,
}

enum Piece<'a> {
    Char(char),
    Value {
        name: &'a str,
        escape: bool,
    },
    Open {
        name: &'a str,
        inverted: bool,
    },
    Close,
    /// A comment, new delimiters, or a partial, of which there are none.
    Nothing,
}

/// Renders a template with these settings.
pub fn render<'a>(
    template: &str,
    setting: impl Fn(&str) -> Option<&'a str>,
) -> Result<Rendered, TemplateError> {
    let pieces = pieces(template)?;
    let mut rendered = Rendered::default();
    // The values of the sections around, and how many sections deep we are in one that is not shown.
    let mut around: Vec<Option<&str>> = Vec::new();
    let mut hidden = 0_usize;
    for piece in &pieces {
        let value = |name: &str, around: &[Option<&'a str>]| match name {
            "." => around.iter().rev().flatten().next().copied().map(Some),
            _ if name.find('.').is_some_and(|at| at > 0) => None,
            _ => match setting(name) {
                None if OF_EVERY_OBJECT.contains(&name) => None,
                found => Some(found),
            },
        };
        let value = |name: &str, around: &[Option<&'a str>]| {
            value(name, around).ok_or_else(|| TemplateError::NotASetting(name.to_owned()))
        };
        match piece {
            Piece::Open { .. } if hidden > 0 => hidden += 1,
            Piece::Close if hidden > 0 => hidden -= 1,
            _ if hidden > 0 => {}
            Piece::Char(c) => rendered.text.push(*c),
            Piece::Value { name, escape } => match value(name, &around)? {
                Some(value) if *escape => {
                    let before = rendered.text.len();
                    value.chars().for_each(|c| push_escaped(&mut rendered.text, c));
                    if rendered.text[before..] != *value {
                        rendered.escaped.push((*name).to_owned());
                    }
                }
                Some(value) => rendered.text.push_str(value),
                None => rendered.unknown.push((*name).to_owned()),
            },
            Piece::Open { name, inverted } => {
                rendered.sections = true;
                let shown = value(name, &around)?.filter(|value| !value.is_empty());
                if shown.is_some() == *inverted {
                    hidden = 1;
                } else {
                    around.push(shown);
                }
            }
            Piece::Close => drop(around.pop()),
            Piece::Nothing => rendered.sections = true,
        }
        if rendered.text.len() > LONGEST {
            return Err(TemplateError::TooLong);
        }
    }
    Ok(rendered)
}

fn push_escaped(text: &mut String, c: char) {
    match c {
        '&' => text.push_str("&amp;"),
        '<' => text.push_str("&lt;"),
        '>' => text.push_str("&gt;"),
        '"' => text.push_str("&quot;"),
        '\'' => text.push_str("&#39;"),
        '/' => text.push_str("&#x2F;"),
        '`' => text.push_str("&#x60;"),
        '=' => text.push_str("&#x3D;"),
        _ => text.push(c),
    }
}

/// The pieces of a template. A line that holds sections, comments and delimiters alone leaves no white space behind.
fn pieces(template: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let (mut open, mut close) = ("{{", "}}");
    let mut rest = template;
    let mut pieces = Vec::new();
    let mut sections = Vec::new();
    let mut line = LineSoFar::default();
    loop {
        let found = rest.find(open);
        for c in rest[..found.unwrap_or(rest.len())].chars() {
            pieces.push(Piece::Char(c));
            line.filled |= !is_space(c);
            if c == '\n' {
                line.end(&mut pieces);
            }
        }
        let Some(found) = found else { break };
        line.tagged = true;
        let tag = rest[found + open.len()..].trim_start_matches(is_space);
        let kind = tag.chars().next().filter(|c| "#^/>{&=!".contains(*c));
        let tag = tag[kind.map_or(0, char::len_utf8)..].trim_start_matches(is_space);
        let (name, after) = match kind {
            Some('{') => {
                let at = tag.find(&format!("}}{close}")).ok_or(TemplateError::UnclosedTag)?;
                (&tag[..at], &tag[at + 1..])
            }
            Some('=') => tag.split_once('=').ok_or(TemplateError::UnclosedTag)?,
            _ => tag.split_at(tag.find(close).ok_or(TemplateError::UnclosedTag)?),
        };
        let name = name.trim_end_matches(is_space);
        let (_, after) = after.split_once(close).ok_or(TemplateError::UnclosedTag)?;
        rest = after;
        pieces.push(match kind {
            None | Some('{' | '&') => {
                line.filled = true;
                Piece::Value { name, escape: kind.is_none() }
            }
            Some(kind @ ('#' | '^')) => {
                sections.push(name);
                Piece::Open { name, inverted: kind == '^' }
            }
            Some('/') => match sections.pop() {
                Some(opened) if opened == name => Piece::Close,
                Some(opened) => return Err(TemplateError::UnclosedSection(opened.to_owned())),
                None => return Err(TemplateError::UnopenedSection(name.to_owned())),
            },
            Some('=') => {
                let mut words = name.split(is_space).filter(|word| !word.is_empty());
                (open, close) = words.next().zip(words.next()).ok_or(TemplateError::Delimiters)?;
                Piece::Nothing
            }
            Some(_) => Piece::Nothing,
        });
    }
    line.end(&mut pieces);
    match sections.pop() {
        Some(opened) => Err(TemplateError::UnclosedSection(opened.to_owned())),
        None => Ok(pieces),
    }
}

/// What the line at hand holds.
#[derive(Default)]
struct LineSoFar {
    /// Where it begins.
    start: usize,
    tagged: bool,
    /// There is something to be seen in it.
    filled: bool,
}

impl LineSoFar {
    fn end(&mut self, pieces: &mut Vec<Piece<'_>>) {
        if self.tagged && !self.filled {
            let line = pieces.split_off(self.start);
            pieces.extend(line.into_iter().filter(|piece| !matches!(piece, Piece::Char(_))));
        }
        *self = Self { start: pieces.len(), ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Text with tags in it, whole ones, cut ones and such as close what nobody opened.
    fn templates() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => prop::sample::select(&["{{A}}", "{{{LONG}}}", "{{&LONG}}", "{{#LONG}}", "{{/LONG}}", "{{^C}}", "{{/C}}", "{{.}}", "{{!",
                "{{=", "=}}", "<% %>", "{{", "}}", "\n", " ", "{{>p}}", "{{toString}}"][..]).prop_map(str::to_owned),
            1 => ".{0,4}",
        ];
        prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
    }

    proptest! {
        /// However often it names what is long, it becomes no longer than the limit and one value more.
        #[test]
        fn any_template_is_rendered_or_told_and_never_grows_without_end(template in templates(), length in 0..LONGEST) {
            let long = "/".repeat(length);
            let known = |key: &str| match key {
                "A" => Some("a"),
                "LONG" => Some(long.as_str()),
                _ => None,
            };
            match render(&template, known) {
                Ok(rendered) => prop_assert!(rendered.text.len() <= LONGEST),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }

        #[test]
        fn a_text_without_a_tag_stays_as_it_is(text in "[^{]{0,40}") {
            let rendered = render(&text, |_| None).unwrap();
            prop_assert_eq!((rendered.text, rendered.sections), (text, false));
        }
    }

    fn rendered(template: &str) -> Result<Rendered, TemplateError> {
        let settings = [("A", "a/b=c"), ("B", "b"), ("EMPTY", "")];
        render(template, |key| settings.iter().find(|(name, _)| *name == key).map(|(_, value)| *value))
    }

    #[test]
    fn two_braces_escape_for_html_and_three_or_an_ampersand_do_not() {
        let it = rendered("x{{A}} {{{A}}} {{& A }}{{ B }}").unwrap();
        assert_eq!(it.text, "xa&#x2F;b&#x3D;c a/b=c a/b=cb");
        assert_eq!(it.escaped, ["A"]);
    }

    #[test]
    fn what_is_no_setting_leaves_nothing_and_is_told() {
        let it = rendered("[{{C}}]{{! a comment }}{{> partial}}").unwrap();
        assert_eq!((it.text.as_str(), &it.unknown[..]), ("[]", &["C".to_owned()][..]));
    }

    #[test]
    fn sections_are_shown_when_the_setting_is_not_empty_and_inverted_ones_when_it_is() {
        let it = rendered("{{#B}}1{{.}}{{/B}}{{#EMPTY}}2{{#B}}{{/B}}{{/EMPTY}}{{^C}}3{{/C}}").unwrap();
        assert_eq!(it.text, "1b3");
        assert_eq!(rendered("x\n {{#B}} \ny\n{{/B}}\nz").unwrap().text, "x\ny\nz");
        assert_eq!(rendered("{{=<% %>=}}<%B%>{{B}}").unwrap().text, "b{{B}}");
    }

    #[test]
    fn mistakes_are_told() {
        let name = || "B".to_owned();
        for (template, error) in [
            ("{{B", TemplateError::UnclosedTag),
            ("{{{B}}", TemplateError::UnclosedTag),
            ("{{/B}}", TemplateError::UnopenedSection(name())),
            ("{{#B}}", TemplateError::UnclosedSection(name())),
            ("{{#B}}{{/A}}", TemplateError::UnclosedSection(name())),
            ("{{=x=}}", TemplateError::Delimiters),
            ("{{.}}", TemplateError::NotASetting(".".to_owned())),
            ("{{B.length}}", TemplateError::NotASetting("B.length".to_owned())),
            ("{{toString}}", TemplateError::NotASetting("toString".to_owned())),
        ] {
            assert_eq!(rendered(template), Err(error.clone()), "{template}");
        }
        assert_eq!(TemplateError::UnopenedSection(name()).to_string(), "{{/B}} without a beginning");
    }
}
