//! What the files themselves give to roles: whoever gives the same by the file of other settings is not heard.

use berth_catalogue::find;

/// A setting that a file gives to roles, as it is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its name; `NAME_FILE` where the value of `NAME` is a secret's.
    pub key: String,
    /// Its value, with places for variables.
    pub value: String,
}

/// The settings that a file of ours gives to roles, read from the file: no other list of them is kept.
#[must_use]
pub fn given(text: &str) -> Vec<Given> {
    let mut given: Vec<Given> = Vec::new();
    let (mut section, mut service) = ("", "");
    for line in text.lines() {
        let inside = line.trim_start();
        let Some((key, value)) = inside.split_once(':') else { continue };
        match line.len() - inside.len() {
            0 => (section, service) = (key, ""),
            2 => service = key,
            _ => {}
        }
        // What stores are told is theirs.
        let of_roles = section.starts_with("x-") || section == "services" && find(service).is_some();
        let value = value.trim();
        if of_roles && is_setting(key) && !value.is_empty() && !given.iter().any(|other| other.key == key) {
            given.push(Given { key: key.to_owned(), value: value.trim_matches('"').to_owned() });
        }
    }
    given
}

/// Names of settings are large letters; nothing else in a Compose file is.
fn is_setting(key: &str) -> bool {
    let letters = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    key.starts_with(|letter: char| letter.is_ascii_uppercase()) && key.chars().all(letters)
}

#[cfg(test)]
mod tests {
    use super::super::files;
    use super::*;

    fn of(path: &str) -> Vec<Given> {
        let file = files().into_iter().find(|file| file.path == path).unwrap();
        given(&file.text)
    }

    #[test]
    fn what_roles_are_given_is_read_from_the_file_and_what_stores_are_is_not() {
        let base = of("compose/compose.yaml");
        let value = |key: &str| base.iter().find(|given| given.key == key).map(|given| given.value.as_str());
        for (key, expected) in [
            ("IMAP_HOST", "imap.${DOMAIN}"),
            ("IMAP_PORT", "2993"),
            ("WEB_SSL_CERT_PATH", "/certificates/fullchain.pem"),
            ("SEND_EMAIL", "${SEND_EMAIL:-true}"),
            ("SRS_SECRET_FILE", "/run/secrets/SRS_SECRET"),
            ("SELF_HOSTED", "true"),
            ("TRUST_PROXY", "true"),
            ("SQLITE_TMPDIR", "/mnt/sqlite_storage/tmp"),
        ] {
            assert_eq!(value(key), Some(expected), "{key}");
        }
        for key in ["MONGO_INITDB_ROOT_USERNAME", "HOME", "SRS_SECRET", "MAX_RECIPIENTS"] {
            assert_eq!(value(key), None, "{key}");
        }
        assert!(of("compose/sample.yaml").iter().any(|given| given.key == "POSTBOX_STATE"));
        let elsewhere = of("compose/stores-elsewhere.yaml");
        assert!(
            elsewhere.iter().any(|given| given.key == "IMAP_REDIS_HOST" && given.value == "${REDIS_HOST}")
        );
    }
}
