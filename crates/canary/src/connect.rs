//! The way to a door: TCP, and TLS that is verified.

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::failure::Cause;
use crate::service::{Endpoint, Service};

pub(crate) type Stream = TlsStream<TcpStream>;

/// Connects. The libraries write a command in pieces; held back by Nagle's algorithm, each command takes 40 ms.
pub(crate) async fn dial(at: &Endpoint) -> Result<TcpStream, Cause> {
    let tcp = TcpStream::connect((at.host.as_str(), at.port)).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// Begins TLS, and goes on only with the certificate that the door must have.
pub(crate) async fn encrypt(service: &Service, at: &Endpoint, tcp: TcpStream) -> Result<Stream, Cause> {
    let name = ServerName::try_from(at.server_name.clone())
        .map_err(|_| Cause::Found(format!("{:?} is no name that a certificate can have", at.server_name)))?;
    Ok(service.roots.connector().connect(name, tcp).await?)
}
