use berth_role::{Bounds, Certificate, Hostname, Readiness, Role, Strength, Tls, Upstream};
use serde::Serialize;

/// A role as machines read it: `berth-init roles --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleDescription {
    /// The word that selects it.
    pub name: &'static str,
    /// Whom it serves and how.
    pub serves: &'static str,
    /// The part it plays.
    pub kind: &'static str,
    /// The file that Node is given.
    pub entrypoint: &'static str,
    /// Whether an installation that only forwards mail has it.
    pub forwards: bool,
    /// The setting that names its host.
    pub host: Option<&'static str>,
    /// Where it listens.
    pub ports: Vec<PortDescription>,
    /// What it cannot do without.
    pub needs: Vec<NeedDescription>,
    /// The role that carries on with what it takes in, by way of a store, or null.
    pub hands_to: Option<&'static str>,
    /// How it tells that it is ready.
    pub readiness: ReadinessDescription,
    /// How long it may take to get ready.
    pub ready_within_seconds: u64,
    /// When it is started: `with-others` or `last`.
    pub start: &'static str,
    /// The settings that name the files of its certificate.
    pub certificate: Option<CertificateDescription>,
    /// The settings that few roles read, and it does.
    pub reads: &'static [&'static str],
    /// What is asked of it, in words.
    pub health: Vec<String>,
    /// How it is stopped.
    pub stop: StopDescription,
    /// What its machine is called: `own`, its name under the mail domain, or `reverse`, that of reverse DNS.
    pub hostname: &'static str,
    /// What it asks of the world, in words.
    pub outside: Option<&'static str>,
    /// What it keeps, and where.
    pub volumes: Vec<VolumeDescription>,
    /// The memory it takes.
    pub memory: MemoryDescription,
}

/// Files that outlive a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VolumeDescription {
    /// The word for it.
    pub name: &'static str,
    /// Where it is mounted.
    pub path: &'static str,
}

/// The memory that a role takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryDescription {
    /// With the application that berth exists for.
    pub application: BoundsDescription,
    /// With the sample application.
    pub sample: BoundsDescription,
}

/// What was measured, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BoundsDescription {
    /// The most that was measured from its start until it was at rest.
    pub peak_bytes: u64,
    /// The most that is allowed.
    pub limit_bytes: u64,
}

/// The settings that name the files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateDescription {
    /// The certificate, and those between it and the authority.
    pub chain: &'static str,
    /// Its private key.
    pub key: &'static str,
    /// The authority's certificates.
    pub authority: &'static str,
}

/// A port of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PortDescription {
    /// The service name.
    pub name: &'static str,
    /// The number that is listened on by default.
    pub number: u16,
    /// The number for clients outside.
    pub published: u16,
    /// The setting that overrides `number`.
    pub setting: &'static str,
    /// Who may reach it.
    pub exposure: &'static str,
    /// How TLS is decided.
    pub tls: TlsRule,
}

/// How TLS is decided on a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum TlsRule {
    /// From the first byte on these numbers, by STARTTLS on others.
    ImplicitOn {
        /// The numbers.
        numbers: &'static [u16],
    },
    /// By STARTTLS.
    Starttls,
    /// From the first byte when the setting is `https`, else none.
    WhenHttps {
        /// The setting.
        setting: &'static str,
    },
    /// From the first byte when NODE_ENV is `production`, else none.
    InProduction,
}

/// A need of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NeedDescription {
    /// What is needed.
    #[serde(flatten)]
    pub on: NeedOn,
    /// It is waited for and counts for health.
    pub hard: bool,
}

/// What is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "on", rename_all = "kebab-case")]
pub enum NeedOn {
    /// A document store.
    Documents {
        /// The setting that holds its URI.
        setting: &'static str,
    },
    /// A key-value store.
    KeyValue {
        /// What its settings begin with.
        prefix: &'static str,
    },
    /// Another role.
    Role {
        /// Its name.
        name: &'static str,
    },
}

/// How a role tells that it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum ReadinessDescription {
    /// It says so.
    Message,
    /// Its needs have answered, and it has been alive this long or has said so.
    AliveFor {
        /// How long.
        seconds: u64,
    },
}

/// How a role is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StopDescription {
    /// How long TERM may wait for a moment without clients, if it does.
    pub quiet_seconds: Option<u64>,
    /// From TERM until the rest of its processes get TERM.
    pub drain_seconds: u64,
    /// From the beginning until everything that is left gets KILL.
    pub grace_seconds: u64,
    /// The exit codes of an asked-for stop that are no failure.
    pub normal: &'static [u8],
}

