//! Real stores for a test: FerretDB over PostgreSQL with DocumentDB, and Redis. They end before the test's folder does.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use berth_tests::{Case, Process, servers, skip, wait_until};
use nix::libc::SIGQUIT;

use crate::service::{Service, have};

const PASSWORD: &str = "of-tests-only";

/// A server of a test, and how it is started again.
pub struct Server<'a> {
    start: Box<dyn Fn() -> Command + 'a>,
    door: String,
    child: Child,
}

impl<'a> Server<'a> {
    fn new(door: String, start: impl Fn() -> Command + 'a) -> Self {
        let child = quiet(&mut start());
        let server = Self { start: Box::new(start), door, child };
        server.answers();
        server
    }

    fn answers(&self) {
        wait_until(&format!("a server at {}", self.door), || TcpStream::connect(&self.door).ok());
    }

    /// Ends it with KILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, with the data that it had.
    pub fn start(&mut self) {
        self.child = quiet(&mut (self.start)());
        self.answers();
    }

    /// Ends it with KILL and starts it again.
    pub fn restart(&mut self) {
        self.kill();
        self.start();
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// PostgreSQL, which is told to quit so that it waits for its own children.
struct PostgreSql(Child);

impl Drop for PostgreSql {
    fn drop(&mut self) {
        let _ = Process::of(&self.0).signal(SIGQUIT);
        let _ = self.0.wait();
    }
}

/// A service on FerretDB and Redis, and these; nothing if they are not here.
pub struct Stores<'a> {
    pub documents: Server<'a>,
    _postgresql: PostgreSql,
    pub redis: Server<'a>,
}

/// What it takes to start them; nothing, and said so, where it is not here.
pub fn programs() -> Option<PathBuf> {
    let servers = servers();
    if servers.is_none() {
        skip("there is no FerretDB: `cargo xtask test local` makes it, as root on Debian");
    }
    servers.filter(|_| have(&["redis-server", "python3"]))
}

/// Brings up the service on stores of its own.
pub fn up<'a>(service: &'a Service, programs: &'a Path) -> Stores<'a> {
    use_them(service);
    let stores = start(service, programs);
    service.bring_up();
    stores
}

/// Has the service use the stores which [`start`] starts for it.
fn use_them(service: &Service) {
    let address = documents(service);
    let uri = |name| {
        format!("mongodb://postbox:{PASSWORD}@{address}/{name}?authSource=admin&directConnection=true")
    };
    let port = redis_port(service);
    let redis = |prefix| {
        format!(
            "{prefix}_REDIS_HOST=127.0.0.1\n{prefix}_REDIS_PORT={port}\n{prefix}_REDIS_PASSWORD={PASSWORD}\n"
        )
    };
    let documents = format!("MONGO_URI={}\nEMAILS_MONGO_URI={}\n", uri("accounts"), uri("emails"));
    service.case.write("state/settings.env", &[documents, redis("BREE"), redis("IMAP")].concat());
}

/// Starts them at ports that nobody else has while the service has its own.
fn start<'a>(service: &'a Service, programs: &'a Path) -> Stores<'a> {
    let case = &service.case;
    let data = case.path("documents");
    let copied = case.command("cp").arg("-a").arg(programs.join("data")).arg(&data).status().unwrap();
    assert!(copied.success());
    let mut postgresql = case.command(programs.join("postgresql"));
    postgresql.arg(programs.join("root")).arg(&data).args(["postgres", "-D", "/mnt/pg"]);
    let postgresql = PostgreSql(quiet(&mut postgresql));
    let socket = data.join(".s.PGSQL.5432");
    wait_until("PostgreSQL", || UnixStream::connect(&socket).ok());
    let address = documents(service);
    let documents = Server::new(address.clone(), move || {
        let mut ferretdb = case.command(programs.join("ferretdb"));
        ferretdb.arg(format!("--listen-addr={address}"));
        ferretdb.arg(format!("--postgresql-url=postgres://postgres@/postgres?host={}", data.display()));
        ferretdb.arg(format!("--state-dir={}", case.folder().display()));
        ferretdb.args(["--telemetry=disable", "--debug-addr=-", "--log-level=error"]);
        ferretdb
    });
    let port = redis_port(service);
    let redis = Server::new(format!("127.0.0.1:{port}"), move || redis(case, &port));
    Stores { documents, _postgresql: postgresql, redis }
}

fn redis(case: &Case, port: &str) -> Command {
    let mut redis = case.command("redis-server");
    redis.args(["--port", port, "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--save", ""]);
    redis
}

fn documents(service: &Service) -> String {
    format!("127.0.0.1:{}", 7017 + service.offset)
}

fn redis_port(service: &Service) -> String {
    (6379 + service.offset).to_string()
}

fn quiet(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
