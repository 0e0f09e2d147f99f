//! What a finished image must not have.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::archive::Image;
use super::elf::machine;
use super::layer::{File, Kind, Program, merged};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub rule: Rule,
    /// Where: a path of the container, or empty.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

/// A rule. The order is the one in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Its containers run as root.
    Root,
    /// A program that gives whoever calls it another user's rights.
    Setuid,
    /// A folder into which every user may write, and delete what others wrote.
    WorldWritable,
    /// The history of the source.
    Git,
    /// A package that only those need who work on the application.
    DevDependency,
    /// What a package manager keeps for the next time.
    PackageCache,
    /// A program or library that the image's platform cannot run.
    Platform,
    /// The settings of an installation, with its secrets.
    Settings,
}

impl Rule {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Setuid => "setuid",
            Self::WorldWritable => "world-writable",
            Self::Git => "git",
            Self::DevDependency => "dev-dependency",
            Self::PackageCache => "package-cache",
            Self::Platform => "platform",
            Self::Settings => "settings",
        }
    }
}

/// Folders for everybody's temporary files, which nobody may delete but their owner (FHS 3.0: 3.18, 5.15, 3.15).
const TEMPORARY: [&str; 4] = ["tmp", "var/tmp", "run/lock", "dev/shm"];

/// Folders that package managers fill, wherever in the path they are.
const CACHES: [&str; 12] = [
    "root/.npm",
    "root/.cache",
    "root/.node-gyp",
    "root/.local/share/pnpm",
    "root/.yarn",
    "pnpm/store",
    "usr/local/share/.cache",
    "var/cache/apt/archives",
    "var/lib/apt/lists",
    "node_modules/.cache",
    ".pnpm-store",
    ".yarn/cache",
];

/// All that is wrong with an image.
pub fn findings(image: &Image) -> anyhow::Result<Vec<Finding>> {
    let seen = merged(&image.layers);
    let mut findings = Vec::new();
    findings.extend(root(&image.configuration.config.user));
    findings.extend(setuid(&seen));
    findings.extend(world_writable(&seen));
    findings.extend(dev_dependencies(&seen, &application(image)));
    findings.extend(platform(&seen, machine(&image.configuration.architecture)?));
    for layer in &image.layers {
        // What a later layer deletes is sent and stored all the same.
        findings.extend(git(&layer.files));
        findings.extend(caches(&layer.files));
        findings.extend(settings(&layer.files, &application(image)));
    }
    findings.sort();
    findings.dedup();
    Ok(findings)
}

/// Where the application is, as a path without its slash.
fn application(image: &Image) -> String {
    image.configuration.config.working_dir.trim_matches('/').to_owned()
}

/// A path in a folder; the folder may be the root.
fn within(folder: &str, rest: &str) -> String {
    if folder.is_empty() { rest.to_owned() } else { format!("{folder}/{rest}") }
}

fn finding(rule: Rule, path: &str, message: impl Into<String>) -> Finding {
    let path = if path.is_empty() { String::new() } else { format!("/{path}") };
    Finding { rule, path, message: message.into() }
}

fn root(user: &str) -> Option<Finding> {
    let name = user.split(':').next().unwrap_or_default();
    let is_root = matches!(name, "" | "0" | "root");
    is_root.then(|| finding(Rule::Root, "", "its containers run as root: USER names nobody else"))
}

fn setuid<'a>(seen: &'a BTreeMap<&str, &File>) -> impl Iterator<Item = Finding> + 'a {
    let files = seen.iter().filter(|(_, file)| file.kind == Kind::File);
    files.filter(|(_, file)| file.mode & 0o6000 != 0).map(|(path, file)| {
        let which = if file.mode & 0o4000 == 0 { "setgid" } else { "setuid" };
        finding(
            Rule::Setuid,
            path,
            format!("{which}, mode {:04o}, of {}:{}", file.mode, file.user, file.group),
        )
    })
}

fn world_writable<'a>(seen: &'a BTreeMap<&str, &File>) -> impl Iterator<Item = Finding> + 'a {
    let folders = seen.iter().filter(|(_, file)| file.kind == Kind::Folder && file.mode & 0o002 != 0);
    let bad = folders.filter(|(path, file)| file.mode & 0o1000 == 0 || !TEMPORARY.contains(path));
    bad.map(|(path, file)| {
        finding(Rule::WorldWritable, path, format!("every user may write into it, mode {:04o}", file.mode))
    })
}

fn git(files: &BTreeMap<String, File>) -> impl Iterator<Item = Finding> {
    grouped(files, |path| {
        let start = format!("/{path}").find("/.git/")?;
        Some(path[..start + ".git".len()].to_owned())
    })
    .map(|(folder, count, size)| {
        finding(Rule::Git, &folder, format!("the history of the source, {}", content(count, size)))
    })
}

