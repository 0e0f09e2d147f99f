//! Where an installation listens: kept with it, so that a later `up` need not be told again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use anyhow::Context;
use berth_engine::{Folder, Instance};
use serde::{Deserialize, Serialize};

const FILE: &str = "listening.json";

/// Apart from each other by this, no port of one installation is one of another's, and implicit TLS keeps its numbers'
/// endings.
const STEP: u16 = 4000;

/// From here on the kernel gives ports to clients (ip(7)).
const EPHEMERAL: u16 = 32768;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    pub port_offset: u16,
    pub listen: Vec<IpAddr>,
}

impl Listening {
    /// What is asked for, else what it was, else what it is at first.
    pub fn of(folder: &Folder, offset: Option<u16>, listen: &[IpAddr]) -> anyhow::Result<Self> {
        let kept = folder.read(FILE)?.map(|text| serde_json::from_str(&text));
        let kept: Option<Self> =
            kept.transpose().context("listening.json in the state folder cannot be read")?;
        let first =
            Self { port_offset: 0, listen: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] };
        let kept = kept.unwrap_or(first);
        let listen = if listen.is_empty() { kept.listen } else { listen.to_vec() };
        Ok(Self { port_offset: offset.unwrap_or(kept.port_offset), listen })
    }

    /// Written down when it has proved to be possible, so that a slip is not repeated.
    pub fn keep(&self, folder: &Folder) -> anyhow::Result<()> {
        Ok(folder.write(FILE, &serde_json::to_vec_pretty(self)?)?)
    }

    /// Another offset at which all ports are free now.
    pub fn free_offset(&self, instances: &[Instance]) -> Option<u16> {
        let ports = instances.iter().flat_map(|instance| &instance.ports);
        let ports: Vec<u16> = ports.map(|port| port.listening.number - self.port_offset).collect();
        free_offset(&ports, self.port_offset, |port| is_free(port, &self.listen))
    }
}

/// The first offset, other than this one, at which all of these numbers are free.
pub fn free_offset(numbers: &[u16], but: u16, is_free: impl Fn(u16) -> bool) -> Option<u16> {
    let offsets = (0..EPHEMERAL).step_by(STEP.into()).filter(|offset| *offset != but);
    offsets.into_iter().find(|offset| {
        let mut moved = numbers.iter().map(|number| number.checked_add(*offset));
        moved.all(|port| port.is_some_and(|port| port < EPHEMERAL && is_free(port)))
    })
}

/// Addresses that the host does not have are no hindrance.
pub fn is_free(port: u16, addresses: &[IpAddr]) -> bool {
    let taken = |address: &IpAddr| {
        let bound = TcpListener::bind((*address, port));
        bound.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
    };
    !addresses.iter().any(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_engine::Port;

    #[test]
    fn what_was_asked_for_once_stays_until_something_else_is() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path()).unwrap();
        let anywhere: IpAddr = Ipv4Addr::UNSPECIFIED.into();
        assert_eq!(Listening::of(&folder, None, &[]).unwrap().port_offset, 0);
        Listening::of(&folder, Some(4000), &[anywhere]).unwrap().keep(&folder).unwrap();
        let kept = Listening::of(&folder, None, &[]).unwrap();
        assert_eq!(kept, Listening { port_offset: 4000, listen: vec![anywhere] });
        assert_eq!(Listening::of(&folder, Some(0), &[]).unwrap().port_offset, 0, "0 is something else");
    }

    #[test]
    fn an_offset_is_proposed_at_which_nobody_listens() {
        let loopback: IpAddr = Ipv4Addr::LOCALHOST.into();
        let at = |number| {
            let listening =
                berth_control::Port { name: "x".into(), number, tls: berth_control::PortTls::None };
            Instance { ports: vec![Port { published: 1, listening, address: None }], ..Instance::default() }
        };
        // A port of this test's own, and all that are a step apart from it but one.
        let held = TcpListener::bind((loopback, 0)).unwrap();
        let base = 1024 + held.local_addr().unwrap().port() % 2000;
        let wanted = [at(base)];
        let listening = Listening { port_offset: 0, listen: vec![loopback] };
        let first = listening.free_offset(&wanted).unwrap();
        assert!(first >= STEP && first.is_multiple_of(STEP));
        let _taken = TcpListener::bind((loopback, base + first)).unwrap();
        assert_ne!(listening.free_offset(&wanted), Some(first));
    }
}
