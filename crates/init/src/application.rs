//! Where the application is, and the Node that runs it.

use std::path::{Path, PathBuf};

use berth_catalogue::ROLES;
use berth_report::{Code, Problem};
use berth_role::Role;

use crate::locate::locate;
use crate::own::Own;

/// Where the image has the application.
const APPLICATION: &str = "/app";

/// The application's folder: the one that was named, the image's, or the current one.
pub fn folder(role: &Role, own: &Own) -> Result<PathBuf, Problem> {
    folder_with(&[role.entrypoint], own)
}

/// The same for whoever is no role: where any role's entrypoint is.
pub fn folder_of_any(own: &Own) -> Result<PathBuf, Problem> {
    let entrypoints: Vec<_> = ROLES.iter().map(|role| role.entrypoint).collect();
    folder_with(&entrypoints, own)
}

fn folder_with(entrypoints: &[&str], own: &Own) -> Result<PathBuf, Problem> {
    let places = match &own.app_dir {
        Some(named) => vec![named.clone()],
        None => {
            [Some(PathBuf::from(APPLICATION)), std::env::current_dir().ok()].into_iter().flatten().collect()
        }
    };
    let is_there = |place: &&PathBuf| entrypoints.iter().any(|entrypoint| place.join(entrypoint).is_file());
    let found = places.iter().find(is_there);
    found.and_then(|place| std::path::absolute(place).ok()).ok_or_else(|| {
        let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
        let what = if let [entrypoint] = entrypoints { entrypoint } else { "application" };
        let message = format!("there is no {what} in {}", places.join(" or "));
        Problem::new(Code::NotFound, message).hint("name the application's folder with BERTH_APP_DIR")
    })
}

/// The Node that runs it: the one that was named, or the first on PATH.
pub fn node(own: &Own) -> Result<PathBuf, Problem> {
    let node = locate(own.node.as_deref().unwrap_or(Path::new("node")).as_os_str())
        .map_err(|problem| problem.hint("install Node, or name it with BERTH_NODE"))?;
    Ok(std::path::absolute(&node).unwrap_or(node))
}
