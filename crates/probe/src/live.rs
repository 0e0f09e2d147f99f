//! Whether there is anybody at all: less than health, and asked of what may be busy.

use std::sync::Arc;

use berth_role::TlsMode;
use tokio_rustls::rustls::ClientConfig;

use crate::connection::Connection;
use crate::{Fault, Patience, ProbeError, Target, http};

/// Any byte or a finished handshake. An answer that is wrong is a sign of life all the same.
pub(crate) async fn sign_of_life(
    tls: &Arc<ClientConfig>,
    target: &Target,
    patience: Patience,
) -> Result<String, ProbeError> {
    let mut connection = match Connection::open(tls, target, patience).await {
        // Something was read that is not TLS.
        Err(ProbeError { fault: Fault::NotTls(_), .. }) => return Ok("answers, though not in TLS".to_owned()),
        opened => opened?,
    };
    let said = wait(&mut connection).await;
    connection.close().await;
    said
}

async fn wait(connection: &mut Connection<'_>) -> Result<String, ProbeError> {
    match connection.target.tls {
        TlsMode::Implicit => Ok(connection.summary("handshake")),
        TlsMode::StartTls => connection.greeting().await.map(|_| "greets".to_owned()),
        // An upgrade, because a WebSocket server may leave a plain request without any answer.
        TlsMode::None => {
            let head = http::head(connection, "GET", "/", http::UPGRADE);
            connection.say("GET", &head).await?;
            connection.peek().await.map(|_| "answers".to_owned())
        }
    }
}
