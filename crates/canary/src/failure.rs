//! Why something could not be done, and what the reader can do.

use std::error::Error;
use std::io;
use std::time::Duration;

use hyper::StatusCode;
use libdav::dav::PutResourceParseError;
use libdav::requests::ParseResponseError;
use rustls::CertificateError;

/// What could not be done. Its sources say why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}")]
pub struct Failure {
    what: String,
    #[source]
    cause: Cause,
}

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the other side closed the connection")]
    Closed,
    #[error("it took longer than {} s", .0.as_secs_f32())]
    Late(Duration),
    #[error("it was interrupted")]
    Interrupted,
    #[error("the server does not offer {0}")]
    Missing(&'static str),
    #[error("the server answered: {0}")]
    Refused(String),
    #[error("the server answered: {0}")]
    SignIn(String),
    #[error("the server answered: {0}")]
    Http(StatusCode),
    #[error("{0}")]
    Found(String),
}

impl Cause {
    /// The same, where what was refused is a name and a password.
    pub fn of_sign_in(self) -> Self {
        match self {
            Self::Refused(reply) => Self::SignIn(reply),
            other => other,
        }
    }
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>, cause: impl Into<Cause>) -> Self {
        Self { what: what.into(), cause: cause.into() }
    }

    /// What could not be done and each cause of it, the nearest first.
    #[must_use]
    pub fn because(&self) -> Vec<String> {
        let first: &dyn Error = self;
        let causes = std::iter::successors(Some(first), |&error| error.source());
        let mut chain: Vec<_> = causes.map(ToString::to_string).collect();
        // Several libraries print their source and return it as well.
        chain.dedup_by(|inner, outer| outer.ends_with(inner.as_str()));
        chain
    }

    /// What the reader can do, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match &self.cause {
            Cause::SignIn(reply) | Cause::Refused(reply)
                if reply.starts_with('4') || reply.starts_with("[UNAVAILABLE]") =>
            {
                "the server asks to try again later: its log says why"
            }
            Cause::Http(status) if status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS => {
                "the server asks to try again later: its log says why"
            }
            Cause::SignIn(_) | Cause::Http(StatusCode::UNAUTHORIZED) => {
                "is the password right, and the mailbox not locked after wrong ones?"
            }
            Cause::Late(_) => "what it waits for is in the logs of the service",
            Cause::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                "nothing listens there: is the role running, and on this port?"
            }
            Cause::Io(error) => certificate(error)?,
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

fn certificate(error: &io::Error) -> Option<&'static str> {
    match error.get_ref()?.downcast_ref()? {
        // A new authority by the old one's name shows as a bad signature.
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => Some(
            "the certificate does not come from an authority that is trusted here, or its chain is not whole",
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some("the certificate is for other names: issue one that has this name too"),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => Some("the certificate has expired: renew it, and restart what has loaded it"),
        rustls::Error::InvalidMessage(_) => Some("this port does not begin with TLS"),
        _ => None,
    }
}

impl From<async_imap::error::Error> for Cause {
    fn from(error: async_imap::error::Error) -> Self {
        use async_imap::error::Error;
        match error {
            Error::Io(error) => Self::Io(error),
            Error::ConnectionLost => Self::Closed,
            Error::Bad(reply) | Error::No(reply) => Self::Refused(said(&reply)),
            other => Self::Found(other.to_string()),
        }
    }
}

impl From<mail_send::Error> for Cause {
    fn from(error: mail_send::Error) -> Self {
        use mail_send::Error;
        match error {
            Error::Io(error) => Self::Io(error),
            Error::Tls(error) => Self::Io(io::Error::new(io::ErrorKind::InvalidData, *error)),
            Error::UnexpectedReply(reply) => Self::Refused(spell(reply.code(), reply.message())),
            Error::AuthenticationFailed(reply) => Self::SignIn(spell(reply.code(), reply.message())),
            Error::MissingStartTls => Self::Missing("STARTTLS"),
            Error::UnsupportedAuthMechanism => Self::Missing("AUTH with a password"),
            // The library cannot tell the end of the connection from an answer that is none.
            Error::UnparseableReply => {
                Self::Found("the other side closed the connection, or sent no SMTP".into())
            }
            other => Self::Found(other.to_string()),
        }
    }
}

impl From<hyper::Error> for Cause {
    fn from(error: hyper::Error) -> Self {
        if error.is_canceled() || error.is_closed() || error.is_incomplete_message() {
            return Self::Closed;
        }
        let below = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        Self::Found(format!("this is no HTTP: {below}"))
    }
}

impl From<hyper::http::Error> for Cause {
    fn from(error: hyper::http::Error) -> Self {
        Self::Found(error.to_string())
    }
}

impl From<StatusCode> for Cause {
    fn from(status: StatusCode) -> Self {
        Self::Http(status)
    }
}

impl From<ParseResponseError> for Cause {
    fn from(error: ParseResponseError) -> Self {
        match error {
            ParseResponseError::BadStatusCode(status) => Self::Http(status),
            other => Self::Found(other.to_string()),
        }
    }
}

impl From<PutResourceParseError> for Cause {
    fn from(error: PutResourceParseError) -> Self {
        match error {
            PutResourceParseError::BadStatusCode(status) => Self::Http(status),
            other => Self::Found(other.to_string()),
        }
    }
}

/// What an IMAP server said, out of the library's `code: …, info: Some("…")`, which has nothing else for it.
fn said(reply: &str) -> String {
    let info = reply.split_once("info: Some(\"").and_then(|(_, info)| info.strip_suffix("\")"));
    info.unwrap_or(reply).to_owned()
}

/// An SMTP reply on one line.
pub(crate) fn spell(code: u16, message: &str) -> String {
    format!("{code} {}", message.trim().replace(['\r', '\n'], " "))
}

/// Says what was being done when it went wrong.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<Cause>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|cause| Failure::new(what, cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_says_each_thing_once() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let failure = Failure::new("connect to 127.0.0.1:2993", refused);
        assert_eq!(failure.because(), ["cannot connect to 127.0.0.1:2993", "connection refused"]);
        assert_eq!(failure.hint().unwrap(), "nothing listens there: is the role running, and on this port?");
    }

    #[test]
    fn a_foreign_certificate_is_told_from_an_expired_one() {
        let told = |error| {
            let error = rustls::Error::InvalidCertificate(error);
            Failure::new("connect", mail_send::Error::Tls(Box::new(error))).hint().unwrap()
        };
        assert!(told(CertificateError::UnknownIssuer).contains("authority"));
        assert!(told(CertificateError::Expired).contains("expired"));
        assert!(told(CertificateError::NotValidForName).contains("names"));
    }

    #[test]
    fn a_server_that_is_away_is_told_from_a_wrong_password() {
        let hint = |cause| Failure::new("sign in", cause).hint().unwrap();
        for reply in ["454 4.7.0 later", "[UNAVAILABLE] later"] {
            assert!(hint(Cause::SignIn(reply.into())).contains("later"));
        }
        assert!(hint(Cause::SignIn("535 5.7.8 wrong".into())).contains("password"));
    }

    #[test]
    fn what_an_imap_server_said_is_told_without_its_wrapping() {
        assert_eq!(said("code: None, info: Some(\"[LIMIT] later\")"), "[LIMIT] later");
        assert_eq!(said("code: Some(Alert), info: None"), "code: Some(Alert), info: None");
    }

    #[test]
    fn a_reply_of_several_lines_is_told_on_one() {
        assert_eq!(spell(550, "5.1.1 no such user\r\nhere\r\n"), "550 5.1.1 no such user  here");
    }
}