fn caches(files: &BTreeMap<String, File>) -> impl Iterator<Item = Finding> {
    let cache = |path: &str| {
        let path = format!("/{path}");
        CACHES.iter().find_map(|cache| {
            let start = path.find(&format!("/{cache}/"))?;
            // apt leaves the lock of its empty folders.
            (!path.ends_with("/lock")).then(|| path[1..=start + cache.len()].to_owned())
        })
    };
    grouped(files, cache).map(|(folder, count, size)| {
        finding(Rule::PackageCache, &folder, format!("kept by a package manager, {}", content(count, size)))
    })
}

/// The application reads `.env` in its folder, and it wins over the defaults that belong in an image.
fn settings(files: &BTreeMap<String, File>, application: &str) -> Option<Finding> {
    let path = within(application, ".env");
    files
        .contains_key(&path)
        .then(|| finding(Rule::Settings, &path, "settings of an installation, with its secrets"))
}

/// Files by the folder that `group` gives for them: how many there are, and how large.
fn grouped(
    files: &BTreeMap<String, File>,
    group: impl Fn(&str) -> Option<String>,
) -> impl Iterator<Item = (String, u64, u64)> {
    let mut groups: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (path, file) in files.iter().filter(|(_, file)| file.kind == Kind::File) {
        if let Some(folder) = group(path) {
            let (count, size) = groups.entry(folder).or_default();
            *count += 1;
            *size += file.size;
        }
    }
    groups.into_iter().map(|(folder, (count, size))| (folder, count, size))
}

fn content(files: u64, size: u64) -> String {
    let tenths = size / 100_000;
    let plural = if files == 1 { "" } else { "s" };
    format!("{files} file{plural}, {}.{} MB", tenths / 10, tenths % 10)
}

fn platform<'a>(seen: &'a BTreeMap<&str, &File>, machine: u16) -> impl Iterator<Item = Finding> + 'a {
    seen.iter().filter_map(move |(path, file)| {
        let of = match file.program? {
            Program::Elf(other) if other == machine => return None,
            Program::Elf(62) => "for amd64".to_owned(),
            Program::Elf(183) => "for arm64".to_owned(),
            Program::Elf(other) => format!("for machine {other} of elf.h"),
            Program::Windows => "for Windows".to_owned(),
            Program::MacOs => "for macOS".to_owned(),
        };
        Some(finding(Rule::Platform, path, format!("a program or library {of}")))
    })
}

/// The packages that the application's package.json has under `devDependencies`, and that nothing which it needs to run
/// needs in turn.
fn dev_dependencies(seen: &BTreeMap<&str, &File>, application: &str) -> Vec<Finding> {
    let Some(root) = manifest(seen, &within(application, "package.json")) else { return Vec::new() };
    let modules = within(application, "node_modules/");
    let mut installed: BTreeMap<String, (Vec<String>, String)> = BTreeMap::new();
    for (path, file) in
        seen.iter().filter(|(path, file)| path.starts_with(&modules) && file.manifest.is_some())
    {
        let Some(folder) = path.strip_suffix("/package.json") else { continue };
        let Some(name) = package(folder) else { continue };
        let needs = file.manifest.as_deref().and_then(|text| serde_json::from_slice::<Value>(text).ok());
        let needs = needs.map(|manifest| names(&manifest, &NEEDS)).unwrap_or_default();
        let (all, _) = installed.entry(name.to_owned()).or_insert_with(|| (Vec::new(), folder.to_owned()));
        all.extend(needs);
    }
    let mut needed = BTreeSet::new();
    let mut next = names(&root, &NEEDS);
    while let Some(name) = next.pop() {
        if let Some((needs, _)) = installed.get(&name).filter(|_| !needed.contains(&name)) {
            next.extend(needs.iter().cloned());
        }
        needed.insert(name);
    }
    let unneeded = names(&root, &["devDependencies"]).into_iter().filter(|name| !needed.contains(name));
    let shipped = unneeded.filter_map(|name| installed.get(&name).map(|(_, folder)| (name, folder.clone())));
    let told = |(name, folder): (String, String)| {
        finding(Rule::DevDependency, &folder, format!("{name} is for those who work on the application"))
    };
    shipped.map(told).collect()
}

const NEEDS: [&str; 3] = ["dependencies", "optionalDependencies", "peerDependencies"];

fn manifest(seen: &BTreeMap<&str, &File>, path: &str) -> Option<Value> {
    serde_json::from_slice(seen.get(path)?.manifest.as_deref()?).ok()
}

fn names(manifest: &Value, groups: &[&str]) -> Vec<String> {
    let groups = groups.iter().filter_map(|group| manifest[group].as_object());
    let names = groups.flat_map(|group| group.keys());
    // Nobody installs what a package would only like to find.
    names.filter(|name| manifest["peerDependenciesMeta"][name]["optional"] != true).cloned().collect()
}

