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

impl Offset {
    /// An offset at which these ports are free. `claimed` is told one that is held, before its ports are looked at.
    /// Where many tests run at a time, some wait for the ports of others.
    pub fn reserve(ports: &[u16], claimed: impl Fn(u16)) -> Self {
        let reserve = |number: u16| {
            let name = SocketAddr::from_abstract_name(format!("berth-tests-offset-{number}")).ok()?;
            let reserved = UnixListener::bind_addr(&name).ok()?;
            claimed(number);
            let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", port + number)).is_ok();
            ports.iter().all(is_free).then_some(Self { number, _reserved: reserved })
        };
        wait_until_within(Duration::from_mins(5), "ports that nobody has", || {
            (1000..=25000).step_by(4000).find_map(reserve)
        })
    }
}
