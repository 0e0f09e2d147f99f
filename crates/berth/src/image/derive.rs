//! `berth image derive`: a published application image, with `berth-init` as its entrypoint and health check. Needs no
//! toolchain, only docker. The image's own user, folders and files stay as they are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use berth_catalogue::ROLES;
use berth_engine::compose::{Line, time};
use berth_render::dockerfile::DERIVED;
use berth_report::{Code, Problem};
use fs_err as fs;
use serde::Deserialize;

use super::Derive;
use super::contents::{Contents, DATA, User};
use super::docker;
use crate::{places, stdout};

/// A published image, as far as `docker image inspect` is asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Published {
    os: String,
    architecture: String,
    #[serde(default)]
    created: String,
    repo_digests: Option<Vec<String>>,
    config: Runs,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Runs {
    user: String,
    working_dir: String,
    env: Option<Vec<String>>,
}

pub fn run(asked: &Derive) -> anyhow::Result<ExitCode> {
    let (init, architecture) = places::static_init(asked.init.as_deref())?;
    let platform = asked.platform.clone().unwrap_or_else(|| format!("linux/{architecture}"));
    if platform.split('/').nth(1) != Some(architecture) {
        let message =
            format!("{} is for {architecture}, and the image is to be for {platform}", init.display());
        return Err(Problem::new(Code::Usage, message).hint("name another with --init PATH").into());
    }
    let published = inspected(&asked.from, &platform)?;
    let digest = digest(&asked.from, published.repo_digests.as_deref().unwrap_or_default());
    for line in review(&asked.from, &published, &platform)? {
        eprintln!("{line}");
    }
    let folder = tempfile::tempdir().context("cannot make a folder for the build")?;
    let tag = asked.tag.clone().unwrap_or_else(|| default_tag(&asked.from));
    let line = build(&asked.from, digest.as_deref(), &tag, &platform, &asked.rest, folder.path());
    let licences = licences(&init);
    if !licences.is_file() {
        eprintln!(
            "note: whoever gets this image from you is to get the licences of what is in berth-init, too, and {} is not there: \
             a release has it, and cargo xtask build-image makes it",
            licences.display()
        );
    }
    if asked.dry_run {
        let told = line.to_string().replace(&folder.path().display().to_string(), "FOLDER");
        stdout::print(&format!("{told}\n\n# FOLDER/Dockerfile\n{DERIVED}"));
        return Ok(ExitCode::SUCCESS);
    }
    context(folder.path(), &init, &licences)?;
    // The same image and the same berth-init make the same image again: its time is that of what it is made from.
    let epoch = epoch(&published.created).map(|seconds| ("SOURCE_DATE_EPOCH", seconds.to_string()));
    docker::show(&line, epoch.as_slice())?;
    eprintln!("{tag} is made; look into it with `berth image check {tag}`");
    Ok(ExitCode::SUCCESS)
}

/// What the engine says of the image, which is fetched if it is not there.
fn inspected(name: &str, platform: &str) -> anyhow::Result<Published> {
    let inspect = Line::docker(["image", "inspect", "--format", "{{json .}}", name]);
    let text = if let Ok(text) = docker::ask(&inspect)? {
        text
    } else {
        docker::show(&Line::docker(["pull", "--platform", platform, name]), &[])?;
        docker::answer(&inspect)?
    };
    serde_json::from_str(&text).with_context(|| format!("cannot read what `{inspect}` says"))
}

