//! The application's settings, read as the application reads them.
//!
//! Three sources, the later one wins: `.env.defaults` and `.env` in the application's folder, and the
//! environment. Every key that `.env.schema` lists must be in one of them, though it may be empty.
//!
//! Invariants: nothing here changes the environment; a value is never printed, `Debug` shows keys only.
//!
//! ```
//! use berth_settings::Settings;
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join(".env.defaults"), "IMAP_PORT=2993\n")?;
//! std::fs::write(folder.path().join(".env.schema"), "IMAP_PORT=\nAPI_SECRETS=\nSRS_SECRET=\n")?;
//! let settings = Settings::load(folder.path(), [("SRS_SECRET".into(), String::new())])?;
//! assert_eq!(settings.get("IMAP_PORT"), Some("2993"));
//! assert_eq!(settings.missing(), ["API_SECRETS"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

mod dotenv;

/// The settings of one application folder under one environment.
#[derive(Clone, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
    schema: Vec<String>,
}

/// A settings file is there and cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the settings")]
pub struct SettingsError(#[from] io::Error);

impl Settings {
    /// Reads the settings. A file that does not exist counts as empty.
    pub fn load(
        folder: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut values = BTreeMap::new();
        for file in [".env.defaults", ".env"] {
            values.extend(dotenv::parse(&read(&folder.join(file))?));
        }
        values.extend(environment);
        let schema = dotenv::parse(&read(&folder.join(".env.schema"))?).into_iter().map(|(key, _)| key);
        Ok(Self { values, schema: schema.collect() })
    }

    /// The value of a key; an empty value is a value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// The keys of the schema that nothing sets, all of them, in the schema's order.
    #[must_use]
    pub fn missing(&self) -> Vec<&str> {
        self.schema.iter().filter(|key| !self.values.contains_key(*key)).map(String::as_str).collect()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

fn read(path: &Path) -> io::Result<String> {
    match fs_err::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}
