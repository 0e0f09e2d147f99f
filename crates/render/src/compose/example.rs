//! `.env.example`: the variables, to be copied and edited.

use std::fmt::Write;

use super::{VARIABLES, Variable, line};

const HEAD: &str = "\
# Written by `cargo xtask generate`; a change here is lost. Copy it to .env, and set what has no # before it.
#
# What each variable is when it is not set stands behind its name. docs/reference/compose.md says which file uses it.

# the files that make up the service, in the order of docs/reference/compose.md
#COMPOSE_FILE=compose.yaml:sample.yaml
";

/// What stands for a value that everybody has to choose.
const CHOSEN: [(&str, &str); 2] = [("DOMAIN", "example.com"), ("BERTH_IMAGE", "berth/postbox:dev")];

pub fn example() -> String {
    let mut text = HEAD.to_owned();
    for Variable { name, meaning, default, sample, .. } in VARIABLES.iter() {
        let sample =
            sample.as_ref().map(|sample| format!(" (with sample.yaml: {sample})")).unwrap_or_default();
        text.push('\n');
        line!(text, "# {}{sample}", meaning.replace('`', ""));
        match CHOSEN.iter().find(|(chosen, _)| chosen == name) {
            Some((_, value)) => line!(text, "{name}={value}"),
            None => line!(text, "#{name}={}", default.as_deref().unwrap_or_default()),
        }
    }
    text
}
