//! Whether a key-value store answers, and lets us in: Redis' protocol, RESP2.

use std::fmt;

use crate::connection::Connection;
use crate::{Fault, ProbeError, Target};

/// A key-value store, and who we are there.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// Where it is.
    pub target: Target,
    /// Empty: the default user.
    pub user: String,
    /// Empty: nobody logs in.
    pub password: String,
}

/// Leaves out what may be a secret.
impl fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyValue").field("target", &self.target).finish_non_exhaustive()
    }
}

/// AUTH where there is a password, PING, QUIT.
pub(crate) async fn speak(connection: &mut Connection<'_>, store: &KeyValue) -> Result<String, ProbeError> {
    if !store.password.is_empty() {
        let user = Some(store.user.as_str()).filter(|user| !user.is_empty());
        let words: Vec<_> = ["AUTH"].into_iter().chain(user).chain([store.password.as_str()]).collect();
        connection.confide("AUTH", &command(&words)).await?;
        let line = connection.line().await?;
        if line != "+OK" && !wants_none(&line) {
            let refused = ["-WRONGPASS", "-ERR invalid password"].iter().any(|start| line.starts_with(start));
            return Err(connection.fail(if refused {
                Fault::Refused
            } else {
                Fault::Wrong("+OK".to_owned())
            }));
        }
    }
    connection.send("PING", &command(&["PING"])).await?;
    let line = connection.line().await?;
    if line != "+PONG" {
        return Err(connection.fail(match line {
            line if line.starts_with("-NOAUTH") => Fault::Refused,
            _ => Fault::Wrong("+PONG".to_owned()),
        }));
    }
    connection.send("QUIT", &command(&["QUIT"])).await?;
    connection.parted = true;
    match connection.line().await?.as_str() {
        "+OK" => Ok(connection.summary("PONG")),
        _ => Err(connection.fail(Fault::Wrong("+OK".to_owned()))),
    }
}

/// A password was given to a server that has none, which clients take for a yes: Redis since 6, and before.
fn wants_none(line: &str) -> bool {
    line.starts_with("-ERR AUTH <password> called without any password configured")
        || line.starts_with("-ERR Client sent AUTH, but no password is set")
}

/// An array of bulk strings, in which any byte may be.
fn command(words: &[&str]) -> Vec<u8> {
    let head = format!("*{}\r\n", words.len());
    let strings = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    std::iter::once(head).chain(strings).collect::<String>().into_bytes()
}
