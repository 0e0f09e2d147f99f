//! Where the application is, and the Node that runs it.

use std::path::{Path, PathBuf};

use berth_report::{Code, Problem};
use berth_role::Role;

use crate::locate::locate;
use crate::own::Own;

/// Where the image has the application.
const APPLICATION: &str = "/app";

/// The application's folder: the one that was named, the image's, or the current one.
pub fn folder(role: &Role, own: &Own) -> Result<PathBuf, Problem> {
    let places = match &own.app_dir {
        Some(named) => vec![named.clone()],
        None => {
            [Some(PathBuf::from(APPLICATION)), std::env::current_dir().ok()].into_iter().flatten().collect()
        }
    };
    let found = places.iter().find(|place| place.join(role.entrypoint).is_file());
    found.and_then(|place| std::path::absolute(place).ok()).ok_or_else(|| {
        let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
        let message = format!("there is no {} in {}", role.entrypoint, places.join(" or "));
        Problem::new(Code::NotFound, message).hint("name the application's folder with BERTH_APP_DIR")
    })
}

/// The Node that runs it: the one that was named, or the first on PATH.
pub fn node(own: &Own) -> Result<PathBuf, Problem> {
    let node = locate(own.node.as_deref().unwrap_or(Path::new("node")).as_os_str())
        .map_err(|problem| problem.hint("install Node, or name it with BERTH_NODE"))?;
    Ok(std::path::absolute(&node).unwrap_or(node))
}