/// What a role is, in a form that machines read.
#[must_use]
pub fn describe(role: &Role) -> RoleDescription {
    RoleDescription {
        name: role.name,
        serves: role.serves,
        kind: role.kind.word(),
        entrypoint: role.entrypoint,
        forwards: role.forwards,
        host: role.host,
        ports: role.ports.iter().map(port).collect(),
        needs: role.needs.iter().map(need).collect(),
        hands_to: role.hands_to,
        readiness: match role.readiness {
            Readiness::Message => ReadinessDescription::Message,
            Readiness::AliveFor(time) => ReadinessDescription::AliveFor { seconds: time.as_secs() },
        },
        ready_within_seconds: role.ready_within.as_secs(),
        start: role.start.word(),
        certificate: role.certificate.map(|Certificate { chain, key, authority }| CertificateDescription {
            chain,
            key,
            authority,
        }),
        reads: role.reads,
        health: role.health.iter().map(ToString::to_string).collect(),
        stop: StopDescription {
            quiet_seconds: role.stop.quiet.map(|quiet| quiet.as_secs()),
            drain_seconds: role.stop.drain.as_secs(),
            grace_seconds: role.stop.grace.as_secs(),
            normal: role.stop.normal,
        },
        hostname: match role.place.hostname {
            Hostname::Own => "own",
            Hostname::Reverse => "reverse",
        },
        outside: role.place.outside,
        volumes: role
            .place
            .volumes
            .iter()
            .map(|volume| VolumeDescription { name: volume.word(), path: volume.path() })
            .collect(),
        memory: MemoryDescription {
            application: bounds(role.place.memory.application),
            sample: bounds(role.place.memory.sample),
        },
    }
}

fn bounds(Bounds { peak, limit }: Bounds) -> BoundsDescription {
    BoundsDescription { peak_bytes: peak.number(), limit_bytes: limit.number() }
}

fn port(port: &berth_role::Port) -> PortDescription {
    PortDescription {
        name: port.name,
        number: port.number,
        published: port.published,
        setting: port.setting,
        exposure: port.exposure.word(),
        tls: match port.tls {
            Tls::ImplicitOn(numbers) => TlsRule::ImplicitOn { numbers },
            Tls::StartTls => TlsRule::Starttls,
            Tls::WhenHttps(setting) => TlsRule::WhenHttps { setting },
            Tls::InProduction => TlsRule::InProduction,
        },
    }
}

fn need(need: &berth_role::Need) -> NeedDescription {
    let on = match need.on {
        Upstream::Documents(setting) => NeedOn::Documents { setting },
        Upstream::KeyValue(prefix) => NeedOn::KeyValue { prefix },
        Upstream::Role(name) => NeedOn::Role { name },
    };
    NeedDescription { on, hard: need.strength == Strength::Hard }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_reads_what_the_role_says() {
        let value = serde_json::to_value(describe(crate::find("imap").unwrap())).unwrap();
        assert_eq!(value["ports"][0]["published"], 993);
        assert_eq!(
            value["ports"][0]["tls"],
            serde_json::json!({"rule": "implicit-on", "numbers": [993, 2993]})
        );
        assert_eq!(value["needs"][2], serde_json::json!({"on": "role", "name": "sqlite", "hard": true}));
        assert_eq!(value["readiness"], serde_json::json!({"by": "message"}));
        assert_eq!(value["stop"]["grace_seconds"], 15);
        assert_eq!(value["stop"]["quiet_seconds"], serde_json::Value::Null);
    }

    #[test]
    fn a_machine_reads_what_the_role_asks_of_its_container() {
        let of = |name| serde_json::to_value(describe(crate::find(name).unwrap())).unwrap();
        assert_eq!(of("sqlite")["volumes"], serde_json::json!([{"name": "mailboxes", "path": "/mnt"}]));
        assert_eq!(of("sqlite")["outside"], serde_json::Value::Null);
        assert_eq!([&of("mx")["hostname"], &of("imap")["hostname"]], ["reverse", "own"]);
        assert_eq!([&of("bree")["start"], &of("mx")["start"]], ["last", "with-others"]);
        assert_eq!(of("bree")["memory"]["application"]["limit_bytes"], 16_u64 << 30);
    }
}