/// What a person should know of the image; refuses one that cannot become ours.
fn review(name: &str, published: &Published, platform: &str) -> anyhow::Result<Vec<String>> {
    let found = format!("{}/{}", published.os, published.architecture);
    if !platform.starts_with(&found) {
        let message = format!("{name} is for {found}, and the berth-init for {platform}");
        return Err(Problem::new(Code::CannotRun, message).hint("name another with --init PATH").into());
    }
    let files = contents(name, platform)?;
    let Runs { user: runs_as, working_dir, env } = &published.config;
    let user = files.user(runs_as).ok_or_else(|| {
        let message = format!("{name} runs as {runs_as}, and its /etc/passwd has no such user");
        Problem::new(Code::CannotRun, message).hint("tell whoever published it")
    })?;
    // berth-init looks there, in this order.
    let folders_of_app = BTreeSet::from(["/app", working_dir.as_str()]);
    let has = |place: &&&str| files.roles(place, ROLES).len();
    let app = folders_of_app.iter().max_by_key(has).copied().unwrap_or("/app");
    let roles = files.roles(app, ROLES);
    if roles.is_empty() {
        let looked = folders_of_app.into_iter().filter(|place| !place.is_empty()).collect::<Vec<_>>();
        let message = format!("{name} has the entrypoint of no role in {}", looked.join(" or "));
        return Err(Problem::new(Code::NotFound, message).hint("is it the application's image?").into());
    }
    let path = env.iter().flatten().find_map(|pair| pair.strip_prefix("PATH=")).unwrap_or_default();
    let node = files.on_path(path, "node").ok_or_else(|| {
        Problem::new(Code::NotFound, format!("{name} has no node on its PATH, {path}"))
            .hint("is it the application's image?")
    })?;
    let names: Vec<_> = roles.iter().map(|role| role.name).collect();
    let mut told = vec![
        format!("{name} has in {app}: {}", names.join(", ")),
        format!("it runs {node} as {}", who(&user)),
    ];
    told.extend(folders(&files, &user));
    Ok(told)
}

/// Its files, by way of a container that is made and never started.
fn contents(name: &str, platform: &str) -> anyhow::Result<Contents> {
    // An image need not say what runs in it, but `create` wants to know.
    let container = docker::answer(&Line::docker(["create", "--platform", platform, name, "true"]))?;
    let names: Vec<_> = ROLES.iter().map(|role| role.entrypoint).chain(["node"]).collect();
    let export = Line::docker(["export", &container]);
    let contents = docker::read(&export, |archive| Contents::read(archive, &names));
    let removed = docker::answer(&Line::docker(["rm", "--force", "--volumes", &container]));
    let contents = contents?;
    removed.map(|_| contents)
}

fn who(user: &User) -> String {
    let id = user.id.to_string();
    if user.name == id { format!("user {id}") } else { format!("user {} ({id})", user.name) }
}

/// Whether the application will be able to keep anything.
fn folders(contents: &Contents, user: &User) -> Vec<String> {
    let mut told = Vec::new();
    if user.id == 0 {
        told.push("warning: everything in it runs as root".to_owned());
    }
    let folders = contents.data_folders(user);
    if folders.is_empty() {
        told.push(format!("note: it has no {DATA}, where the application keeps mailboxes"));
    }
    for (folder, is_writable) in folders {
        told.push(if is_writable {
            format!("{} may write into {folder}", who(user))
        } else {
            let id = user.id;
            format!(
                "note: {} may not write into {folder} ({}); what is mounted there has to be of {id}: chown {id} it",
                who(user),
                contents.owner(&folder)
            )
        });
    }
    told
}

/// The digest of a published image: the one in its reference, or the one that the engine has for its name.
fn digest(name: &str, digests: &[String]) -> Option<String> {
    let repository = without_tag(name);
    let of_name = |reference: &String| {
        let (its, digest) = reference.split_once('@')?;
        (its == repository).then(|| digest.to_owned())
    };
    let given = name.split_once('@').map(|(_, digest)| digest.to_owned());
    given.or_else(|| digests.iter().find_map(of_name))
}

/// A reference without digest and tag. A colon before the last slash is that of a port.
fn without_tag(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    match name.rsplit_once(':') {
        Some((before, after)) if !after.contains('/') => before,
        _ => name,
    }
}

