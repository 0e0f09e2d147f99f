//! What of a published image decides how it is made into ours: read from a container of it that never runs.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::Context;
use berth_role::Role;

/// Files of these names are read.
const READ: [&str; 2] = ["etc/passwd", "etc/group"];

/// Where the application keeps what is to stay.
pub const DATA: &str = "/mnt";

/// What was looked for in the image's files.
#[derive(Debug, Default)]
pub struct Contents {
    texts: BTreeMap<String, String>,
    /// Folders up to the third level: owner, group, mode.
    folders: BTreeMap<String, (u64, u64, u32)>,
    /// Paths of files that may be entrypoints or programs.
    files: Vec<String>,
}

/// Whom an image's containers run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// As the image names it.
    pub name: String,
    pub id: u64,
    pub groups: Vec<u64>,
}

impl Contents {
    /// Reads what `docker export` writes. `names` are those of files that are looked for.
    pub fn read(archive: &mut dyn Read, names: &[&str]) -> anyhow::Result<Self> {
        let mut contents = Self::default();
        let mut archive = tar::Archive::new(archive);
        for entry in archive.entries().context("docker export wrote no archive")? {
            let mut entry = entry.context("the archive of docker export is cut short")?;
            let path = entry.path()?.to_string_lossy().trim_start_matches("./").trim_matches('/').to_owned();
            let header = entry.header();
            if header.entry_type().is_dir() {
                if path.matches('/').count() < 3 {
                    let owner = (header.uid()?, header.gid()?, header.mode()? & 0o7777);
                    contents.folders.insert(format!("/{path}"), owner);
                }
            } else if READ.contains(&path.as_str()) {
                let mut text = String::new();
                entry.read_to_string(&mut text)?;
                contents.texts.insert(path, text);
            } else if names.iter().any(|name| path.rsplit('/').next() == Some(name)) {
                contents.files.push(format!("/{path}"));
            }
        }
        Ok(contents)
    }

    /// The user that an image names: `name`, `id`, `name:group`, or nothing, which is root.
    pub fn user(&self, named: &str) -> Option<User> {
        let name = if named.is_empty() { "root" } else { named };
        let (user, group) = name.split_once(':').map_or((name, None), |(user, group)| (user, Some(group)));
        let fields = self.line("etc/passwd", |fields| fields[0] == user || fields.get(2) == Some(&user));
        let number = |text: &str| text.parse::<u64>().ok();
        let id = fields.as_ref().and_then(|fields| number(fields.get(2)?)).or_else(|| number(user))?;
        let own = fields.as_ref().and_then(|fields| number(fields.get(3)?));
        let main = match group {
            Some(group) => number(group).or_else(|| {
                let fields = self.line("etc/group", |fields| fields[0] == group)?;
                number(fields.get(2)?)
            })?,
            None => own.unwrap_or(0),
        };
        let mut groups = vec![main];
        if let Some(fields) = &fields {
            // Docker takes these along, unless a group was named.
            groups.extend(self.groups_of(fields[0]).filter(|_| group.is_none()));
        }
        Some(User { name: user.to_owned(), id, groups })
    }

    fn groups_of(&self, user: &str) -> impl Iterator<Item = u64> {
        let lines = self.texts.get("etc/group").into_iter().flat_map(|text| text.lines());
        let fields = lines.map(|line| line.split(':').collect::<Vec<_>>());
        fields.filter_map(move |fields| {
            let is_member = fields.get(3)?.split(',').any(|member| member == user);
            fields.get(2).filter(|_| is_member)?.parse().ok()
        })
    }

