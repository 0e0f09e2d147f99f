//! The side that is asked: takes callers of our own user and root, and hands over what they ask.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

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

    /// Takes callers from now on, in tasks of its own, and hands over what they ask. Whoever is slow to ask or to
    /// listen keeps only himself waiting.
    #[must_use]
    pub fn serve(self) -> Callers {
        let (sender, asked) = channel(1);
        let listener = Arc::new(self);
        let callers = Callers { listener: Arc::clone(&listener), asked };
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok(stream) => drop(tokio::spawn(timeout(PATIENCE, attend(stream, sender.clone())))),
                    // Out of descriptors, most likely: later there may be some.
                    Err(_) => sleep(Duration::from_secs(1)).await,
                }
            }
        });
        callers
    }

    /// Waits for the next caller that may ask: our own user or root (SO_PEERCRED, unix(7)). Others are hung up on.
    async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.socket.accept().await?;
            let caller = stream.peer_cred()?.uid();
            if caller == 0 || caller == nix::unistd::geteuid().as_raw() {
                return Ok(stream);
            }
        }
    }
}

/// Those who ask.
#[derive(Debug)]
pub struct Callers {
    listener: Arc<Listener>,
    asked: Receiver<Asked>,
}

impl Callers {
    /// What somebody asks next; nothing when nobody can any more.
    pub async fn next(&mut self) -> Option<Asked> {
        self.asked.recv().await
    }

    /// Whether no caller is being attended to: the task that takes callers has the one sender that there is.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.asked.sender_strong_count() <= 1
    }
}

impl AsFd for Callers {
    /// Becomes readable when there is a caller.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.file {
            let _ = nix::unistd::unlink(path);
        }
    }
}

/// A request, and where its answer goes.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// Takes the answer; a caller who has left misses it.
    pub answer: oneshot::Sender<Answer>,
}

/// Reads a request, has it answered, passes the answer on and hangs up. What is not understood gets no answer.
async fn attend(stream: UnixStream, sender: Sender<Asked>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    (&mut stream).take(LONGEST).read_line(&mut line).await.ok()?;
    let request = serde_json::from_str(&line).ok()?;
    let (answer, answered) = oneshot::channel();
    sender.send(Asked { request, answer }).await.ok()?;
    let mut line = serde_json::to_vec(&answered.await.ok()?).ok()?;
    line.push(b'\n');
    stream.write_all(&line).await.ok()
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
        assert_eq!(Listener::bind(&address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let mut callers = listener.serve();
        assert!(callers.are_none());
        let Asked { request, answer } = callers.next().await.unwrap();
        assert_eq!(request, Request::Restart);
        assert!(!callers.are_none());
        answer.send(Answer::Accepted).unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), Answer::Accepted);
        // Its task ends after the caller has the answer.
        while !callers.are_none() {
            tokio::task::yield_now().await;
        }
    }
}
