//! Whether HTTP answers, and whether DAV and a WebSocket want credentials (RFC 9112, RFC 4918, RFC 6455).

use berth_role::TlsMode;

use crate::connection::Connection;
use crate::{Fault, ProbeError};

/// A page that answers with one of these statuses.
pub(crate) async fn get(
    connection: &mut Connection<'_>,
    path: &str,
    statuses: &[u16],
) -> Result<String, ProbeError> {
    request(connection, "GET", path, "Connection: close\r\n", statuses).await
}

/// A DAV collection that wants credentials (RFC 4918 section 9.1): a service whose DAV part is broken still answers
/// a plain GET.
pub(crate) async fn propfind(connection: &mut Connection<'_>) -> Result<String, ProbeError> {
    request(connection, "PROPFIND", "/", "Depth: 0\r\nContent-Length: 0\r\nConnection: close\r\n", &[401])
        .await
}

/// A WebSocket that wants credentials (RFC 6455 section 4.1). The key is any 16 bytes; nothing is kept secret by it.
pub(crate) async fn upgrade(connection: &mut Connection<'_>) -> Result<String, ProbeError> {
    request(connection, "GET", "/", UPGRADE, &[401]).await
}

/// The headers that ask for a WebSocket.
pub(crate) const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: YmVydGgtcHJvYmUtMTIzNA==\r\n";

/// A request, ready to be sent: the empty line at its end is the sender's line end.
pub(crate) fn head(connection: &Connection<'_>, method: &str, path: &str, headers: &str) -> String {
    let target = connection.target;
    // RFC 9110 section 7.2: an IPv6 address in brackets, and the port, as it is hardly ever the default one.
    let name = match &target.server_name {
        name if name.contains(':') => format!("[{name}]"),
        name => name.clone(),
    };
    let (port, version) = (target.port, env!("CARGO_PKG_VERSION"));
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {name}:{port}\r\nUser-Agent: berth-probe/{version}\r\n\
         Accept: */*\r\n{headers}"
    )
}

async fn request(
    connection: &mut Connection<'_>,
    method: &'static str,
    path: &str,
    headers: &str,
    statuses: &[u16],
) -> Result<String, ProbeError> {
    if connection.target.tls == TlsMode::StartTls {
        return Err(connection.fail(Fault::Unsupported("speak HTTP with STARTTLS")));
    }
    let head = head(connection, method, path, headers);
    connection.say(method, &head).await?;
    connection.parted = true;
    let line = connection.line().await?;
    if !status(&line).is_some_and(|status| statuses.contains(&status)) {
        let wanted: Vec<String> = statuses.iter().map(ToString::to_string).collect();
        return Err(connection.fail(Fault::Wrong(format!("status {}", wanted.join(" or ")))));
    }
    Ok(connection.summary(&line))
}

/// The code of a status line (RFC 9112 section 4): `HTTP/1.1 200 OK`, the words after it or not.
fn status(line: &str) -> Option<u16> {
    let mut words = line.strip_prefix("HTTP/1.")?.split(' ');
    let (minor, code) = (words.next()?, words.next()?);
    let is_number =
        |text: &str, digits| text.len() == digits && text.bytes().all(|digit| digit.is_ascii_digit());
    if is_number(minor, 1) && is_number(code, 3) { code.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::status;

    proptest! {
        /// The code that was written, and never a part of something longer.
        #[test]
        fn a_status_is_the_one_that_was_sent(minor in 0..=9, code in 100..=999u16, reason in ".{0,20}", damage in "[^ ]{1,3}") {
            prop_assert_eq!(status(&format!("HTTP/1.{minor} {code} {reason}")), Some(code));
            prop_assert_eq!(status(&format!("HTTP/1.{minor} {code}")), Some(code));
            prop_assert_eq!(status(&format!("HTTP/1.{minor} {code}{damage} {reason}")), None);
            prop_assert_eq!(status(&format!("HTTP/1.{minor}{damage} {code} {reason}")), None);
        }

        #[test]
        fn a_line_that_is_none_has_no_status(line in ".{0,40}", cut in 0..16usize) {
            prop_assert!(line.starts_with("HTTP/1.") || status(&line).is_none());
            let whole = "HTTP/1.1 200 OK";
            prop_assert_eq!(status(&whole[..cut.min(whole.len())]), (cut >= 12).then_some(200));
        }
    }
}
