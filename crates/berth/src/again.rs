//! Commands that a reader is told to type, as they have to be typed for this installation.

use std::env;
use std::path::Path;
use std::sync::OnceLock;

use berth_engine::compose::line::quoted;

/// The flag that names the installation, when it was given on the command line and not by the environment.
static STATE: OnceLock<String> = OnceLock::new();

/// Keeps where the installation is. Called once, before anything is told.
pub fn remember(state: Option<&Path>) {
    let typed = state.filter(|state| env::var_os("BERTH_STATE").is_none_or(|variable| variable != **state));
    let flag = typed.map(|state| format!(" --state {}", quoted(&state.to_string_lossy())));
    STATE.get_or_init(|| flag.unwrap_or_default());
}

/// `berth` with these words, and with the flag that names this installation.
pub fn berth(words: &str) -> String {
    format!("berth {words}{}", STATE.get().map_or("", String::as_str))
}
