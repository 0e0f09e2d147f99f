//! Real servers for the tests of the document store: FerretDB, which speaks MongoDB's protocol, over PostgreSQL with
//! DocumentDB. Redis is a Debian package among the clients.
//!
//! `.tools/servers` has the program `ferretdb`, a root file system `root` with PostgreSQL (only Debian sid has
//! DocumentDB, and its libraries are newer than a release's), `data`, a fresh database that each test copies, and the
//! script `postgresql` that runs it.

use std::path::Path;
use std::thread;

use anyhow::{Context, Result, anyhow};
use fs_err as fs;

use crate::outcome::Outcome;
use crate::run::{ask, program, run};
use crate::{debian, tools};

/// Where they are, from the root of the clone.
pub const FOLDER: &str = ".tools/servers";

const FERRETDB: &str = "github.com/FerretDB/FerretDB/v2/cmd/ferretdb@v2.7.0";

/// `dash` because initdb wants a shell, `util-linux` for the `setpriv` of the script, `coreutils` for the start of an
/// image that is made of it.
const PACKAGES: &str = "postgresql-18,postgresql-18-documentdb,postgresql-18-cron,dash,util-linux,coreutils";

/// On a socket in the test's folder, and with no more memory than tests need.
const CONFIGURATION: &str = "
shared_preload_libraries = 'pg_cron,pg_documentdb_core,pg_documentdb'
cron.database_name = 'postgres'
cron.use_background_workers = on
documentdb.localhost_connection_string = 'host=/mnt'
listen_addresses = ''
unix_socket_directories = '/mnt'
dynamic_shared_memory_type = mmap
shared_buffers = 32MB
";

/// The tests log in with these.
const ACCOUNT: &str = "\
CREATE EXTENSION documentdb CASCADE;
CREATE ROLE postbox LOGIN SUPERUSER PASSWORD 'of-tests-only';
";

/// Installs what is missing where that is ours to do: as root on Debian, with Go.
pub fn install() -> Result<Outcome> {
    if !debian::is_ours() {
        return Ok(Outcome::Skipped("FerretDB: not root on Debian".to_owned()));
    }
    if ask(program("go").arg("version")).is_none() {
        return Ok(Outcome::Skipped("FerretDB: there is no Go to build it with".to_owned()));
    }
    let stamp = Path::new(FOLDER).join("installed");
    let mut note = "all there";
    tools::once(&stamp, &made_by(), &["xtask/tools/postgresql"], || {
        note = "installed FerretDB and PostgreSQL";
        thread::scope(|scope| {
            let ferretdb = scope.spawn(ferretdb);
            postgresql()?;
            ferretdb.join().map_err(|_| anyhow!("building FerretDB panicked"))?
        })
    })?;
    Ok(Outcome::Ok(note.to_owned()))
}

/// What they are made by; it changes when they do.
pub fn made_by() -> String {
    format!("static {FERRETDB} {PACKAGES}\n{CONFIGURATION}{ACCOUNT}")
}

/// Whether tests can use them.
pub fn are_there() -> bool {
    Path::new(FOLDER).join("installed").exists()
}

fn ferretdb() -> Result<()> {
    tools::go_install("build FerretDB", FERRETDB, Path::new(FOLDER))
}

/// Unpacks the packages without running their scripts, which takes half the time, and does what those would have done
/// that matters here.
fn postgresql() -> Result<()> {
    let folder = Path::new(FOLDER);
    let root = folder.join("root");
    for old in [&root, &folder.join("data")].into_iter().filter(|old| old.exists()) {
        fs::remove_dir_all(old)?;
    }
    fs::create_dir_all(folder)?;
    let mut unpack = program("mmdebstrap");
    // A mirror may lag behind the date in its own index.
    unpack.args(["--quiet", "--variant=extract", "--aptopt=Acquire::Check-Valid-Until \"false\""]);
    unpack
        .args(["man", "doc", "locale"].map(|unread| format!("--dpkgopt=path-exclude=/usr/share/{unread}/*")));
    unpack
        .arg(format!("--include={PACKAGES}"))
        .arg("sid")
        .arg(&root)
        .arg(format!("deb {} sid main", debian::mirror()?));
    run("unpack PostgreSQL and DocumentDB", &mut unpack)?;
    for (link, target) in [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")] {
        if !root.join(link).exists() {
            fs::os::unix::fs::symlink(target, root.join(link))?;
        }
    }
    fs::create_dir_all(root.join("mnt"))?;
    fs::write(root.join("etc/passwd"), "postgres:x:65534:65534::/mnt:/bin/sh\n")?;
    fs::write(root.join("etc/group"), "postgres:x:65534:\n")?;
    let extensions = root.join("usr/share/postgresql/18/extension");
    fs::copy(extensions.join("postgis-3.control"), extensions.join("postgis.control"))?;
    fs::copy("xtask/tools/postgresql", folder.join("postgresql"))?;
    database()
}

/// A database with the extension and the account, as a test copies it.
fn database() -> Result<()> {
    let data = Path::new(FOLDER).join("data");
    fs::create_dir_all(&data)?;
    std::os::unix::fs::chown(&data, Some(65534), Some(65534)).context("cannot give the data away")?;
    let inside = |words: &[&str]| {
        let mut script = program(Path::new(FOLDER).join("postgresql"));
        script.arg(Path::new(FOLDER).join("root")).arg(&data).args(words);
        script
    };
    let words =
        ["initdb", "--pgdata=/mnt/pg", "--username=postgres", "--auth-local=trust", "--auth-host=reject"];
    let mut make = inside(&words);
    make.args(["--locale=C.UTF-8", "--encoding=UTF8", "--no-sync", "--wal-segsize=4"]);
    run("make the database", &mut make)?;
    fs::write(data.join("statements"), ACCOUNT)?;
    let configuration = data.join("pg/postgresql.conf");
    let text = fs::read_to_string(&configuration)? + CONFIGURATION;
    fs::write(&configuration, text)?;
    let mut fill = inside(&["postgres", "--single", "-D", "/mnt/pg", "postgres"]);
    fill.stdin(fs::File::open(data.join("statements"))?.into_parts().0);
    // It goes on after an error, and ends well.
    let said = run("add DocumentDB to it", &mut fill)?;
    match said.iter().find(|line| line.contains("ERROR:")) {
        Some(line) => Err(anyhow!("{line}")),
        None => Ok(()),
    }
}
