//! The file with other settings of the application: what is written there and has no effect, because the Compose files set
//! it themselves, or because it is in the file of secrets, is told with its line and what to do instead.

use std::path::{Path, PathBuf};

use berth_catalogue::ROLES;
use berth_engine::Folder;
use berth_engine::compose::{ENV, PLACE};
use berth_render::compose::{FOLDER, Given, SECRETS, Variable, files, given, port_variable};
use berth_role::Exposure;

use super::certificates;
use super::env::{Env, FILES};
use crate::preflight::Finding;
use crate::secrets;

const ABOUT: &str = "settings";

/// The variable that names another file.
const ELSEWHERE: &str = "BERTH_SETTINGS";

/// All that is written in vain.
pub fn judge(folder: &Folder, env: &Env) -> Vec<Finding> {
    let place = folder.path(PLACE);
    let file: PathBuf = place.join(default_of(env, ELSEWHERE)).components().collect();
    let set = set_by(env);
    let mut findings = Vec::new();
    for (line, key) in keys(&file) {
        let at = format!("{}:{line} {key}", file.display());
        if let Some(given) = set.iter().find(|given| given.key == key) {
            let says = format!("{at} has no effect: Compose sets it to {}", given.value);
            findings.push(Finding::warning(ABOUT, says, instead(given, folder, env)));
        } else if set.iter().any(|given| given.key.strip_suffix("_FILE") == Some(&*key)) {
            let says =
                format!("{at} is a secret that Compose gives in a file: no role starts that is given both");
            findings.push(Finding::warning(ABOUT, says, "take the line out"));
        }
    }
    let kept = folder.path(secrets::FILE);
    let is_kept = |key: &str| key == "DOMAIN" || SECRETS.iter().any(|secret| secret.name == key);
    for (line, key) in keys(&kept).into_iter().filter(|(_, key)| !is_kept(key)) {
        let says = format!("{}:{line} {key} has no effect: this file is for the secrets", kept.display());
        findings.push(Finding::warning(ABOUT, says, format!("write it into {}", file.display())));
    }
    findings
}

/// What the files of this installation set. The last one that names a setting counts.
fn set_by(env: &Env) -> Vec<Given> {
    let chosen = env.get(FILES).unwrap_or_default().split(':').rev();
    let paths: Vec<PathBuf> = chosen.map(|file| Path::new(FOLDER).join(file)).collect();
    let all = files();
    let texts = paths.iter().filter_map(|path| all.iter().find(|file| Path::new(file.path) == path));
    texts.flat_map(|file| given(&file.text)).collect()
}

/// What to do in the place of a line that has no effect.
fn instead(set: &Given, folder: &Folder, env: &Env) -> String {
    let variable = set.value.strip_prefix("${").map(|rest| {
        let end =
            rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
        &rest[..end]
    });
    let published = ROLES.iter().flat_map(|role| role.ports).find(|port| port.setting == set.key);
    let published = published.filter(|port| port.exposure == Exposure::Public);
    let in_env = |name: &str| format!("set {name} in {}", folder.path(ENV).display());
    let what = match (variable, published) {
        (Some(name), _) if name != "DOMAIN" => Some(in_env(name)),
        (_, Some(port)) => Some(in_env(&port_variable(port.name)) + ", the port that clients use"),
        _ if set.value.starts_with("/certificates/") => {
            Some(format!("put the file into {}", certificates::folder(folder, env).display()))
        }
        _ if set.value.contains("${DOMAIN") => Some("it follows from the mail domain".to_owned()),
        _ => None,
    };
    what.map_or("take the line out".to_owned(), |what| format!("take the line out; {what}"))
}

/// The value of a variable, or what counts when it is not set.
fn default_of<'a>(env: &'a Env, name: &str) -> &'a str {
    let default = || Variable::named(name).and_then(|variable| variable.default.as_deref());
    env.get(name).or_else(default).unwrap_or_default()
}

/// The names that a file sets, each with its line; none of a file that is not there.
fn keys(file: &Path) -> Vec<(usize, String)> {
    let text = fs_err::read_to_string(file).unwrap_or_default();
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.starts_with('#'));
    let keys = lines.filter_map(|(at, line)| {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (key, _) = line.split_once('=')?;
        Some((at + 1, key.trim().to_owned()))
    });
    keys.collect()
}
