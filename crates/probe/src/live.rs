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
    let said = match target.tls {
        TlsMode::Implicit => connection.summary("handshake"),
        TlsMode::StartTls => {
            connection.begin("greeting");
            let goodbye = if connection.peek().await? == b'*' { "a1 LOGOUT" } else { "QUIT" };
            // The sign of life is given; whether the goodbye arrives is of no interest.
            let _ = connection.say("goodbye", goodbye).await;
            "greets".to_owned()
        }
        // An upgrade, because a WebSocket server may leave a plain request without any answer.
        TlsMode::None => {
            let head = http::head(&connection, "GET", "/", http::UPGRADE);
            connection.say("GET", &head).await?;
            connection.peek().await?;
            "answers".to_owned()
        }
    };
    connection.close().await;
    Ok(said)
}