/// The name of the package that is installed in a folder, if one is: what is behind the last `node_modules`.
fn package(folder: &str) -> Option<&str> {
    let start = folder.rfind("node_modules/")? + "node_modules/".len();
    let name = &folder[start..];
    let parts = name.split('/').count();
    (parts == 1 || parts == 2 && name.starts_with('@')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::archive::Configuration;
    use crate::image::layer::Layer;

    fn file(kind: Kind, mode: u32) -> File {
        File { kind, mode, user: 0, group: 0, size: 1, program: None, manifest: None }
    }

    fn package(text: &str) -> File {
        File { manifest: Some(text.into()), ..file(Kind::File, 0o644) }
    }

    fn program(program: Program) -> File {
        File { program: Some(program), ..file(Kind::File, 0o755) }
    }

    fn image(user: &str, layers: Vec<Vec<(&str, File)>>) -> Image {
        let configuration = serde_json::json!({
            "architecture": "amd64", "os": "linux", "config": { "User": user, "WorkingDir": "/app" }
        });
        let configuration: Configuration = serde_json::from_value(configuration).unwrap();
        let layer = |files: Vec<(&str, File)>| Layer {
            files: files.into_iter().map(|(path, file)| (path.to_owned(), file)).collect(),
            ..Layer::default()
        };
        Image { configuration, layers: layers.into_iter().map(layer).collect() }
    }

    fn told(user: &str, layers: Vec<Vec<(&str, File)>>) -> Vec<String> {
        let findings = findings(&image(user, layers)).unwrap();
        findings.into_iter().map(|one| format!("{} {}", one.rule.word(), one.path)).collect()
    }

    #[test]
    fn a_good_image_has_no_finding() {
        let good = vec![
            ("app/package.json", package(r#"{"dependencies":{"a":"1"},"devDependencies":{"b":"1"}}"#)),
            ("app/node_modules/a/package.json", package(r#"{"dependencies":{"b":"1"}}"#)),
            ("app/node_modules/.pnpm/b@1/node_modules/b/package.json", package("{}")),
            ("app/node_modules/a/a.node", program(Program::Elf(62))),
            ("tmp", file(Kind::Folder, 0o1777)),
            ("var/lib/apt/lists/lock", file(Kind::File, 0o640)),
            ("app/.gitignore", file(Kind::File, 0o644)),
        ];
        assert_eq!(told("10001:10001", vec![good]), Vec::<String>::new());
    }

    #[test]
    fn each_rule_is_red_on_what_it_is_about() {
        assert_eq!(told("", vec![]), ["root "]);
        assert_eq!(told("0:0", vec![]), ["root "]);
        for (path, bad, expected) in [
            ("usr/bin/su", file(Kind::File, 0o4755), "setuid /usr/bin/su"),
            ("usr/bin/wall", file(Kind::File, 0o2755), "setuid /usr/bin/wall"),
            ("srv", file(Kind::Folder, 0o777), "world-writable /srv"),
            ("srv", file(Kind::Folder, 0o1777), "world-writable /srv"),
            ("tmp", file(Kind::Folder, 0o777), "world-writable /tmp"),
            ("app/.git/config", file(Kind::File, 0o644), "git /app/.git"),
            ("root/.npm/_cacache/x", file(Kind::File, 0o644), "package-cache /root/.npm"),
            ("app/node_modules/.cache/x", file(Kind::File, 0o644), "package-cache /app/node_modules/.cache"),
            ("app/a.node", program(Program::Elf(183)), "platform /app/a.node"),
            ("app/a.node", program(Program::MacOs), "platform /app/a.node"),
            ("app/.env", file(Kind::File, 0o600), "settings /app/.env"),
        ] {
            assert_eq!(told("1", vec![vec![(path, bad)]]), [expected], "{path}");
        }
    }

    #[test]
    fn a_development_package_is_found_in_either_layout_of_node_modules() {
        for folder in ["app/node_modules/b", "app/node_modules/.pnpm/b@1.0.0/node_modules/b"] {
            let path = format!("{folder}/package.json");
            let files = vec![
                ("app/package.json", package(r#"{"dependencies":{"a":"1"},"devDependencies":{"b":"1"}}"#)),
                ("app/node_modules/a/package.json", package("{}")),
                (path.as_str(), package("{}")),
            ];
            assert_eq!(told("1", vec![files]), [format!("dev-dependency /{folder}")]);
        }
    }

    #[test]
    fn what_a_later_layer_hides_counts_where_it_is_sent_all_the_same() {
        let below =
            vec![("app/.git/config", file(Kind::File, 0o644)), ("usr/bin/su", file(Kind::File, 0o4755))];
        let above = vec![("app/.git", file(Kind::Other, 0)), ("usr/bin/su", file(Kind::File, 0o755))];
        assert_eq!(told("1", vec![below, above]), ["git /app/.git"]);
    }
}
