//! What is set in the file `.env` beside the Compose files.

use std::sync::LazyLock;

use berth_catalogue::ROLES;
use berth_role::Role;

use super::images::IMAGES;
use super::overlays::proxied_variable;
use super::service::{image_variable, memory_variable, port_variable};
use super::{front, fronted, public};

/// A variable of the Compose files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it is for, in Markdown.
    pub meaning: String,
    /// What counts when it is not given; none when it has to be, or when that is nothing.
    pub default: Option<String>,
    /// What counts with the sample application, where that is something else.
    pub sample: Option<String>,
    /// Whether it has to be given, be it only with an overlay.
    pub required: bool,
}

impl Variable {
    /// The variable of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        VARIABLES.iter().find(|variable| variable.name == name)
    }
}

/// All variables. A test holds them to the files.
pub static VARIABLES: LazyLock<Vec<Variable>> = LazyLock::new(|| variables(ROLES));

fn variable(name: &str, default: Option<&str>, meaning: &str) -> Variable {
    Variable {
        name: name.to_owned(),
        meaning: meaning.to_owned(),
        default: default.map(str::to_owned),
        sample: None,
        required: false,
    }
}

fn required(name: &str, meaning: &str) -> Variable {
    Variable { required: true, ..variable(name, None, meaning) }
}

fn variables(roles: &[&Role]) -> Vec<Variable> {
    let mut table =
        vec![required("DOMAIN", "the mail domain"), required("BERTH_IMAGE", "the image of the roles")];
    table.extend(installation());
    table.extend(ports(roles));
    table.extend(limits(roles));
    table.extend(IMAGES.iter().map(|image| variable(image.variable, Some(&image.reference), image.meaning)));
    for role in roles {
        let meaning = format!("the image of the role {} alone, while it is being updated", role.name);
        table.push(variable(&image_variable(role.name), Some("${BERTH_IMAGE}"), &meaning));
    }
    table.extend(overlays(roles));
    table
}

fn installation() -> Vec<Variable> {
    vec![
        variable(
            "REVERSE_NAME",
            Some("mx.${DOMAIN}"),
            "the name of this host's address in reverse DNS; other servers are greeted with it",
        ),
        variable("APP_NAME", Some("${DOMAIN}"), "the name that people read"),
        Variable {
            sample: Some("false".to_owned()),
            ..variable("SEND_EMAIL", Some("true"), "whether mail is handed over to the servers of others")
        },
        variable(
            "DKIM_KEY_SELECTOR",
            Some("default"),
            "the selector under which the public key of `dkim.pem` is published",
        ),
        variable(
            "AUTH_BASIC_ENABLED",
            Some("true"),
            "asks for the name `admin` and the secret AUTH_BASIC_PASSWORD before any web page",
        ),
        variable("BERTH_SECRETS", Some("./secrets"), "the folder of the secrets"),
        variable(
            "BERTH_CERTIFICATES",
            Some("./certificates"),
            "the folder of the certificate and of the key for DKIM",
        ),
        variable(
            "BERTH_ACME",
            Some("./acme"),
            "the folder below which a client for ACME leaves its answers, in `.well-known/acme-challenge`",
        ),
        variable(
            "BERTH_SETTINGS",
            Some("./settings.env"),
            "the file with other settings of the application, read as `.env` is: `$` begins a variable but in single quotes",
        ),
        variable("BERTH_TMP_SIZE", Some("64m"), "the most that a role's temporary files may take, in memory"),
        variable("BERTH_LOG_SIZE", Some("10m"), "the size at which a container's log is begun anew"),
        variable("BERTH_LOG_FILES", Some("5"), "how many of these are kept"),
        variable(
            "NOFILE",
            Some("65536"),
            "open files of a process; the engine refuses more than it may have itself",
        ),
        variable(
            "BERTH_IPV6",
            Some("true"),
            "`false` for a host without IPv6, or an engine before 27 without a pool of addresses for it",
        ),
    ]
}

fn ports(roles: &[&Role]) -> Vec<Variable> {
    let mut table = vec![variable(
        "BERTH_BIND",
        None,
        "the address of this host that ports are published on; empty: all, of IPv4 and IPv6",
    )];
    for (role, port) in public(roles) {
        let meaning = format!("the port of this host for {}, of the role {}", port.name, role.name);
        table.push(variable(&port_variable(port.name), Some(&port.published.to_string()), &meaning));
    }
    for (name, published, _) in front::PORTS {
        let meaning = format!("the port of this host for {name}, of the front");
        table.push(variable(&port_variable(name), Some(&published.to_string()), &meaning));
    }
    table
}

fn limits(roles: &[&Role]) -> Vec<Variable> {
    let mut table = Vec::new();
    for role in roles {
        let (application, sample) = (role.place.memory.application.limit, role.place.memory.sample.limit);
        let meaning = format!("the most memory of the role {}", role.name);
        table.push(Variable {
            sample: Some(sample.to_string()),
            ..variable(&memory_variable(role), Some(&application.to_string()), &meaning)
        });
    }
    for (name, default, sample, meaning) in [
        (
            "BERTH_MEMORY_MONGODB",
            "2g",
            Some("1g"),
            "the most memory of MongoDB, which takes half of what it gets for its cache",
        ),
        ("BERTH_MEMORY_REDIS", "512m", Some("128m"), "the most memory of Redis"),
        ("BERTH_MEMORY_FRONT", "128m", None, "the most memory of the front"),
        ("BERTH_MEMORY_FERRETDB", "512m", None, "the most memory of FerretDB"),
        ("BERTH_MEMORY_POSTGRESQL", "1g", None, "the most memory of PostgreSQL below FerretDB"),
    ] {
        table.push(Variable { sample: sample.map(str::to_owned), ..variable(name, Some(default), meaning) });
    }
    table
}

fn overlays(roles: &[&Role]) -> Vec<Variable> {
    let mut table = vec![
        variable("BERTH_SOURCE", Some("../docker/app"), "the folder of the application's source"),
        variable("BERTH_REPOSITORY", Some(".."), "the clone of berth's repository"),
        variable(
            "BERTH_DOCKERFILE",
            Some("../Dockerfile"),
            "`docker/Dockerfile` of that clone, as seen from the application's folder",
        ),
        variable("COMPILE", Some("yes"), "`no` if none of the application's packages has to be compiled"),
        variable(
            "LICENCES_OF",
            None,
            "packages whose licence is not on the Dockerfile's list, and was read and accepted: `NAME` or `NAME@VERSION`",
        ),
        variable(
            "BERTH_BUILD_CA",
            Some("/etc/ssl/certs/ca-certificates.crt"),
            "the certificates that the build trusts",
        ),
        required("BERTH_INIT_FILE", "the file `berth-init` of this host, for the image's architecture"),
        variable("BERTH_APP_DIR", Some("/app"), "the application's folder in the published image"),
        required("REDIS_HOST", "where Redis is"),
        variable("REDIS_PORT", Some("6379"), "its port"),
        variable("REDIS_USERNAME", None, "the user there; empty: the default one"),
        variable("REDIS_TLS", Some("false"), "whether it speaks TLS"),
        variable(
            "BERTH_PROXY_BIND",
            Some("127.0.0.1"),
            "the address of this host on which a proxy finds the roles with pages",
        ),
    ];
    for (role, port) in fronted(roles) {
        let meaning = format!("the port there of the role {}", role.name);
        table.push(variable(&proxied_variable(role), Some(&port.unprivileged().to_string()), &meaning));
    }
    table
}
