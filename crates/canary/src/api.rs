//! The mail as programs see it, over the API: a test without a login, then the mail among those of INBOX.

use hyper::StatusCode;
use serde_json::Value;

use crate::failure::{Cause, Doing, Failure};
use crate::http::{Connection, expect};
use crate::message::Mail;
use crate::service::{Endpoint, Mailbox, Service};

/// What anybody may ask.
const TEST: &str = "/v1/test";

/// That the API answers those who have no password.
pub(crate) async fn is_open(service: &Service, at: &Endpoint) -> Result<(), Failure> {
    test(&mut Connection::open(service, at).await?).await
}

/// That the API answers, and shows the mail to its owner and to nobody else.
pub(crate) async fn shows(
    service: &Service,
    at: &Endpoint,
    mailbox: &Mailbox,
    mail: Option<&Mail>,
) -> Result<(), Failure> {
    let mut connection = Connection::open(service, at).await?;
    test(&mut connection).await?;
    let what = "see a request without a password refused";
    let (head, _) = connection.get("/v1/account").await.doing(what)?;
    expect(head.status, StatusCode::UNAUTHORIZED).doing(what)?;
    connection.sign_in(mailbox);
    document(&mut connection, "/v1/account").await.doing("ask for the account over the API")?;
    let Some(mail) = mail else { return Ok(()) };
    let what = "find the mail over the API";
    let found = document(&mut connection, &format!("/v1/messages?folder=INBOX&q={}", mail.token)).await;
    let missing = || Cause::Found("it is not in the answer".to_owned());
    has_subject(&found.doing(what)?, &mail.token).then_some(()).ok_or_else(missing).doing(what)
}

async fn test(connection: &mut Connection<'_>) -> Result<(), Failure> {
    let what = "ask the API for its test";
    let (head, _) = connection.get(TEST).await.doing(what)?;
    expect(head.status, StatusCode::OK).doing(what)
}

async fn document(connection: &mut Connection<'_>, path: &str) -> Result<Value, Cause> {
    let (head, body) = connection.get(path).await?;
    expect(head.status, StatusCode::OK)?;
    serde_json::from_slice(&body).map_err(|error| Cause::Found(format!("the answer is no JSON: {error}")))
}

/// Whether there is an object with such a subject anywhere: a list may be wrapped in pages.
fn has_subject(value: &Value, token: &str) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|value| has_subject(value, token)),
        Value::Object(fields) => {
            fields.get("subject").and_then(Value::as_str).is_some_and(|subject| subject.contains(token))
                || fields.values().any(|value| has_subject(value, token))
        }
        _ => false,
    }
}
