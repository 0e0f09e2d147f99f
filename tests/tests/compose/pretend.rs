//! A `docker` that is made up: a script on PATH that writes down what it was asked, and answers from files that a test
//! has put there.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use berth_tests::{Case, Ran, berth, kept_port};
use serde_json::{Value, json};

const SCRIPT: &str = include_str!("pretend.sh");

/// The folder of what the script answers from.
const ANSWERS: &str = "docker";

/// An installation whose engine is made up.
pub struct Pretend {
    pub case: Case,
    /// The port that the role imap is published at.
    pub port: u16,
}

/// The services of it: a store, two roles and a front, which publishes nothing.
pub const SERVICES: [&str; 4] = ["mongodb", "sqlite", "imap", "front"];

/// Brings it up for the first time.
pub const UP: [&str; 6] = ["up", "--engine", "compose", "--image", "mail:1", "--no-prove"];

impl Pretend {
    /// An engine on this host, in which nothing runs yet and all images are.
    pub fn new() -> Self {
        let pretend = Self { case: Case::new(), port: kept_port() };
        pretend.case.program("bin/docker", SCRIPT);
        let kernel = |name: &str| {
            fs_err::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap().trim().to_owned()
        };
        pretend.answers(
            "version.json",
            &json!({"Client": {}, "Server": {"Version": "28.5.2", "ApiVersion": "1.51"}}),
        );
        pretend.answers(
            "info.json",
            &json!({
                "Name": kernel("hostname"), "KernelVersion": kernel("osrelease"), "Architecture": "x86_64",
                "MemTotal": 8_000_000_000_u64, "SwapLimit": true, "CgroupVersion": "2", "SecurityOptions": ["name=seccomp"],
            }),
        );
        let context =
            json!([{"Name": "default", "Endpoints": {"docker": {"Host": "unix:///run/docker.sock"}}}]);
        pretend.answers("context.json", &context);
        pretend.says("compose-version", "2.40.3\n");
        pretend.answers("config.json", &pretend.config());
        pretend.answers("images.json", &json!([image("sha256:1", &["mail:1", "store:1", "front:1"])]));
        pretend.will_run(&SERVICES.map(|name| container(name, "healthy")));
        pretend
    }

    /// What Compose makes of the files, whatever these are.
    pub fn config(&self) -> Value {
        let on = |name: &str| json!({name: {"condition": "service_healthy", "required": true}});
        let service = |image: &str, needs: Value| {
            json!({
                "image": image, "depends_on": needs, "mem_limit": "268435456", "ulimits": {"nofile": 1024 * 8},
                "healthcheck": {"interval": "1s", "timeout": "1s", "retries": 1, "start_period": "1m0s"},
            })
        };
        let mut imap = service("mail:1", on("sqlite"));
        imap["ports"] = json!([{"host_ip": "127.0.0.1", "target": 2993, "published": self.port.to_string(), "protocol": "tcp"}]);
        json!({"name": "berth", "services": {
            "mongodb": service("store:1", json!({})), "sqlite": service("mail:1", on("mongodb")), "imap": imap,
            "front": service("front:1", json!({})),
        }})
    }

    /// What a file holds that the script answers from.
    pub fn answers(&self, name: &str, value: &Value) {
        self.says(name, &value.to_string());
    }

    pub fn says(&self, name: &str, text: &str) {
        self.case.write(format!("{ANSWERS}/{name}"), text);
    }

    /// The containers that there are once Compose has brought them up.
    pub fn will_run(&self, containers: &[Value]) {
        self.answers("containers-up.json", &json!(containers));
    }

    /// The same, now.
    pub fn runs(&self, containers: &[Value]) {
        self.says("containers.json", &self.of_long_ago(containers));
    }

    /// Containers that were made some time ago, as they are told.
    pub fn of_long_ago(&self, containers: &[Value]) -> String {
        let text = json!(containers).to_string().replace("@NOW@", "2026-01-01T00:00:00Z");
        text.replace("@PLACE@", self.state("compose").to_str().unwrap())
    }

    /// `berth` with these words, for this installation.
    pub fn berth(&self, words: &[&str]) -> Command {
        let mut command = self.case.command(berth());
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.case.path("bin").display()));
        command.args(words).stdin(Stdio::null()).env("BERTH_STATE", self.state(""));
        command
    }

    pub fn run(&self, words: &[&str]) -> Ran {
        Ran::run(&mut self.berth(words))
    }

    /// Runs `berth`, which has to end well.
    pub fn done(&self, words: &[&str]) -> Ran {
        Ran::done(&mut self.berth(words))
    }

    /// Brings it up for the first time.
    pub fn up(&self) -> Ran {
        self.done(&UP)
    }

    /// A path in the state folder.
    pub fn state(&self, inside: &str) -> PathBuf {
        self.case.path("state").join(inside)
    }

    /// What docker was asked to change since the last time that somebody wanted to know.
    pub fn changes(&self) -> Vec<String> {
        let asked = self.case.read(format!("{ANSWERS}/asked"));
        self.says("asked", "");
        let changes = [
            "pull ",
            "volume rm ",
            "compose up ",
            "compose down ",
            "compose rm ",
            "compose exec ",
            "compose build ",
        ];
        let is_change = |line: &&str| changes.iter().any(|change| line.starts_with(change));
        asked.lines().filter(is_change).map(|line| format!("docker {line}")).collect()
    }
}

/// An image that is there under these names, with berth-init in it.
pub fn image(id: &str, names: &[&str]) -> Value {
    json!({"Id": id, "RepoTags": names, "Config": {"Entrypoint": ["/usr/local/bin/berth-init"]}})
}

/// A container of a service; `@NOW@` is when it is brought up.
pub fn container(service: &str, health: &str) -> Value {
    let role = !["mongodb", "front"].contains(&service);
    let image = if role { "mail:1".to_owned() } else { service.replace("mongodb", "store") + ":1" };
    json!({
        "Id": format!("{service}-id"), "Created": "@NOW@", "Image": "sha256:1", "RestartCount": 0,
        "Path": if role { "/usr/local/bin/berth-init" } else { "program" },
        "State": {
            "Status": "running", "StartedAt": "@NOW@", "FinishedAt": "0001-01-01T00:00:00Z", "ExitCode": 0, "Pid": 0,
            "Health": {"Status": health, "Log": [{"End": "@NOW@", "ExitCode": 0, "Output": "said by its check\n"}]},
        },
        "Mounts": [], "HostConfig": {"Memory": 268_435_456},
        "Config": {"Image": image, "Labels": {
            "com.docker.compose.service": service, "com.docker.compose.config-hash": "made",
            "com.docker.compose.project.working_dir": "@PLACE@",
        }},
    })
}
