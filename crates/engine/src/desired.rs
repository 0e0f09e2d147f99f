//! What the last `up` wanted, and whether a `down` came after it: what any engine has to remember.

use std::io;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::{EngineError, Event, Folder, Means, Wanted, Watcher};

const FILE: &str = "desired.json";

/// An engine, as an installation is bound to it: its data are where that keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`crate::Local`]
    Local,
    /// [`crate::Compose`]
    Compose,
}

impl Kind {
    /// The one that an installation was brought up with; nothing when it never was.
    pub fn of(folder: &Folder) -> Result<Option<Self>, EngineError> {
        Ok(Desired::read(folder)?.map(|desired| match desired.wanted.means {
            Means::Processes(_) => Self::Local,
            Means::Containers(_) => Self::Compose,
        }))
    }

    /// The word that selects it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Compose => "compose",
        }
    }
}

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

    /// When it was written down last; by that one `up` knows that there was another.
    pub fn written(folder: &Folder) -> Option<SystemTime> {
        folder.path(FILE).metadata().ok()?.modified().ok()
    }

    pub fn write(&self, folder: &Folder) -> Result<(), EngineError> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::from)?;
        Ok(folder.write(FILE, &text)?)
    }

    /// Writes down that nothing of this is to be up. A disk that takes no more is no reason to let it run: whoever
    /// watches is told, unless it was written down before.
    pub fn forget(folder: &Folder, wanted: &Wanted, watcher: &mut dyn Watcher) {
        let down = Self { up: false, wanted: wanted.clone() };
        if let Err(error) = down.write(folder)
            && Self::read(folder).is_ok_and(|there| there.is_some_and(|there| there.up))
        {
            watcher.heard(Event::Unremembered(error.told()));
        }
    }
}
