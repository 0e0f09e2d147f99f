use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::{Address, Answer, LONGEST, Request};

/// A caller that says nothing is not kept for longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The socket on which an init is asked. Must be made inside a tokio runtime.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    file: Option<PathBuf>,
}

impl Listener {
    /// Listens at `address`. A socket file that a dead init left behind is replaced.
    pub fn bind(address: &Address) -> io::Result<Self> {
        let file = match address {
            Address::File(path) => Some(path.clone()),
            Address::Namespace(_) => None,
        };
        if let Some(path) = &file {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            let _ = nix::unistd::unlink(path);
        }
        let socket = StdListener::bind_addr(&address.socket()?)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UnixListener::from_std(socket)?, file })
    }

    /// Waits for the next caller that may ask: our own user or root (SO_PEERCRED, unix(7)). Others are hung up on.
    pub async fn accept(&self) -> io::Result<Caller> {
        loop {
            let (stream, _) = self.socket.accept().await?;
            let caller = stream.peer_cred()?.uid();
            if caller == 0 || caller == nix::unistd::geteuid().as_raw() {
                return Ok(Caller { stream: BufReader::new(stream) });
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.file {
            let _ = nix::unistd::unlink(path);
        }
    }
}

/// Somebody who asks.
#[derive(Debug)]
pub struct Caller {
    stream: BufReader<UnixStream>,
}

impl Caller {
    /// Reads what is asked; nothing when it is not understood or does not come in time.
    pub async fn request(&mut self) -> Option<Request> {
        let mut line = String::new();
        let mut bounded = (&mut self.stream).take(LONGEST);
        timeout(PATIENCE, bounded.read_line(&mut line)).await.ok()?.ok()?;
        serde_json::from_str(&line).ok()
    }

    /// Answers and hangs up. A caller who does not wait for the answer misses it.
    pub async fn answer(mut self, answer: &Answer) {
        let Ok(mut line) = serde_json::to_vec(answer) else { return };
        line.push(b'\n');
        let _ = timeout(PATIENCE, self.stream.write_all(&line)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask;

    #[tokio::test]
    async fn a_request_is_answered_and_the_file_of_a_dead_init_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("init.sock");
        drop(StdListener::bind(&path).unwrap());
        let address = Address::File(path.clone());
        let listener = Listener::bind(&address).unwrap();
        let asked = {
            let address = address.clone();
            tokio::task::spawn_blocking(move || ask(&address, Request::Restart, PATIENCE))
        };
        let mut caller = listener.accept().await.unwrap();
        assert_eq!(caller.request().await, Some(Request::Restart));
        caller.answer(&Answer::Accepted).await;
        assert_eq!(asked.await.unwrap().unwrap(), Answer::Accepted);

        assert_eq!(Listener::bind(&address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert!(!path.exists());
    }
}