/// `berth/NAME:TAG` for `…/NAME:TAG`.
pub fn default_tag(name: &str) -> String {
    let repository = without_tag(name);
    let last = repository.rsplit('/').next().unwrap_or(repository);
    let name = name.split('@').next().unwrap_or(name);
    let tag = name.strip_prefix(repository).and_then(|rest| rest.strip_prefix(':'));
    format!("berth/{last}:{}", tag.unwrap_or("dev"))
}

/// The build. It takes the image by the name that was given: an engine finds one that was made there by no digest.
fn build(
    from: &str,
    digest: Option<&str>,
    tag: &str,
    platform: &str,
    rest: &[String],
    folder: &Path,
) -> Line {
    let mut words: Vec<String> =
        ["build", "--provenance=false", "--platform", platform, "--tag", tag].map(str::to_owned).into();
    words.extend(["--build-arg".to_owned(), format!("FROM={from}")]);
    let mut label = |name: &str, value: &str| words.extend(["--label".to_owned(), format!("{name}={value}")]);
    label("berth.version", env!("CARGO_PKG_VERSION"));
    label("org.opencontainers.image.base.name", from.split('@').next().unwrap_or(from));
    if let Some(digest) = digest {
        label("org.opencontainers.image.base.digest", digest);
    }
    if rest.is_empty() {
        words.push("--load".to_owned());
    }
    words.extend(rest.iter().cloned());
    words.push(folder.display().to_string());
    Line::docker(words)
}

/// Where the licences of the crates in berth-init are: beside it, where they are published and built.
fn licences(init: &Path) -> PathBuf {
    init.with_added_extension("licenses")
}

/// What the build takes: the Dockerfile, berth-init with a link to it for each role, and its licences if they are there.
fn context(folder: &Path, init: &Path, licences: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let (programs, texts) = (folder.join("berth"), folder.join("licenses"));
    for folder in [&programs, &texts] {
        fs::create_dir_all(folder)?;
    }
    fs::write(folder.join("Dockerfile"), DERIVED)?;
    let put = |from: &Path, place: &Path, mode: u32| {
        fs::copy(from, place)?;
        fs::set_permissions(place, std::fs::Permissions::from_mode(mode))
    };
    put(init, &programs.join("berth-init"), 0o755)?;
    if licences.is_file() {
        put(licences, &texts.join("crates"), 0o644)?;
    }
    for role in ROLES {
        fs::os::unix::fs::symlink("berth-init", programs.join(role.name))?;
    }
    Ok(())
}

/// A time as Docker writes it, in seconds since 1970.
fn epoch(created: &str) -> Option<u64> {
    Some(time(created)?.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_very_name() {
        let known = ["other@sha256:1".to_owned(), "host:5000/mail@sha256:2".to_owned()];
        let found = |name: &str| digest(name, &known);
        assert_eq!(found("host:5000/mail:v1").as_deref(), Some("sha256:2"));
        assert_eq!(found("host:5000/mail").as_deref(), Some("sha256:2"));
        assert_eq!(found("mail@sha256:3").as_deref(), Some("sha256:3"));
        assert_eq!(found("mail:v1"), None);
    }

    #[test]
    fn the_new_image_is_called_like_the_published_one() {
        assert_eq!(default_tag("ghcr.io/owner/mail-selfhosted:v1.2.3"), "berth/mail-selfhosted:v1.2.3");
        assert_eq!(default_tag("host:5000/mail@sha256:3"), "berth/mail:dev");
    }

    #[test]
    fn the_build_says_what_it_is_made_from() {
        let line = build("mail:v1", Some("sha256:2"), "berth/mail:dev", "linux/amd64", &[], Path::new("/x"));
        assert_eq!(
            line.to_string(),
            format!(
                "docker build --provenance=false --platform linux/amd64 --tag berth/mail:dev --build-arg FROM=mail:v1 \
                 --label berth.version={} --label org.opencontainers.image.base.name=mail:v1 \
                 --label org.opencontainers.image.base.digest=sha256:2 --load /x",
                env!("CARGO_PKG_VERSION")
            )
        );
    }
}
