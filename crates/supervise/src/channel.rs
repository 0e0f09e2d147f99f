//! Hears `ready` from the main process.
//!
//! Node opens an IPC channel when NODE_CHANNEL_FD names an inherited socket; `process.send('ready')` then writes
//! the JSON text `"ready"` and a newline. That is the whole protocol as we need it; any other line is passed over.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;

use tokio::net::UnixStream;

/// The message, as it stands on the line.
const READY: &[u8] = b"\"ready\"";

/// A line that is longer is no message of ours, and is not kept.
const LONGEST: usize = 4096;

/// Our end of the channel.
#[derive(Debug)]
pub(crate) struct Channel {
    stream: UnixStream,
    line: Vec<u8>,
}

impl Channel {
    /// A channel, and the end that the main process inherits.
    pub fn new() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok((Self { stream: UnixStream::from_std(ours)?, line: Vec::new() }, theirs.into()))
    }

    /// Waits until the main process says that it is ready (true) or closes the channel (false). Keeps its place
    /// when it is dropped half-way.
    pub async fn ready(&mut self) -> bool {
        loop {
            if self.stream.readable().await.is_err() {
                return false;
            }
            let mut bytes = [0; 512];
            match self.stream.try_read(&mut bytes) {
                Ok(0) => return false,
                Ok(count) => {
                    if self.heard(&bytes[..count]) {
                        return true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
    }

    fn heard(&mut self, bytes: &[u8]) -> bool {
        let mut ready = false;
        for byte in bytes {
            if *byte == b'\n' {
                ready |= self.line == READY;
                self.line.clear();
            } else if self.line.len() < LONGEST {
                self.line.push(*byte);
            }
        }
        ready
    }
}

impl AsFd for Channel {
    /// Becomes readable when the main process says something, or closes it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
