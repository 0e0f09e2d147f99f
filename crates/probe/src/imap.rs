//! Whether IMAP answers (RFC 9051).

use berth_role::TlsMode;

use crate::connection::Connection;
use crate::{Fault, ProbeError};

/// Greeting, CAPABILITY, STARTTLS where it is expected and offered, LOGOUT (RFC 9051 section 6.1).
pub(crate) async fn speak(connection: &mut Connection<'_>) -> Result<String, ProbeError> {
    connection.greeting().await?;
    let greeting = connection.line().await?;
    if !starts_with(&greeting, "* OK ") {
        return Err(connection.fail(Fault::Wrong("* OK".to_owned())));
    }
    let capabilities = command(connection, "CAPABILITY", "a1").await?;
    if connection.target.tls == TlsMode::StartTls && has(&capabilities, "STARTTLS") {
        command(connection, "STARTTLS", "a2").await?;
        connection.secure().await?;
        command(connection, "CAPABILITY", "a3").await?;
    }
    connection.say("LOGOUT", "a4 LOGOUT").await?;
    connection.parted = true;
    answer(connection, "a4").await?;
    Ok(connection.summary(&greeting))
}

/// Sends a command and takes its answer; that to CAPABILITY is to name a revision of IMAP.
async fn command(
    connection: &mut Connection<'_>,
    name: &'static str,
    tag: &str,
) -> Result<Vec<String>, ProbeError> {
    connection.say(name, &format!("{tag} {name}")).await?;
    let untagged = answer(connection, tag).await?;
    let is_imap = || has(&untagged, "IMAP4rev1") || has(&untagged, "IMAP4rev2");
    if name == "CAPABILITY" && !is_imap() {
        return Err(connection.fail(Fault::Wrong("IMAP4rev1 or IMAP4rev2".to_owned())));
    }
    Ok(untagged)
}

/// The untagged lines up to the OK of this tag.
async fn answer(connection: &mut Connection<'_>, tag: &str) -> Result<Vec<String>, ProbeError> {
    let mut untagged = Vec::new();
    loop {
        let line = connection.line().await?;
        if starts_with(&line, &format!("{tag} OK")) {
            return Ok(untagged);
        }
        if !line.starts_with("* ") {
            return Err(connection.fail(Fault::Wrong(format!("{tag} OK"))));
        }
        untagged.push(line);
    }
}

fn has(untagged: &[String], capability: &str) -> bool {
    let lines = untagged.iter().filter(|line| starts_with(line, "* CAPABILITY "));
    lines.flat_map(|line| line.split(' ')).any(|word| word.eq_ignore_ascii_case(capability))
}

fn starts_with(line: &str, prefix: &str) -> bool {
    line.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
