//! Whether POP3 answers (RFC 1939).

use berth_role::TlsMode;

use crate::connection::Connection;
use crate::{Fault, ProbeError};

/// Greeting, CAPA, STLS where it is expected and offered, QUIT (RFC 1939, RFC 2449, RFC 2595 section 4).
pub(crate) async fn speak(connection: &mut Connection<'_>) -> Result<String, ProbeError> {
    connection.greeting().await?;
    let greeting = answer(connection).await?;
    connection.say("CAPA", "CAPA").await?;
    let capabilities = capabilities(connection).await?;
    let offered = capabilities.iter().any(|line| line.eq_ignore_ascii_case("STLS"));
    if offered && connection.target.tls == TlsMode::StartTls {
        connection.say("STLS", "STLS").await?;
        answer(connection).await?;
        connection.secure().await?;
    }
    connection.say("QUIT", "QUIT").await?;
    connection.parted = true;
    answer(connection).await?;
    Ok(connection.summary(&greeting))
}

async fn answer(connection: &mut Connection<'_>) -> Result<String, ProbeError> {
    let line = connection.line().await?;
    if line == "+OK" || line.starts_with("+OK ") {
        Ok(line)
    } else {
        Err(connection.fail(Fault::Wrong("+OK".to_owned())))
    }
}

/// The lines up to the dot; none from a service that does not know the command.
async fn capabilities(connection: &mut Connection<'_>) -> Result<Vec<String>, ProbeError> {
    let first = connection.line().await?;
    if first.starts_with("-ERR") {
        return Ok(Vec::new());
    }
    if !first.starts_with("+OK") {
        return Err(connection.fail(Fault::Wrong("+OK or -ERR".to_owned())));
    }
    let mut lines = Vec::new();
    loop {
        match connection.line().await? {
            line if line == "." => return Ok(lines),
            line => lines.push(line),
        }
    }
}
