//! Where a host is, by its name.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::thread::Builder;

use tokio::sync::oneshot;

/// The addresses of a host. One that is given by address needs no resolver; for a name it is asked in a thread, because
/// getaddrinfo(3) waits. Not in one of tokio's: at a limit of processes (`pids.max`, cgroups(7)), where no thread can be
/// started, tokio panics, and PID 1 would end by that.
pub(crate) async fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    let (answer, answered) = oneshot::channel();
    let name = (host.to_owned(), port);
    let look_up = move || {
        // Who asked may have given up.
        let _ = answer.send(name.to_socket_addrs().map(Vec::from_iter));
    };
    Builder::new().name("resolver".to_owned()).spawn(look_up)?;
    answered.await.map_err(io::Error::other)?
}
