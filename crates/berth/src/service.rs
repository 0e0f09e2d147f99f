//! The service as an engine wants it: which roles, where they listen, with which settings.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use berth_catalogue::{ROLES, called, find, start_order};
use berth_engine::{Folder, Instance, Means, Port, Processes, Wanted};
use berth_report::{Code, Problem};
use berth_role::{Exposure, Readiness, Role, Strength, Tls, Upstream};
use berth_settings::Settings;

use crate::certificate::{AUTHORITY, CHAIN, PRIVATE};
use crate::dkim;
use crate::secrets::Kept;

const DEFAULT_DOMAIN: &str = "example.test";

/// What `up` was asked for, found and checked.
#[derive(Debug)]
pub struct Service {
    pub domain: String,
    pub offset: u16,
    pub listen: Vec<IpAddr>,
    pub app: PathBuf,
    pub node: PathBuf,
    pub init: PathBuf,
    pub roles: Vec<&'static Role>,
}

/// Mailboxes belong to addresses, so the domain stays what it was at the first start.
pub fn domain(asked: Option<&str>, kept: Option<&str>) -> anyhow::Result<String> {
    match (asked, kept) {
        (Some(asked), None) => name(asked),
        (Some(asked), Some(kept)) if !asked.eq_ignore_ascii_case(kept) => {
            Err(Problem::new(Code::Usage, format!("this installation is for {kept}, not for {asked}"))
                .hint("a second installation has a state folder of its own: --state DIR --port-offset 4000")
                .into())
        }
        (_, kept) => Ok(kept.unwrap_or(DEFAULT_DOMAIN).to_owned()),
    }
}

