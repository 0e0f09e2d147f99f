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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::runtime::Builder;

    use super::*;

    /// Lines as Node writes them, and others.
    fn said() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => Just(b"\"ready\"\n".to_vec()),
            2 => prop::sample::select(&["\"ready\"", "\n", "\r\n", "ready", "{\"cmd\":\"NODE_x\"}\n", "\0", "\"rea"][..])
                .prop_map(|piece| piece.as_bytes().to_vec()),
            2 => prop::collection::vec(any::<u8>(), 0..20),
            1 => (0..3 * LONGEST).prop_map(|length| vec![b'x'; length]),
        ];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        /// However it comes in pieces: ready is a line of its own, and of a line without end no more is kept than of a long one.
        #[test]
        fn ready_is_one_whole_line_and_nothing_else(said in said(), size in 1..700usize) {
            let runtime = Builder::new_current_thread().enable_io().build().unwrap();
            let _inside = runtime.enter();
            let (mut channel, _theirs) = Channel::new().unwrap();
            let mut heard = false;
            for piece in said.chunks(size) {
                heard |= channel.heard(piece);
                prop_assert!(channel.line.len() <= LONGEST);
            }
            // What has no line end yet is no line.
            let whole = &said[..said.iter().rposition(|byte| *byte == b'\n').unwrap_or(0)];
            prop_assert_eq!(heard, whole.split(|byte| *byte == b'\n').any(|line| line == READY));
        }
    }
}
