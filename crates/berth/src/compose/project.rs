//! Which project an installation is. Containers and volumes go by its name: under another one they would be somebody
//! else's, and the installation's own would seem to be gone.

use berth_engine::compose::ENV;
use berth_engine::{Compose, Folder, Kind, Means};
use berth_report::{Code, Problem};

use super::env::{Env, FILES, PROJECT};
use crate::problem;

/// The name of what was brought up in containers, if anything ever was, and if the file that Compose reads says the same. That
/// is its owner's, who may have made it anew.
pub fn check(folder: &Folder) -> anyhow::Result<Option<String>> {
    if Kind::of(folder).map_err(problem::of)? != Some(Kind::Compose) {
        return Ok(None);
    }
    let known = Compose::new(folder.clone()).known().map_err(problem::of)?;
    let Some(Means::Containers(containers)) = known.map(|wanted| wanted.means) else { return Ok(None) };
    let env = Env::read(folder.read(ENV)?.as_deref().unwrap_or_default());
    let (project, file) = (containers.project, folder.path(ENV));
    let (wrong, hint) = match env.get(PROJECT) {
        Some(had) if had != project => (
            format!("{} is of the project {had}, and this installation is {project}", file.display()),
            format!("write {PROJECT}={project} into it"),
        ),
        Some(_) if env.get(FILES).is_some() => return Ok(Some(project)),
        _ => (
            format!("{} has lost what this installation, {project}, is made of", file.display()),
            format!(
                "put it back from a copy of the state folder, or write {PROJECT}={project} and the {FILES} of before into it"
            ),
        ),
    };
    Err(Problem::new(Code::Settings, wrong).hint(hint).into())
}