/// A name as the DNS has it: labels of 63 letters, digits and hyphens, 253 in all (RFC 1123 section 2.1), in lower case, as
/// the application writes addresses.
pub fn name(text: &str) -> anyhow::Result<String> {
    let is_label = |label: &str| {
        let inside = label.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
        inside && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(is_label) {
        return Ok(text.to_ascii_lowercase());
    }
    let hint = if text.is_ascii() {
        "such as example.com, what is behind the @ of an address"
    } else {
        "in its form of ASCII letters, which begins with xn-- (RFC 5890)"
    };
    Err(Problem::new(Code::Usage, format!("`{text}` is no mail domain")).hint(hint).into())
}

/// Whether all ports have a number with this offset.
pub fn in_reach(offset: u16) -> anyhow::Result<()> {
    ROLES.iter().flat_map(|role| role.ports).try_for_each(|port| moved(port.unprivileged(), offset).map(drop))
}

/// The number of a port with an offset.
pub fn moved(number: u16, offset: u16) -> anyhow::Result<u16> {
    number.checked_add(offset).ok_or_else(|| {
        let problem = format!("port {number} and the offset {offset} make no port number");
        Problem::new(Code::Usage, problem).hint("a multiple of 4000, 28000 at most").into()
    })
}

/// The roles that are to run, in the order of starting, and those that the application does not have.
pub fn choose(
    only: &[String],
    has: impl Fn(&Role) -> bool,
) -> anyhow::Result<(Vec<&'static Role>, Vec<&'static str>)> {
    let (there, absent): (Vec<&'static Role>, Vec<_>) = ROLES.iter().partition(|role| has(role));
    let mut names: BTreeSet<&str> = there.iter().map(|role| role.name).collect();
    if !only.is_empty() {
        names = BTreeSet::new();
        let mut asked = only.iter().map(|name| called(name)).collect::<Result<Vec<_>, _>>()?;
        while let Some(role) = asked.pop() {
            if absent.iter().any(|other| other.name == role.name) {
                let problem =
                    Problem::new(Code::Usage, format!("the application has no {}", role.entrypoint));
                let has: Vec<&str> = there.iter().map(|role| role.name).collect();
                return Err(problem.hint(format!("it has {}", has.join(", "))).into());
            }
            names.insert(role.name);
            asked.extend(
                role.needed_roles(Strength::Hard).filter(|need| !names.contains(need)).filter_map(find),
            );
        }
    }
    let chosen: Vec<_> = there.into_iter().filter(|role| names.contains(role.name)).collect();
    if chosen.is_empty() {
        return Err(Problem::new(Code::Usage, "the application has no role's entrypoint")
            .hint("is this its folder? --app DIR")
            .into());
    }
    Ok((start_order(&chosen), absent.into_iter().map(|role| role.name).collect()))
}

/// The names that a certificate must be for.
pub fn names(domain: &str) -> Vec<String> {
    let listening = ROLES.iter().filter(|role| !role.ports.is_empty());
    let hosts = listening.map(|role| format!("{}.{domain}", role.name));
    let local = ["localhost", "127.0.0.1", "::1"].map(ToOwned::to_owned);
    [domain.to_owned()].into_iter().chain(hosts).chain(local).collect()
}

impl Service {
    /// What an engine is handed.
    pub fn wanted(&self, folder: &Folder, secrets: &Kept) -> anyhow::Result<Wanted> {
        let environment = self.environment(folder, secrets)?;
        let settings = Settings::load(&self.app, environment.clone());
        let instances = self.roles.iter().map(|role| self.instance(role, &settings));
        let files = [CHAIN, PRIVATE, dkim::PRIVATE].map(|file| folder.path(file));
        let own = [".env.defaults", ".env"].map(|file| self.app.join(file));
        Ok(Wanted {
            instances: instances.collect::<anyhow::Result<_>>()?,
            listen: self.listen.clone(),
            means: Means::Processes(Processes {
                program: self.init.clone(),
                app: self.app.clone(),
                node: self.node.clone(),
                environment,
                inputs: files.into_iter().chain(own).collect(),
            }),
        })
    }

    fn instance(&self, role: &Role, settings: &Settings) -> anyhow::Result<Instance> {
        let setting = |key: &str| settings.get(key).map(ToOwned::to_owned);
        let ports = role.ports.iter().map(|port| {
            let listening = port.resolve(&setting)?.into();
            Ok(Port { published: port.published, listening, address: None })
        });
        let named = |strength| {
            let running =
                role.needed_roles(strength).filter(|name| self.roles.iter().any(|role| role.name == *name));
            running.map(ToOwned::to_owned).collect()
        };
        Ok(Instance {
            name: role.name.to_owned(),
            ports: ports.collect::<Result<_, berth_role::PortError>>()?,
            needs: named(Strength::Hard),
            uses: named(Strength::Lazy),
            says_ready: role.readiness == Readiness::Message,
            ready_within: role.ready_within,
            stop_within: role.stop.within(),
        })
    }

    /// The settings that make the application serve this host only, with what the state folder keeps.
    fn environment(&self, folder: &Folder, secrets: &Kept) -> anyhow::Result<BTreeMap<String, String>> {
        let domain = &self.domain;
        let path = |inside: &str| folder.path(inside).to_string_lossy().into_owned();
        let addresses: Vec<String> = self.listen.iter().map(ToString::to_string).collect();
        // Stores beside the embedded engine's files are those of the state folder only, never the application's defaults.
        let kept = |key: &str| secrets.get(key).map_or("", String::as_str);
        let mut settings = secrets.clone();
        let mut set = |key: &str, value: &str| drop(settings.insert(key.to_owned(), value.to_owned()));
        set("NODE_ENV", "production");
        set("SELF_HOSTED", "true");
        set("HTTP_PROTOCOL", "https");
        set("SEND_EMAIL", "false");
        // Memory, where several roles share a small host. glibc raises the size from which it gives memory back to
        // the one that was freed last (mallopt(3)), so that the 16 MiB of one login's scrypt stayed with the role;
        // and V8 keeps up to three young generations of 16 MiB for speed that a mail role does not need.
        set("MALLOC_MMAP_THRESHOLD_", "131072");
        // One arena: V8's helper threads would each keep one of their own, 1 MB or more a role.
        set("MALLOC_ARENA_MAX", "1");
        set("NODE_OPTIONS", "--max-semi-space-size=1");
        set("DKIM_PRIVATE_KEY_PATH", &path(dkim::PRIVATE));
        set("DKIM_DOMAIN_NAME", domain);
        set("DKIM_KEY_SELECTOR", dkim::SELECTOR);
        set("SQLITE_STORAGE_PATH", "sqlite_storage");
        set("SQLITE_TMPDIR", &path("tmp"));
        set("POSTBOX_STATE", &path("data"));
        set("POSTBOX_LISTEN", &addresses.join(","));
        for role in ROLES {
            for need in role.needs {
                match need.on {
                    Upstream::Documents(uri) => set(uri, kept(uri)),
                    Upstream::KeyValue(prefix) => {
                        let host = format!("{prefix}HOST");
                        set(&host, kept(&host));
                    }
                    Upstream::Role(_) => {}
                }
            }
            if let Some(certificate) = role.certificate {
                set(certificate.chain, &path(CHAIN));
                set(certificate.key, &path(PRIVATE));
                set(certificate.authority, &path(AUTHORITY));
            }
            for port in role.ports {
                let number = moved(port.unprivileged(), self.offset)?;
                set(port.setting, &number.to_string());
                if let Tls::WhenHttps(protocol) = port.tls {
                    set(protocol, "https");
                }
                if let Some(host) = role.host {
                    let private = port.exposure == Exposure::Private;
                    set(
                        host,
                        &if private { "127.0.0.1".to_owned() } else { format!("{}.{domain}", role.name) },
                    );
                }
            }
        }
        // The application takes the web's host for the mail domain.
        set("WEB_HOST", domain);
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_control::PortTls;

    fn service(offset: u16, app: PathBuf) -> Service {
        let (roles, _) = choose(&[], |_| true).unwrap();
        let listen = vec![IpAddr::from([127, 0, 0, 1])];
        Service {
            domain: "a.test".into(),
            offset,
            listen,
            app,
            node: "node".into(),
            init: "init".into(),
            roles,
        }
    }

    #[test]
    fn the_domain_is_that_of_the_first_start() {
        assert_eq!(domain(None, None).unwrap(), "example.test");
        assert_eq!(domain(None, Some("a.test")).unwrap(), "a.test");
        assert_eq!(domain(Some("b.test"), None).unwrap(), "b.test");
        let error = domain(Some("b.test"), Some("a.test")).unwrap_err();
        assert_eq!(berth_report::code(&error), Code::Usage);
        assert_eq!(domain(Some("B.test"), Some("b.test")).unwrap(), "b.test");
    }

    #[test]
    fn a_domain_is_one_of_the_dns_in_lower_case() {
        assert_eq!(domain(Some("Mail.Example-1.COM"), None).unwrap(), "mail.example-1.com");
        assert_eq!(domain(Some("xn--mller-kva.de"), None).unwrap(), "xn--mller-kva.de");
        let long = ["a"; 200].join(".");
        for wrong in
            ["", "müller.de", "https://a.test", "a..test", "-a.test", "a.test.", "a b", "@a.test", &long]
        {
            let error = domain(Some(wrong), None).unwrap_err();
            assert_eq!(berth_report::code(&error), Code::Usage, "{wrong}");
        }
    }

    #[test]
    fn only_means_with_what_they_need_and_a_slip_is_corrected() {
        let names = |only: &[&str]| -> Vec<_> {
            let only: Vec<_> = only.iter().map(ToString::to_string).collect();
            choose(&only, |_| true).unwrap().0.iter().map(|role| role.name).collect()
        };
        assert_eq!(names(&["imap"]), ["sqlite", "imap"]);
        assert_eq!(names(&["smtp-bree", "mx"]), ["mx", "smtp-bree"]);
        let error = choose(&["imapp".to_owned()], |_| true).unwrap_err();
        assert_eq!(
            berth_report::tell(&error),
            "error: there is no role \"imapp\"\n\nhint: did you mean imap?\n"
        );
        let (_, absent) = choose(&[], |role| role.name != "pop3").unwrap();
        assert_eq!(absent, ["pop3"]);
    }

    #[test]
    fn every_setting_that_a_role_takes_is_given_and_ports_move_by_the_offset() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path()).unwrap();
        let environment = service(4000, parent.path().into()).environment(&folder, &Kept::default()).unwrap();
        let expected = [
            ("SMTP_PORT", "6465"),
            ("IMAP_PORT", "6993"),
            ("MX_PORT", "6525"),
            ("SQLITE_PORT", "7456"),
            ("WEB_HOST", "a.test"),
            ("IMAP_HOST", "imap.a.test"),
            ("SQLITE_HOST", "127.0.0.1"),
            ("MONGO_URI", ""),
            ("BREE_REDIS_HOST", ""),
            ("CALDAV_PROTOCOL", "https"),
        ];
        for (key, value) in expected {
            assert_eq!(environment.get(key).map(String::as_str), Some(value), "{key}");
        }
        assert!(environment["WEB_SSL_KEY_PATH"].ends_with("tls/privkey.pem"));
        assert!(environment["API_SSL_CA_PATH"].ends_with("tls/chain.pem"));
        let error = service(64000, parent.path().into()).environment(&folder, &Kept::default()).unwrap_err();
        assert_eq!(berth_report::code(&error), Code::Usage);
    }

    #[test]
    fn an_instance_has_what_its_role_says() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path()).unwrap();
        let wanted = service(0, parent.path().into()).wanted(&folder, &Kept::default()).unwrap();
        let find = |name: &str| wanted.instances.iter().find(|instance| instance.name == name).unwrap();
        assert_eq!(find("imap").needs, ["sqlite"]);
        assert_eq!(find("imap").ports[0].listening.tls, PortTls::Implicit);
        assert_eq!((find("mx").needs.len(), &find("mx").uses[..]), (0, &["sqlite".to_owned()][..]));
        assert!(find("mx").says_ready && !find("smtp-bree").says_ready);
    }
}
