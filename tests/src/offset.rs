//! Ports that no other test has.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Duration;

use crate::wait::wait_until_within;

/// What is added to every port of a service. Held against other tests, those of other processes too; the kernel lets go
/// of it with us.
#[derive(Debug)]
pub struct Offset {
    /// The number: none that people take for a second or third installation, and below the ephemeral ports.
    pub number: u16,
    _reserved: UnixListener,
}

/// All that are used.
const NUMBERS: [u16; 7] = [1000, 5000, 9000, 13000, 17000, 21000, 25000];

impl Offset {
    /// An offset at which these ports are free. Where many tests run at a time, some wait for the ports of others.
    #[must_use]
    pub fn reserve(ports: &[u16]) -> Self {
        let is_free =
            |number: u16| ports.iter().all(|port| TcpListener::bind(("127.0.0.1", port + number)).is_ok());
        wait_until_within(Duration::from_mins(5), "ports that nobody has", || {
            NUMBERS.into_iter().filter_map(Self::hold).find(|held| is_free(held.number))
        })
    }

    /// Every offset that nobody holds now, held while it is handed out: what was made at one is left behind by somebody
    /// who is no more.
    pub fn unheld() -> impl Iterator<Item = Self> {
        NUMBERS.into_iter().filter_map(Self::hold)
    }

    fn hold(number: u16) -> Option<Self> {
        let name = SocketAddr::from_abstract_name(format!("berth-tests-offset-{number}")).ok()?;
        Some(Self { number, _reserved: UnixListener::bind_addr(&name).ok()? })
    }
}
