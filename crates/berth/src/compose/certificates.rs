//! The certificate and the keys as containers see them: a folder that they have mounted whole, so that a file that is
//! replaced is seen. The authority's key is no part of it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use berth_engine::Folder;
use berth_engine::compose::PLACE;
use berth_report::{Code, Problem};

use super::env::Env;
use crate::certificate::{AUTHORITY, CHAIN, PRIVATE};
use crate::{dkim, problem};

/// The variable that names another folder, which then is its owner's to fill.
const ELSEWHERE: &str = "BERTH_CERTIFICATES";

const FOLDER: &str = "certificates";
/// Keys are readable in there, so others must not get as far as that, whatever the state folder lets them.
const ABOVE_MODE: u32 = 0o700;
const FOLDER_MODE: u32 = 0o755;
const MODE: u32 = 0o444;

/// What is in the folder, and where in the state folder it comes from.
const FILES: [(&str, &str); 4] = [
    ("fullchain.pem", CHAIN),
    ("privkey.pem", PRIVATE),
    ("chain.pem", AUTHORITY),
    ("dkim.pem", dkim::PRIVATE),
];

/// Of these alone it is known whose they are.
const OF_A_CERTIFICATE: [&str; 3] = ["fullchain.pem", "privkey.pem", "chain.pem"];

/// Whose certificate the service shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Of the installation's own authority.
    Ours,
    /// Somebody has put another in its place.
    Others,
}

/// The folder that the services have mounted.
pub fn folder(state: &Folder, env: &Env) -> PathBuf {
    let beside = state.path(PLACE);
    beside.join(env.get(ELSEWHERE).unwrap_or(FOLDER))
}

/// What services read once, at their start.
pub fn inputs(state: &Folder, env: &Env) -> Vec<PathBuf> {
    FILES.map(|(name, _)| folder(state, env).join(name)).into()
}

/// Puts ours into the folder. A certificate that is not of our authority is left alone.
pub fn write(state: &Folder, env: &Env) -> anyhow::Result<Whose> {
    if env.get(ELSEWHERE).is_some() {
        return Ok(Whose::Others);
    }
    let place: PathBuf = [PLACE, FOLDER].iter().collect();
    state.make(Path::new(PLACE), ABOVE_MODE).map_err(problem::of_folder)?;
    state.make(&place, FOLDER_MODE).map_err(problem::of_folder)?;
    let whose = whose(state, env)?;
    for (name, from) in FILES {
        let others = if OF_A_CERTIFICATE.contains(&name) {
            whose == Whose::Others
        } else {
            !may_replace_key(state, there(state, env, name)?.as_deref())?
        };
        if let Some(text) = state.read(from)?.filter(|_| !others) {
            state.keep(&place.join(name), text.as_bytes(), MODE).map_err(problem::of_folder)?;
        }
    }
    Ok(whose)
}

/// Whose the certificate is that the services show. What cannot be read is not taken for ours, and a key without its
/// certificate is not either: whoever puts both there may be at it.
fn whose(state: &Folder, env: &Env) -> anyhow::Result<Whose> {
    let ours = state.read(AUTHORITY)?.unwrap_or_default();
    let is_ours = match there(state, env, "fullchain.pem")? {
        Some(chain) => !ours.is_empty() && chain.trim_ascii_end().ends_with(ours.trim().as_bytes()),
        None => there(state, env, "privkey.pem")?.is_none(),
    };
    Ok(if is_ours { Whose::Ours } else { Whose::Others })
}

/// Whether the key for DKIM that is there, if any, is the one that was made here: another one is its owner's.
fn may_replace_key(state: &Folder, there: Option<&[u8]>) -> anyhow::Result<bool> {
    let Some(there) = there else { return Ok(true) };
    let record = dkim::record(&String::from_utf8_lossy(there)).ok();
    Ok(record.is_some() && record == state.read(dkim::RECORD)?)
}

/// What is in the folder already.
fn there(state: &Folder, env: &Env, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let path = folder(state, env).join(name);
    match fs_err::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let problem = Problem::new(Code::CannotRun, "cannot tell whose certificate the services show");
            Err(problem.because(error).hint("run it as somebody who may read that file").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn state() -> (tempfile::TempDir, Folder) {
        let parent = tempfile::tempdir().unwrap();
        let state = Folder::create(parent.path()).unwrap();
        crate::certificate::ensure(&state, &["a.test".to_owned()]).unwrap();
        dkim::ensure(&state).unwrap();
        (parent, state)
    }

    #[test]
    fn containers_can_read_what_they_need_and_the_authoritys_key_is_not_there() {
        let (_parent, state) = state();
        let env = Env::default();
        assert_eq!(write(&state, &env).unwrap(), Whose::Ours);
        let folder = folder(&state, &env);
        let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.clone()), 0o755);
        let mut names = Vec::new();
        for entry in fs_err::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(path.clone()), 0o444);
            names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
        names.sort();
        assert_eq!(names, ["chain.pem", "dkim.pem", "fullchain.pem", "privkey.pem"]);
        assert_eq!(mode(state.path(PLACE)), 0o700, "others do not get there but by the mount");
    }

    #[test]
    fn a_certificate_of_somebody_else_is_left_alone_and_ours_is_renewed() {
        let (_parent, state) = state();
        let env = Env::default();
        write(&state, &env).unwrap();
        let chain = folder(&state, &env).join("fullchain.pem");
        crate::certificate::ensure(&state, &["b.test".to_owned()]).unwrap();
        let before = fs_err::read_to_string(&chain).unwrap();
        assert_eq!(write(&state, &env).unwrap(), Whose::Ours);
        assert_ne!(fs_err::read_to_string(&chain).unwrap(), before, "ours was made for another name");
        state.keep(&[PLACE, FOLDER, "fullchain.pem"].iter().collect::<PathBuf>(), b"public", MODE).unwrap();
        assert_eq!(write(&state, &env).unwrap(), Whose::Others);
        assert_eq!(fs_err::read_to_string(&chain).unwrap(), "public");
    }

    #[test]
    fn nothing_of_its_owner_is_replaced_while_a_part_of_it_is_away_or_cannot_be_read() {
        let (_parent, state) = state();
        let env = Env::default();
        write(&state, &env).unwrap();
        let at = |name: &str| folder(&state, &env).join(name);
        let put = |name: &str, text: &[u8]| {
            state.keep(&[PLACE, FOLDER, name].iter().collect::<PathBuf>(), text, MODE).unwrap();
        };
        put("dkim.pem", b"of its owner");
        put("privkey.pem", b"of its owner");
        fs_err::remove_file(at("fullchain.pem")).unwrap();
        assert_eq!(write(&state, &env).unwrap(), Whose::Others);
        for name in ["dkim.pem", "privkey.pem"] {
            assert_eq!(fs_err::read(at(name)).unwrap(), b"of its owner", "{name}");
        }
        put("fullchain.pem", b"\xff\xfe");
        assert_eq!(write(&state, &env).unwrap(), Whose::Others);
        fs_err::remove_file(at("fullchain.pem")).unwrap();
        fs_err::create_dir(at("fullchain.pem")).unwrap();
        assert!(write(&state, &env).is_err(), "it cannot be read");
    }
}
