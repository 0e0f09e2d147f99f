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
    let status =
        line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
    if !status.is_some_and(|status: u16| statuses.contains(&status)) {
        let wanted: Vec<String> = statuses.iter().map(ToString::to_string).collect();
        return Err(connection.fail(Fault::Wrong(format!("status {}", wanted.join(" or ")))));
    }
    Ok(connection.summary(&line))
}
