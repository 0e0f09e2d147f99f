//! Requests over HTTP/1.1 (RFC 9112), one after another over one connection. No redirect is followed and no cookie
//! kept here: what the other side says is what the steps are about.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::http::response::Parts;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;

use crate::connect::{dial, encrypt};
use crate::failure::{Cause, Doing, Failure};
use crate::service::{Endpoint, Mailbox, Service};

/// More than this no answer to what is asked has.
const LONGEST: usize = 4 << 20;

/// A connection to a door that speaks HTTPS.
pub(crate) struct Connection<'a> {
    service: &'a Service,
    at: &'a Endpoint,
    sender: SendRequest<Full<Bytes>>,
    /// The `Authorization` that each request has, once there is one (RFC 7617).
    authorization: Option<HeaderValue>,
}

impl<'a> Connection<'a> {
    pub async fn open(service: &'a Service, at: &'a Endpoint) -> Result<Self, Failure> {
        let sender = connect(service, at).await.doing(format!("connect to https://{at}"))?;
        Ok(Self { service, at, sender, authorization: None })
    }

    /// Has every request from now on carry the mailbox's address and password.
    pub fn sign_in(&mut self, mailbox: &Mailbox) {
        let pair = format!("{}:{}", mailbox.address, mailbox.password.reveal());
        let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(pair)))
            .expect("the letters of base64 are letters of a header");
        value.set_sensitive(true);
        self.authorization = Some(value);
    }

    /// The door as a URL has it: the name that the certificate is for, not the address that it is reached by.
    pub fn origin(&self) -> String {
        format!("https://{}:{}", self.at.server_name, self.at.port)
    }

    /// Sends a request, to this door whatever host is in its URI, and reads the whole answer.
    pub async fn send(&mut self, request: Request<String>) -> Result<(Parts, Bytes), Cause> {
        // A server may end a connection after any answer (RFC 9112 section 9.6).
        if self.sender.ready().await.is_err() {
            self.sender = connect(self.service, self.at).await?;
        }
        let (mut head, body) = request.into_parts();
        // Only the path goes over the wire to an origin server (RFC 9112 section 3.2.1).
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri =
            path.parse::<Uri>().map_err(|error| Cause::Found(format!("{path:?} is no path: {error}")))?;
        let host = format!("{}:{}", self.at.server_name, self.at.port);
        let host = HeaderValue::from_str(&host)
            .map_err(|_| Cause::Found(format!("{host:?} is no name that a request can have")))?;
        head.headers.insert(HOST, host);
        if let Some(authorization) = &self.authorization {
            head.headers.insert(AUTHORIZATION, authorization.clone());
        }
        let request = Request::from_parts(head, Full::new(Bytes::from(body)));
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, LONGEST).collect().await;
        let body = body.map_err(|error| Cause::Found(format!("the answer cannot be read: {error}")))?;
        Ok((head, body.to_bytes()))
    }

    /// Asks for a page or a document.
    pub async fn get(&mut self, path: &str) -> Result<(Parts, Bytes), Cause> {
        self.send(Request::get(path).body(String::new())?).await
    }
}

/// A status that is not the one that it should be.
pub(crate) fn expect(status: StatusCode, wanted: StatusCode) -> Result<(), Cause> {
    if status == wanted { Ok(()) } else { Err(Cause::Http(status)) }
}

async fn connect(service: &Service, at: &Endpoint) -> Result<SendRequest<Full<Bytes>>, Cause> {
    let stream = encrypt(service, at, dial(at).await?).await?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // It ends when the sender is dropped; what went wrong with it, the sender tells.
    tokio::spawn(connection);
    Ok(sender)
}
