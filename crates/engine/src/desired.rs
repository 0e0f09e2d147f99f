//! What the last `up` wanted, and whether a `down` came after it: what any engine has to remember.

use std::io;

use serde::{Deserialize, Serialize};

use crate::{EngineError, Folder, Wanted};

const FILE: &str = "desired.json";

#[derive(Debug, Serialize, Deserialize)]
pub struct Desired {
    pub up: bool,
    pub wanted: Wanted,
}

impl Desired {
    /// Nothing when there was no `up` yet.
    pub fn read(folder: &Folder) -> Result<Option<Self>, EngineError> {
        let text = folder.read(FILE)?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose().map_err(io::Error::from)?)
    }

    pub fn write(&self, folder: &Folder) -> Result<(), EngineError> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::from)?;
        Ok(folder.write(FILE, &text)?)
    }
}
