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
    socket: Arc<UnixListener>,
    file: SocketFile,
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
        Ok(Self { socket: Arc::new(UnixListener::from_std(socket)?), file: SocketFile(file) })
    }

    /// Takes callers from now on, in tasks of its own, and hands over what they ask. Whoever is slow to ask or to
    /// listen keeps only himself waiting.
    #[must_use]
    pub fn serve(self) -> Callers {
        let (sender, asked) = channel(1);
        let callers = Callers { socket: Arc::clone(&self.socket), asked, _file: self.file };
        let socket = self.socket;
        tokio::spawn(async move {
            loop {
                match accept(&socket).await {
                    Ok(stream) => drop(tokio::spawn(timeout(PATIENCE, attend(stream, sender.clone())))),
                    // Out of descriptors, most likely: later there may be some.
                    Err(_) => sleep(Duration::from_secs(1)).await,
                }
            }
        });
        callers
    }
}

/// Waits for the next caller that may ask: our own user or root (SO_PEERCRED, unix(7)). Others are hung up on.
async fn accept(socket: &UnixListener) -> io::Result<UnixStream> {
    loop {
        let (stream, _) = socket.accept().await?;
        let caller = stream.peer_cred()?.uid();
        if caller == 0 || caller == nix::unistd::geteuid().as_raw() {
            return Ok(stream);
        }
    }
}

/// Those who ask. The socket's file goes with them, whatever becomes of the runtime.
#[derive(Debug)]
pub struct Callers {
    socket: Arc<UnixListener>,
    asked: Receiver<Asked>,
    _file: SocketFile,
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
        self.socket.as_fd()
    }
}

/// The file of a socket that has one.
#[derive(Debug)]
struct SocketFile(Option<PathBuf>);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
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
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream as StdStream;

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;
    use crate::{AskError, ask};

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

    /// Requests, as far as they can be, and bytes that are none.
    fn said() -> impl Strategy<Value = Vec<u8>> {
        let request =
            prop_oneof![
                Just(Request::Status),
                Just(Request::Metrics),
                Just(Request::Credentials),
                Just(Request::Restart),
                (any::<bool>(), any::<bool>(), any::<u64>())
                    .prop_map(|(live, good, took_ms)| Request::Checked { live, good, took_ms }),
            ];
        let request = request.prop_map(|request| serde_json::to_string(&request).unwrap() + "\n");
        prop_oneof![
            3 => request.clone().prop_map(String::into_bytes),
            2 => (request, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(request, at, byte)| {
                let mut bytes = request.into_bytes();
                let at = at.index(bytes.len());
                bytes[at] = byte;
                bytes
            }),
            2 => prop::collection::vec(any::<u8>(), 0..100),
            1 => (0..80_000usize).prop_map(|depth| vec![b'['; depth]),
        ]
    }

    /// Whatever a caller says: it is a request, which is handed over as it was said and answered, or the caller is hung up on. The
    /// next one is served all the same.
    #[test]
    fn a_caller_is_understood_or_hung_up_on() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("init.sock");
        let asked = runtime.block_on(async { Listener::bind(&Address::File(path.clone())).unwrap().serve() });
        let asked = tokio::sync::Mutex::new(asked);
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
        let tried = runner.run(&said(), |said| {
            let line = said.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
            let expected = serde_json::from_slice::<Request>(line).ok();
            let (path, said) = (path.clone(), said.clone());
            let caller = std::thread::spawn(move || {
                let mut stream = StdStream::connect(path).unwrap();
                // One that is hung up on half-way through a long line cannot go on.
                let _ = stream.write_all(&said);
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer);
                answer
            });
            let handed_over = runtime.block_on(async {
                let mut asked = asked.lock().await;
                loop {
                    tokio::select! {
                        biased;
                        asked = asked.next() => {
                            let Asked { request, answer } = asked.unwrap();
                            answer.send(Answer::Accepted).unwrap();
                            break Some(request);
                        }
                        () = sleep(Duration::from_millis(1)) => if caller.is_finished() { break None },
                    }
                }
            });
            // The answer is written by the listener's own task.
            runtime.block_on(async {
                while !caller.is_finished() {
                    sleep(Duration::from_millis(1)).await;
                }
            });
            let answer = caller.join().unwrap();
            prop_assert_eq!(handed_over, expected);
            prop_assert_eq!(!answer.is_empty(), expected.is_some());
            Ok(())
        });
        tried.unwrap();
    }

    /// An init that answers without end, or with anything but an answer, is told of as such.
    #[test]
    fn an_answer_that_is_none_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("init.sock");
        let listener = StdListener::bind(&path).unwrap();
        let bytes = prop_oneof![
            3 => prop::collection::vec(any::<u8>(), 0..200),
            1 => Just(vec![b'{'; 200_000]),
            1 => Just(br#"{"answer":"accepted"}"#.to_vec()),
        ];
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
        let tried = runner.run(&bytes, |bytes| {
            let said = bytes.clone();
            let listener = listener.try_clone().unwrap();
            let init = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 21];
                stream.read_exact(&mut request).unwrap();
                // Who has read enough hangs up.
                let _ = stream.write_all(&said);
            });
            let answer = ask(&Address::File(path.clone()), Request::Status, PATIENCE);
            init.join().unwrap();
            let line = bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
            match answer {
                Ok(answer) => prop_assert_eq!(serde_json::from_slice::<Answer>(line).ok(), Some(answer)),
                Err(AskError::Garbled(_)) => prop_assert!(serde_json::from_slice::<Answer>(line).is_err()),
                Err(AskError::Silent(_)) => prop_assert!(line.is_empty() || str::from_utf8(line).is_err()),
                Err(other) => prop_assert!(false, "{other}"),
            }
            Ok(())
        });
        tried.unwrap();
    }
}
