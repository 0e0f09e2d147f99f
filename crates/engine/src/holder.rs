//! Who holds a port.

use std::fmt;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::process;

/// A process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its command line, shortened.
    pub command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.pid, self.command)
    }
}

/// Until its last thread is gone, a process that was killed keeps its sockets though it is a zombie already.
const LETS_GO_WITHIN: Duration = Duration::from_secs(2);

/// Whether the port can be listened on, at each of the addresses that the host has. One that nobody is seen to
/// hold is given a moment: its holder may be about to be gone.
pub fn is_free(port: u16, addresses: &[IpAddr]) -> io::Result<bool> {
    let begin = Instant::now();
    while !can_listen(port, addresses)? {
        if of(port).is_some() || begin.elapsed() > LETS_GO_WITHIN {
            return Ok(false);
        }
        sleep(Duration::from_millis(10));
    }
    Ok(true)
}

/// Tried, not looked up: only the kernel knows all the reasons. A server's own option SO_REUSEADDR is std's
/// default (socket(7)).
fn can_listen(port: u16, addresses: &[IpAddr]) -> io::Result<bool> {
    for address in addresses {
        match TcpListener::bind((*address, port)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Ok(false),
            // EAFNOSUPPORT has no kind of its own; both mean that the host has no such address.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32) => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    Ok(true)
}

/// The process that listens on a port, when it is ours to see.
#[must_use]
pub fn of(port: u16) -> Option<Holder> {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs_err::read_to_string(path).unwrap_or_default());
    let sockets: Vec<String> = tables
        .iter()
        .flat_map(|table| listeners(table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let holds = |pid: &u32| {
        let files = fs_err::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let links = files.filter_map(|file| fs_err::read_link(file.path()).ok());
        links.into_iter().any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))
    };
    let pid = process::all().find(holds)?;
    Some(Holder { pid, command: process::command(pid)? })
}

/// The inodes of the sockets that listen on a port (proc_net_tcp(5): local address and port in hexadecimal,
/// state 0A is TCP_LISTEN, the inode is the tenth field).
fn listeners(table: &str, port: u16) -> impl Iterator<Item = u64> {
    table.lines().skip(1).filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()?;
        (number == port && *fields.get(3)? == "0A").then(|| fields.get(9)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn only_listening_sockets_on_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:0BB1 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0\n\
            1: 0100007F:0BB1 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0 20 4 30 10 -1\n\
            2: 00000000:0BB2 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4713 1 0 100 0 0 10 0\n";
        assert_eq!(listeners(table, 0x0bb1).collect::<Vec<_>>(), [4711]);
    }

    #[test]
    fn a_port_that_we_hold_is_named_as_ours() {
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let listener = TcpListener::bind((loopback, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port, &[loopback]).unwrap());
        assert_eq!(of(port).unwrap().pid, std::process::id());
        drop(listener);
        assert!(is_free(port, &[loopback]).unwrap());
    }
}
