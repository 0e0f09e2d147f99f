//! A port of this test, behind which something answers, or nothing.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{JoinHandle, spawn};

use berth_tests::{kept_port, wait_until};
use nix::sys::socket::{Shutdown, shutdown};

/// What the role sqlite answers to whoever has no credentials.
const UNAUTHORIZED: &[u8] = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A port on which connections are taken, until it is dropped.
pub struct Door {
    listener: Arc<TcpListener>,
    /// How often somebody has connected.
    knocks: Arc<AtomicUsize>,
    keeper: Option<JoinHandle<()>>,
}

impl Door {
    /// A port that refuses every request for want of credentials, as the role sqlite does.
    pub fn guarded() -> Self {
        Self::guarded_at("0")
    }

    /// The same on a port that was free a moment ago.
    pub fn guarded_at(port: &str) -> Self {
        Self::at(port.parse().unwrap(), |mut stream, _| {
            let mut request = Vec::new();
            let mut bytes = [0; 1024];
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read(&mut bytes) {
                    Ok(0) | Err(_) => return,
                    Ok(count) => request.extend(&bytes[..count]),
                }
            }
            // Whoever has left misses the answer.
            let _ = stream.write_all(UNAUTHORIZED);
        })
    }

    /// A port that says this to everybody, unasked, and listens until they leave.
    pub fn greeting(text: &'static str) -> Self {
        Self::at(0, |mut stream, _| {
            let _ = stream.write_all(text.as_bytes());
            let _ = stream.read_to_end(&mut Vec::new());
        })
    }

    /// A port that hangs up on everybody.
    pub fn closing() -> Self {
        Self::at(0, |stream, _| drop(stream))
    }

    /// A document store that can be written, and knows no users: {isWritablePrimary: true, ok: 1.0} in MongoDB's
    /// protocol, to whatever is asked.
    pub fn documents() -> Self {
        Self::documents_at("0")
    }

    /// The same on a port that was free a moment ago.
    pub fn documents_at(port: &str) -> Self {
        let document = b"\x25\0\0\0\x08isWritablePrimary\0\x01\x01ok\0\0\0\0\0\0\0\xf0\x3f\0";
        let answer =
            [[58, 7, 1, 2013, 0].map(i32::to_le_bytes).concat(), vec![0], document.to_vec()].concat();
        Self::at(port.parse().unwrap(), move |mut stream, _| {
            while stream.read(&mut [0; 1024]).is_ok_and(|count| count > 0) {
                let _ = stream.write_all(&answer);
            }
        })
    }

    /// A key-value store that lets in whoever gives this password.
    pub fn key_value(password: &'static str) -> Self {
        Self::at(0, move |mut stream, _| {
            let mut bytes = [0; 1024];
            let mut is_in = false;
            while let Ok(count @ 1..) = stream.read(&mut bytes) {
                let asked = String::from_utf8_lossy(&bytes[..count]).into_owned();
                is_in |= asked.contains("AUTH") && asked.contains(password);
                let answer = match () {
                    () if asked.contains("AUTH") && !is_in => "-WRONGPASS invalid username-password pair\r\n",
                    () if asked.contains("PING") && !is_in => "-NOAUTH Authentication required.\r\n",
                    () if asked.contains("PING") => "+PONG\r\n",
                    () => "+OK\r\n",
                };
                let _ = stream.write_all(answer.as_bytes());
                if asked.contains("QUIT") {
                    return;
                }
            }
        })
    }

    /// A port that takes connections and says nothing on them.
    pub fn silent() -> Self {
        Self::at(0, |stream, kept| kept.push(stream))
    }

    /// A port that says a byte to whoever has left, and keeps its own end of the connection.
    pub fn unclosing() -> Self {
        Self::at(0, |mut stream, kept| {
            let _ = stream.read_to_end(&mut Vec::new());
            let _ = stream.write_all(b"!");
            kept.push(stream);
        })
    }

    fn at(port: u16, answer: impl Fn(TcpStream, &mut Vec<TcpStream>) + Send + 'static) -> Self {
        // Once the door is closed, nobody else gets its port either.
        let port = if port == 0 { kept_port() } else { port };
        let listener = Arc::new(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
        let knocks = Arc::new(AtomicUsize::new(0));
        let keeper = spawn({
            let (listener, knocks) = (Arc::clone(&listener), Arc::clone(&knocks));
            move || {
                let mut kept = Vec::new();
                while let Ok((stream, _)) = listener.accept() {
                    knocks.fetch_add(1, Ordering::Relaxed);
                    answer(stream, &mut kept);
                }
            }
        });
        Self { listener, knocks, keeper: Some(keeper) }
    }

    /// Waits until somebody has connected.
    pub fn until_knocked(&self) {
        self.until_knocked_times(1);
    }

    pub fn until_knocked_times(&self, times: usize) {
        let what = format!("somebody has connected {times} times");
        wait_until(&what, || (self.knocks() >= times).then_some(()));
    }

    pub fn knocks(&self) -> usize {
        self.knocks.load(Ordering::Relaxed)
    }

    /// Connects to it, as a client.
    pub fn enter(&self) -> TcpStream {
        TcpStream::connect(self.address()).unwrap()
    }

    pub fn port(&self) -> String {
        self.address().port().to_string()
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Not left to close(2): a program that is just being started has the descriptor too, until its execve(2). This
        // wakes the keeper as well, whose accept(2) then fails.
        let _ = shutdown(self.listener.as_raw_fd(), Shutdown::Read);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// A port on which nobody listens, unless he was told of it.
pub fn nobody() -> String {
    kept_port().to_string()
}
