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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::command;

    /// The strings of an array, read as a server does: by their lengths.
    fn strings(mut rest: &[u8]) -> Option<Vec<&[u8]>> {
        fn number<'a>(rest: &mut &'a [u8], kind: u8) -> Option<usize> {
            let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
            let (line, after): (&'a [u8], _) = (&rest[..end], &rest[end + 2..]);
            *rest = after;
            str::from_utf8(line.strip_prefix(&[kind])?).ok()?.parse().ok()
        }
        let count = number(&mut rest, b'*')?;
        let mut strings = Vec::new();
        for _ in 0..count {
            let length = number(&mut rest, b'$')?;
            let (string, after) = rest.split_at_checked(length)?;
            strings.push(string);
            rest = after.strip_prefix(b"\r\n")?;
        }
        rest.is_empty().then_some(strings)
    }

    proptest! {
        /// A password with line ends in it says no command of its own.
        #[test]
        fn a_command_is_read_as_the_words_that_it_was_made_of(
            words in prop::collection::vec(prop_oneof![".{0,8}", Just("\r\nQUIT\r\n".to_owned())], 0..5),
        ) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let read = command(&words);
            let expected: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
            prop_assert_eq!(strings(&read), Some(expected));
        }
    }
}