    fn line<'a>(&'a self, file: &str, is_it: impl Fn(&[&str]) -> bool) -> Option<Vec<&'a str>> {
        let lines = self.texts.get(file)?.lines().map(|line| line.split(':').collect::<Vec<_>>());
        lines.into_iter().find(|fields| is_it(fields))
    }

    /// The roles whose entrypoints are in a folder.
    pub fn roles<'a>(&self, folder: &str, roles: &[&'a Role]) -> Vec<&'a Role> {
        let has = |role: &&&Role| {
            self.files.contains(&format!("{}/{}", folder.trim_end_matches('/'), role.entrypoint))
        };
        roles.iter().filter(has).copied().collect()
    }

    /// The first folder of a PATH that has this program.
    pub fn on_path(&self, path: &str, program: &str) -> Option<String> {
        let found = path.split(':').map(|folder| format!("{folder}/{program}"));
        found.into_iter().find(|file| self.files.contains(file))
    }

    /// The folders in which the application keeps what is to stay, and whether a user may write into each.
    pub fn data_folders(&self, user: &User) -> Vec<(String, bool)> {
        let below = format!("{DATA}/");
        let folders = self.folders.iter().filter(|(path, _)| *path == DATA || path.starts_with(&below));
        folders.map(|(path, owner)| (path.clone(), may_write(*owner, user))).collect()
    }

    /// Owner, group and mode of a folder, as `ls` tells them.
    pub fn owner(&self, folder: &str) -> String {
        let owner = self.folders.get(folder);
        owner.map_or("nobody's".to_owned(), |(user, group, mode)| {
            format!("of {user}:{group}, mode {mode:04o}")
        })
    }
}

/// Whether a user may make files in a folder (path_resolution(7): the first class that fits decides).
fn may_write((owner, group, mode): (u64, u64, u32), user: &User) -> bool {
    let bits = if user.id == owner {
        mode >> 6
    } else if user.groups.contains(&group) {
        mode >> 3
    } else {
        mode
    };
    user.id == 0 || bits & 0o3 == 0o3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents() -> Contents {
        let texts = [
            ("etc/passwd", "root:x:0:0::/root:/bin/sh\nmail:x:997:996::/app:/bin/sh\n"),
            ("etc/group", "root:x:0:\nmail:x:996:\nkeys:x:50:someone,mail\n"),
        ];
        Contents {
            texts: texts.map(|(path, text)| (path.to_owned(), text.to_owned())).into(),
            folders: [("/mnt", (0, 0, 0o755)), ("/mnt/a", (997, 996, 0o700)), ("/mnt/b", (0, 50, 0o770))]
                .map(|(path, owner)| (path.to_owned(), owner))
                .into(),
            files: vec!["/app/imap.js".to_owned(), "/usr/local/bin/node".to_owned()],
        }
    }

    #[test]
    fn a_user_is_looked_up_by_name_as_docker_does() {
        let user = |named: &str| contents().user(named).map(|user| (user.id, user.groups));
        assert_eq!(user("mail"), Some((997, vec![996, 50])));
        assert_eq!(user("mail:keys"), Some((997, vec![50])));
        assert_eq!(user("997"), Some((997, vec![996, 50])));
        assert_eq!(user("10001:10001"), Some((10001, vec![10001])));
        assert_eq!(user("10001"), Some((10001, vec![0])));
        assert_eq!(user(""), Some((0, vec![0])));
        assert_eq!(user("nobody-there"), None);
    }

    #[test]
    fn a_folder_is_writable_by_the_first_class_that_fits() {
        let contents = contents();
        let user = contents.user("mail").unwrap();
        let told: Vec<_> = contents.data_folders(&user).into_iter().map(|(_, writable)| writable).collect();
        assert_eq!(told, [false, true, true]);
        assert!(!may_write((997, 996, 0o077), &user));
    }

    #[test]
    fn roles_and_programs_are_found_by_their_files() {
        let contents = contents();
        let roles = contents.roles("/app/", berth_catalogue::ROLES);
        assert_eq!(roles.iter().map(|role| role.name).collect::<Vec<_>>(), ["imap"]);
        assert_eq!(contents.on_path("/bin:/usr/local/bin", "node").as_deref(), Some("/usr/local/bin/node"));
    }
}
