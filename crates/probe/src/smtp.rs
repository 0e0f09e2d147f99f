//! Whether SMTP answers (RFC 5321).

use berth_role::TlsMode;

use crate::connection::Connection;
use crate::{Fault, ProbeError};

/// An address literal, as a client without a name of its own gives (RFC 5321 section 4.1.3).
const EHLO: &str = "EHLO [127.0.0.1]";

/// Greeting, EHLO, STARTTLS where it is expected and offered, QUIT.
pub(crate) async fn speak(connection: &mut Connection<'_>) -> Result<String, ProbeError> {
    connection.greeting().await?;
    let greeting = reply(connection, "220").await?.swap_remove(0);
    connection.say("EHLO", EHLO).await?;
    let extensions = reply(connection, "250").await?;
    let offered = extensions.iter().skip(1).any(|line| {
        // A line may end after its code (RFC 5321 section 4.2).
        line.get(4..).is_some_and(|text| text.eq_ignore_ascii_case("STARTTLS"))
    });
    if offered && connection.target.tls == TlsMode::StartTls {
        connection.say("STARTTLS", "STARTTLS").await?;
        reply(connection, "220").await?;
        connection.secure().await?;
        // What was said before the handshake does not count any more (RFC 3207 section 4.2).
        connection.say("EHLO under TLS", EHLO).await?;
        reply(connection, "250").await?;
    }
    connection.say("QUIT", "QUIT").await?;
    connection.parted = true;
    reply(connection, "221").await?;
    Ok(connection.summary(&greeting))
}

/// All lines of a reply that has this code (RFC 5321 section 4.2.1); there is at least one.
async fn reply(connection: &mut Connection<'_>, code: &str) -> Result<Vec<String>, ProbeError> {
    let mut lines = Vec::new();
    loop {
        let line = connection.line().await?;
        let more = match line.strip_prefix(code).map(|rest| rest.bytes().next()) {
            Some(Some(b'-')) => true,
            Some(Some(b' ') | None) => false,
            _ => return Err(connection.fail(Fault::Wrong(code.to_owned()))),
        };
        lines.push(line);
        if !more {
            return Ok(lines);
        }
    }
}
