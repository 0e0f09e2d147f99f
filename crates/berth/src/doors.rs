//! The service as its clients reach it: which doors it has, and whom to trust there.

use anyhow::Context;
use berth_canary::{DEADLINE, DkimRecord, Doors, Endpoint, Roots, Service, Tls};
use berth_catalogue::{ROLES, way};
use berth_control::PortTls;
use berth_engine::compose::ENV;
use berth_engine::{Folder, Instance, Means, Port, Wanted};
use berth_role::Role;

use crate::certificate::AUTHORITY;
use crate::compose::env::Env;
use crate::{dkim, secrets};

/// What each door is called, whichever role it belongs to: names of IANA's registry where there is one.
pub const SUBMISSION: &str = "submissions";
pub const IMAP: &str = "imaps";
const MX: &str = "smtp";
pub const POP3: &str = "pop3s";
pub const API: &str = "api";
pub const WEB: &str = "https";
pub const CALDAV: &str = "caldavs";
pub const CARDDAV: &str = "carddavs";

const ALL: [&str; 8] = [SUBMISSION, MX, IMAP, POP3, API, WEB, CALDAV, CARDDAV];

/// Whether clients come to it by a door.
pub fn has_one(instance: &Instance) -> bool {
    instance.ports.iter().any(|port| ALL.contains(&port.listening.name.as_str()))
}

/// The service, with the doors of what is wanted.
pub fn service(folder: &Folder, wanted: &Wanted) -> anyhow::Result<Service> {
    let domain = secrets::kept(folder)?.remove("DOMAIN").context("the state folder has no mail domain")?;
    let endpoint = |name| {
        let port = door(wanted, name)?;
        let tls = match port.listening.tls {
            PortTls::Implicit => Tls::Implicit,
            PortTls::Starttls => Tls::StartTls,
            // No password goes through such a door, and so nothing is proved there.
            PortTls::None => return None,
        };
        let (host, server_name) = (host(wanted, port), server_name(name, &domain));
        Some(Endpoint { host, port: port.listening.number, tls, server_name })
    };
    let doors = Doors {
        submission: endpoint(SUBMISSION),
        mx: endpoint(MX),
        imap: endpoint(IMAP),
        pop3: endpoint(POP3),
        api: endpoint(API),
        web: endpoint(WEB),
        caldav: endpoint(CALDAV),
        carddav: endpoint(CARDDAV),
    };
    let authority = authority(folder, wanted)?;
    let runs = |name: &&str| wanted.instances.iter().any(|instance| instance.name == **name);
    Ok(Service {
        doors,
        delivers: owner(SUBMISSION).is_some_and(|role| way(role).iter().all(runs)),
        roots: Roots::from_pem(authority.as_bytes())?,
        dkim: record(folder, wanted)?,
        deadline: DEADLINE,
        domain,
    })
}

/// Whom to trust: the installation's own authority, or what its owner has put in the place of that.
fn authority(folder: &Folder, wanted: &Wanted) -> anyhow::Result<String> {
    let ours = folder.read(AUTHORITY)?.context("there is no certification authority in the state folder")?;
    let Means::Containers(containers) = &wanted.means else { return Ok(ours) };
    let chain = containers.inputs.iter().find(|path| path.ends_with("chain.pem"));
    let shown = chain.and_then(|path| fs_err::read_to_string(path).ok());
    Ok(shown.map_or(ours.clone(), |shown| ours + &shown))
}

/// What has to be published for the key that the roles sign with; nothing where that is its owner's and cannot be read.
fn record(folder: &Folder, wanted: &Wanted) -> anyhow::Result<Option<DkimRecord>> {
    let (selector, txt) = match &wanted.means {
        Means::Processes(_) => (None, folder.read(dkim::RECORD)?),
        Means::Containers(containers) => {
            let env = Env::read(folder.read(ENV)?.as_deref().unwrap_or_default());
            let key = containers.inputs.iter().find(|path| path.ends_with("dkim.pem"));
            let key = key.and_then(|path| fs_err::read_to_string(path).ok());
            (env.get("DKIM_KEY_SELECTOR").map(ToOwned::to_owned), key.and_then(|pem| dkim::record(&pem).ok()))
        }
    };
    let selector = selector.unwrap_or_else(|| dkim::SELECTOR.to_owned());
    Ok(txt.map(|txt| DkimRecord { selector, txt: txt.trim().to_owned() }))
}

