//! The secrets as containers get them: a file each. Compose keeps a file's mode, and a container's user is another one:
//! readable by all, in a folder that only its owner may enter.

use std::path::PathBuf;

use anyhow::anyhow;
use berth_engine::Folder;
use berth_engine::compose::PLACE;
use berth_render::compose::{Made, SECRETS, Secret};
use berth_report::{Code, Problem};

use super::overlays::{Overlays, STORES_ELSEWHERE};
use crate::problem;
use crate::secrets::{Kept, value};

const FOLDER: &str = "secrets";
const FOLDER_MODE: u32 = 0o700;
const MODE: u32 = 0o444;

/// Whether an installation of these files needs this secret.
pub fn is_needed(overlays: &Overlays, secret: &Secret) -> bool {
    secret.overlay.is_none_or(|file| overlays.has(file.trim_end_matches(".yaml")))
}

/// Whether this secret comes from its owner, because what it opens is not ours.
fn is_given(overlays: &Overlays, secret: &Secret) -> bool {
    let of_a_store = matches!(secret.made, Made::Documents(_)) || secret.name == "REDIS_PASSWORD";
    overlays.has(STORES_ELSEWHERE) && of_a_store
}

/// Whether this secret is made here.
pub fn is_made(overlays: &Overlays, secret: &Secret) -> bool {
    is_needed(overlays, secret) && !is_given(overlays, secret)
}

/// What its owner has to give and has not, told at once.
pub fn check(folder: &Folder, overlays: &Overlays, kept: &Kept) -> anyhow::Result<()> {
    let missing =
        SECRETS.iter().filter(|secret| is_given(overlays, secret) && !kept.contains_key(secret.name));
    let missing: Vec<String> = missing.map(|secret| format!("{}: {}", secret.name, secret.meaning)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let problem = Problem::new(Code::Settings, "the stores elsewhere are not named yet");
    let problem = problem.because(anyhow!(missing.join("\n         ")));
    let file = folder.path(crate::secrets::FILE);
    Err(problem.hint(format!("write NAME=value for each into {}", file.display())).into())
}

/// Writes a file for each; one that holds the same already is left as it is.
pub fn write(folder: &Folder, overlays: &Overlays, kept: &Kept) -> anyhow::Result<()> {
    folder.make(&place(""), FOLDER_MODE).map_err(problem::of_folder)?;
    for secret in SECRETS.iter().filter(|secret| is_needed(overlays, secret)) {
        // What no service is given has no value here.
        if let Some(value) = value(kept, secret) {
            folder.keep(&place(secret.name), value.as_bytes(), MODE).map_err(problem::of_folder)?;
        }
    }
    Ok(())
}

/// Where a secret is, in the state folder.
pub fn place(name: &str) -> PathBuf {
    [PLACE, FOLDER, name].iter().filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn chosen(names: &[&str]) -> Overlays {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        Overlays::choose(&names, None).unwrap()
    }

    #[test]
    fn files_are_readable_in_a_folder_that_is_not_and_a_second_run_leaves_them() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path()).unwrap();
        let overlays = chosen(&[]);
        let complete = || {
            let kept = crate::secrets::kept(&folder).unwrap();
            let kept = crate::secrets::complete(&folder, kept, "a.test", |secret| is_made(&overlays, secret))
                .unwrap();
            write(&folder, &overlays, &kept).unwrap();
            kept
        };
        let kept = complete();
        let path = |name: &str| folder.path("").join(place(name));
        let mode = |name: &str| path(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(""), mode("MONGO_URI")), (0o700, 0o444));
        let read = |name: &str| fs_err::read_to_string(path(name)).unwrap();
        assert!(read("MONGO_URI").contains(&kept["MONGO_PASSWORD"]));
        assert!(!path("FERRETDB_POSTGRESQL_URL").exists(), "that overlay was not chosen");
        let (before, at) =
            (read("REDIS_PASSWORD"), path("REDIS_PASSWORD").metadata().unwrap().modified().unwrap());
        assert_eq!(complete(), kept);
        assert_eq!(
            (read("REDIS_PASSWORD"), path("REDIS_PASSWORD").metadata().unwrap().modified().unwrap()),
            (before, at)
        );
    }

    #[test]
    fn stores_elsewhere_have_to_be_named_all_at_once() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path()).unwrap();
        let overlays = chosen(&[STORES_ELSEWHERE]);
        let told = berth_report::tell(&check(&folder, &overlays, &Kept::new()).unwrap_err());
        for name in ["MONGO_URI", "EMAILS_MONGO_URI", "REDIS_PASSWORD"] {
            assert!(told.contains(name), "{told}");
        }
        assert!(told.contains("settings.env"), "{told}");
        assert!(check(&folder, &chosen(&[]), &Kept::new()).is_ok());
        let kept =
            crate::secrets::complete(&folder, Kept::new(), "a.test", |secret| is_made(&overlays, secret))
                .unwrap();
        assert!(!kept.contains_key("REDIS_PASSWORD"), "a password of our own would open nothing");
    }
}
