use std::os::fd::{AsRawFd, IntoRawFd};

use nix::sys::socket::sockopt::ReuseAddr;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, getsockname, setsockopt, socket,
};

/// A port on which nobody listens, unless he was told of it.
///
/// It is bound and never listened on: the kernel gives it to nobody who asks for any port, and whoever asks for this one and
/// allows it to be in use gets it (SO_REUSEADDR, socket(7)). It is kept as long as the tests run.
#[must_use]
pub fn kept_port() -> u16 {
    let keep = || -> nix::Result<u16> {
        let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&socket, ReuseAddr, &true)?;
        bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0))?;
        Ok(getsockname::<SockaddrIn>(socket.into_raw_fd())?.port())
    };
    keep().expect("127.0.0.1 has a port that is free")
}
