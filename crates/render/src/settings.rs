use std::fmt::Write;

use berth_catalogue::concerns;
use berth_role::Role;
use berth_settings::{KNOWN, Kind, Known, OWN, Readers, known, pairs};

const HEAD: &str = "\
<!-- Written by `cargo xtask generate` from crates/settings, crates/role-* and docker/app/.env.defaults; a change here is lost. -->

# Settings

The application reads settings from three places, the later one wins: `.env.defaults` and `.env` in its folder, and the
environment. `berth-init` reads them in the same way before it starts a role, and does not start it when something is wrong:
all of it is told at once, with file, line and key. `berth-init check ROLE` says the same without starting anything,
`berth-init explain ROLE` where each setting comes from.

## How they are read

- A line of a file is `KEY=VALUE`. Quotes around the whole value are taken off; between double quotes `\\n` is a newline. There
  is no comment after a value, no `$`, no `export`. The last of equal keys counts.
- Every key of `.env.schema` has to be given, though it may be empty.
- `{{NAME}}` is the value of another setting, with `& < > \" ' / ` =` written as HTML does; `{{{NAME}}}` is that value as it
  is. A name that is not set leaves nothing. Sections, comments and delimiters are mustache's; what only makes sense in
  JavaScript (`{{NAME.length}}`, `{{toString}}`) is refused.
- Then `true` and `false` become flags, whatever JavaScript takes for a number becomes one, and what has a comma becomes a list.
  A `*` at the end is taken off and keeps the text before it as it is; so do backticks around the whole, which keep commas, too.
- A file that is there and cannot be read is refused. The application would go on without it.

A secret that all this would change is refused, and so is one that was published, as a default is.

### Secrets in files

For every key of the schema, and for every secret of the table below though the schema may lack it, `NAME_FILE` names a file that
holds the value of `NAME`. Newlines at its end are taken off. The program gets `NAME` in its environment, and not `NAME_FILE`.
Refused: both given (a default does not count), a file that is empty, longer than 64 KiB, no UTF-8, or no file. Other variables of
that form, such as `SSL_CERT_FILE`, are passed on as they are. What is started beside a role, as by `docker exec`, gets the values by
`berth-init --settings -- PROGRAM`.

## The application's settings

Those with a meaning to `berth-init`, or to the sample application. `*` stands for the prefix of a role's settings, which
[its section](roles.md) names. The application has more, which are passed on as they are.

| setting | what for | roles | default of the sample | secret | refused |
| --- | --- | --- | --- | --- | --- |
";

const OWN_HEAD: &str = "
## The settings of berth-init

From the environment only. Times are seconds, from 0 to a year; decimals are allowed. A value that cannot be used ends the start
with 78 and is named. An empty value counts as not given. Keys that are not in this table are passed over (`check` names the
nearest one), and all but `BERTH_CONTROL` are seen by the program too.

| setting | default | meaning |
| --- | --- | --- |
";

/// The reference page of all settings, in Markdown. `defaults` is the text of the sample application's `.env.defaults`.
#[must_use]
pub fn settings_page(roles: &[&Role], defaults: &str) -> String {
    let defaults = pairs(defaults);
    let mut page = HEAD.to_owned();
    page.extend(KNOWN.iter().map(|known| row(known, roles, &defaults)));
    page += OWN_HEAD;
    for own in OWN {
        writeln!(page, "| `{}` | {} | {} |", own.key, own.default, own.meaning)
            .expect("writing to a string does not fail");
    }
    page
}

fn row(setting: &Known, roles: &[&Role], defaults: &[(String, String)]) -> String {
    let is_pattern = setting.key.starts_with('*');
    let readers = match setting.readers {
        Readers::All => "all".to_owned(),
        Readers::Named if is_pattern => "those that name it".to_owned(),
        Readers::Named => {
            let readers = roles.iter().filter(|role| concerns(role, setting.key));
            let links: Vec<_> = readers.map(|role| format!("[{0}](roles.md#{0})", role.name)).collect();
            links.join(", ")
        }
    };
    let given = defaults.iter().filter(|(key, value)| known(key) == Some(setting) && !value.is_empty());
    let given: Vec<_> = given
        .map(|(key, value)| if is_pattern { format!("`{key}={value}`") } else { format!("`{value}`") })
        .collect();
    let secret = if setting.kind.is_secret() { "yes" } else { "" };
    let (key, meaning, refused) = (setting.key, setting.meaning, refused(setting.kind));
    format!("| `{key}` | {meaning} | {readers} | {} | {secret} | {refused} |\n", given.join(" "))
}

const fn refused(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Flag => "",
        Kind::Port => "no number from 1 to 65535",
        Kind::File => {
            "a file that is not there, may not be read, or holds no such thing; a key that is another certificate's"
        }
        Kind::Database => "the database of another setting; a comma outside of backticks",
        Kind::Secret => "what would be changed; what was published",
        Kind::Key => "other than 32 bytes; what would be changed; what was published",
        Kind::Secrets => "no comma at the end; a part that would be changed, or was published",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_catalogue::ROLES;

    #[test]
    fn a_row_says_whom_it_concerns_and_what_the_sample_takes() {
        let row_of =
            |key: &str| row(known(key).unwrap(), ROLES, &pairs("SRS_SECRET=\nMX_PORT=2525\nX_PORT=\n"));
        assert_eq!(
            row_of("SRS_SECRET"),
            "| `SRS_SECRET` | signs the return addresses of what is forwarded | [mx](roles.md#mx), \
             [smtp-bree](roles.md#smtp-bree) |  | yes | what would be changed; what was published |\n"
        );
        assert!(
            row_of("SMTP_PORT").contains("| those that name it | `MX_PORT=2525` |"),
            "{}",
            row_of("SMTP_PORT")
        );
    }

    #[test]
    fn every_setting_of_the_sample_application_is_in_the_table() {
        let files = [crate::SAMPLE_DEFAULTS, include_str!("../../../docker/app/.env.schema")];
        for (key, _) in files.into_iter().flat_map(pairs) {
            assert!(known(&key).is_some(), "{key} has no line in crates/settings/src/known.rs");
        }
    }
}