/// The name by which a door is asked for: behind a front that is how roles are told apart.
fn server_name(door: &str, domain: &str) -> String {
    owner(door).map_or(domain.to_owned(), |role| role.public_name(domain))
}

/// The role behind a door.
fn owner(door: &str) -> Option<&'static Role> {
    ROLES.iter().copied().find(|role| role.ports.iter().any(|port| port.name == door))
}

/// The port of this name.
pub fn door<'a>(wanted: &'a Wanted, name: &str) -> Option<&'a Port> {
    wanted.instances.iter().flat_map(|instance| &instance.ports).find(|port| port.listening.name == name)
}

/// Where a browser, or a device, finds what is behind a door. Behind a front the first one there is found by address, and
/// the others by name alone.
pub fn page(wanted: &Wanted, name: &str, domain: &str) -> Option<String> {
    let port = door(wanted, name)?;
    let named = has_front(wanted) && name != WEB;
    let host = if named { server_name(name, domain) } else { host(wanted, port) };
    let number = port.listening.number;
    // An IPv6 address is in brackets (RFC 3986 section 3.2.2).
    Some(if host.contains(':') {
        format!("https://[{host}]:{number}")
    } else {
        format!("https://{host}:{number}")
    })
}

/// Whether roles share a port: no init of ours runs what is before them, and it is told by itself of other certificates.
fn has_front(wanted: &Wanted) -> bool {
    matches!(&wanted.means, Means::Containers(containers) if !containers.reload.is_empty())
}

/// The address at which a client on this host reaches a port.
pub fn host(wanted: &Wanted, port: &Port) -> String {
    let first = || wanted.listen.iter().find(|address| !address.is_unspecified()).copied();
    port.address.or_else(first).map_or("127.0.0.1".to_owned(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_engine::Containers;

    fn wanted(reload: &[&str], address: Option<&str>) -> Wanted {
        let reload = reload.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
        let port = |name: &str, number| Port {
            published: 443,
            listening: berth_control::Port { name: name.to_owned(), number, tls: PortTls::Implicit },
            address: address.map(|address| address.parse().unwrap()),
        };
        Wanted {
            instances: vec![Instance { ports: vec![port(WEB, 443), port(API, 4000)], ..Instance::default() }],
            listen: vec!["192.0.2.1".parse().unwrap()],
            means: Means::Containers(Containers { reload, ..Containers::default() }),
        }
    }

    #[test]
    fn mail_is_verified_by_the_key_and_the_selector_that_it_is_signed_with() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path()).unwrap();
        dkim::ensure(&folder).unwrap();
        let ours = folder.read(dkim::RECORD).unwrap().unwrap();
        let key = folder.path("dkim.pem");
        fs_err::copy(folder.path(dkim::PRIVATE), &key).unwrap();
        for file in [dkim::PRIVATE, dkim::RECORD] {
            fs_err::remove_file(folder.path(file)).unwrap();
        }
        dkim::ensure(&folder).unwrap();
        assert_ne!(folder.read(dkim::RECORD).unwrap().unwrap(), ours, "another key is kept beside it");
        let means = |path| Means::Containers(Containers { inputs: vec![path], ..Containers::default() });
        let wanted = |path| Wanted { instances: Vec::new(), listen: Vec::new(), means: means(path) };
        let selected = |path| record(&folder, &wanted(path)).unwrap().map(|it| (it.selector, it.txt));
        assert_eq!(selected(key.clone()), Some(("default".to_owned(), ours.trim().to_owned())));
        folder.make("compose".as_ref(), 0o700).unwrap();
        folder.write(ENV, b"DKIM_KEY_SELECTOR=mail # of last year\n").unwrap();
        assert_eq!(selected(key).unwrap().0, "mail");
        assert_eq!(selected(folder.path("gone/dkim.pem")), None);
    }

    #[test]
    fn pages_are_found_by_name_behind_a_front_and_else_at_the_address_of_their_port() {
        let at = |wanted: &Wanted, name| page(wanted, name, "a.test").unwrap();
        let fronted = wanted(&["front"], None);
        assert_eq!(at(&fronted, WEB), "https://192.0.2.1:443");
        assert_eq!(at(&fronted, API), "https://api.a.test:4000");
        let alone = wanted(&[], Some("::1"));
        assert_eq!(at(&alone, API), "https://[::1]:4000");
    }
}
