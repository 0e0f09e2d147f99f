//! Whether a document store answers, and lets us in: MongoDB's protocol, as FerretDB speaks it too.

use tokio_rustls::rustls::crypto::CryptoProvider;

use crate::bson::{Document, Value, Writer};
use crate::connection::Connection;
use crate::mongodb_uri::Login;
use crate::scram::Exchange;
use crate::{Fault, ProbeError};

/// The only kind of message there is since MongoDB 5.1.
const OP_MSG: i32 = 2013;

/// The size of a message's header, and of the flags and the section's kind after it.
const HEADER: usize = 16;
const PREFIX: usize = HEADER + 5;

/// Asks for its state, and logs in where that is wanted.
pub(crate) async fn speak(
    connection: &mut Connection<'_>,
    provider: &CryptoProvider,
    direct: bool,
    login: Option<&Login>,
) -> Result<String, ProbeError> {
    let said = hello(connection, direct, login).await?;
    let Some(login) = login else { return Ok(said) };
    log_in(connection, provider, login).await?;
    Ok(format!("{said}, logged in"))
}

/// Asks for its state. It is good when it can be written, or when just this host was meant.
async fn hello(
    connection: &mut Connection<'_>,
    direct: bool,
    login: Option<&Login>,
) -> Result<String, ProbeError> {
    let mut hello = Writer::default().number("hello", 1);
    if let Some(Login { user, source, .. }) = login {
        // Names what the user can log in with, without telling whether there is such a user.
        hello = hello.text("saslSupportedMechs", &format!("{source}.{user}"));
    }
    let reply = call(connection, "hello", hello.text("$db", "admin")).await?;
    if let Some(Value::Document(offered)) = reply.get("saslSupportedMechs")
        && !offered.fields().any(|(_, name)| name == Value::Text("SCRAM-SHA-256"))
    {
        return Err(
            connection.fail(Fault::Unsupported("log in but with SCRAM-SHA-256, which is not offered"))
        );
    }
    if reply.get("isWritablePrimary") == Some(Value::Flag(true)) {
        return Ok(connection.summary("hello, primary"));
    }
    if direct { Ok(connection.summary("hello")) } else { Err(connection.fail(Fault::NotPrimary)) }
}

/// Logs in by SCRAM-SHA-256 (RFC 7677), which proves to each side that the other knows the password.
async fn log_in(
    connection: &mut Connection<'_>,
    provider: &CryptoProvider,
    login: &Login,
) -> Result<(), ProbeError> {
    let Login { user, password, source } = login;
    let exchange = Exchange::new(provider, user, password)
        .ok_or_else(|| connection.fail(Fault::Unsupported("log in with this cryptography")))?;

    let options = Writer::default().flag("skipEmptyExchange", true);
    let start = Writer::default()
        .number("saslStart", 1)
        .text("mechanism", "SCRAM-SHA-256")
        .binary("payload", exchange.first().as_bytes())
        .document("options", options)
        .text("$db", source);
    let (conversation, challenge, _) = step(connection, "saslStart", start).await?;
    let proof = exchange.answer(&challenge);
    let proof =
        proof.ok_or_else(|| connection.fail(Fault::Wrong("a challenge of SCRAM-SHA-256".to_owned())))?;

    let next = |payload: &str| {
        let next = Writer::default().number("saslContinue", 1).number("conversationId", conversation);
        next.binary("payload", payload.as_bytes()).text("$db", source)
    };
    let (_, verified, done) = step(connection, "saslContinue", next(&proof.message)).await?;
    if verified.split(',').next() != Some(&proof.expected) {
        return Err(connection.fail(Fault::Wrong("proof that the server knows the password".to_owned())));
    }
    if !done {
        // A server that does not know skipEmptyExchange.
        step(connection, "saslContinue", next("")).await?;
    }
    Ok(())
}

/// The conversation's number, its text, and whether it is over.
async fn step(
    connection: &mut Connection<'_>,
    name: &'static str,
    command: Writer,
) -> Result<(i32, String, bool), ProbeError> {
    let reply = call(connection, name, command).await?;
    let (Some(Value::Number(conversation)), Some(Value::Binary(payload))) =
        (reply.get("conversationId"), reply.get("payload"))
    else {
        return Err(connection.fail(Fault::Wrong("a step of a login".to_owned())));
    };
    let conversation = i32::try_from(conversation).unwrap_or_default();
    let payload = String::from_utf8_lossy(payload).into_owned();
    Ok((conversation, payload, reply.get("done") == Some(Value::Flag(true))))
}

/// Sends a command, and takes the document that answers it.
async fn call(
    connection: &mut Connection<'_>,
    step: &'static str,
    command: Writer,
) -> Result<Reply, ProbeError> {
    let command = command.finish();
    let length = i32::try_from(PREFIX + command.len()).unwrap_or(i32::MAX);
    // Length, our number for it, the number it answers, the kind; no flags; one section, of kind 0.
    let mut message: Vec<u8> = [length, 1, 0, OP_MSG, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
    message.push(0);
    message.extend(command);
    connection.send(step, &message).await?;

    let header = connection.bytes(HEADER).await?;
    let word = |at: usize| header[at..].first_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes));
    let wrong = |connection: &Connection<'_>| connection.fail(Fault::Wrong("MongoDB's protocol".to_owned()));
    if (word(8), word(12)) != (1, OP_MSG) {
        return Err(wrong(connection));
    }
    let left = usize::try_from(word(0)).ok().and_then(|length| length.checked_sub(HEADER));
    let left = left.filter(|left| *left > PREFIX - HEADER).ok_or_else(|| wrong(connection))?;
    let mut body = connection.bytes(left).await?;
    let (flags, kind) = (body[0], body[4]);
    if kind != 0 {
        return Err(wrong(connection));
    }
    // A checksum may follow the document.
    let end = body.len() - if flags & 1 == 1 { 4.min(body.len() - 5) } else { 0 };
    let reply = Reply(body.drain(5..end).collect());
    if let Some(Value::Text(message)) = reply.get("errmsg") {
        connection.show(message);
    }
    match reply.fault() {
        Some(fault) => Err(connection.fail(fault)),
        None => Ok(reply),
    }
}

/// The document of an answer.
struct Reply(Vec<u8>);

impl Reply {
    fn get(&self, key: &str) -> Option<Value<'_>> {
        Document::read(&self.0)?.get(key)
    }

    /// What is wrong with it, if anything is.
    fn fault(&self) -> Option<Fault> {
        match (self.get("ok"), self.get("code")) {
            (Some(Value::Number(1) | Value::Flag(true)), _) => None,
            // AuthenticationFailed
            (Some(_), Some(Value::Number(18))) => Some(Fault::Refused),
            (Some(_), _) => Some(Fault::Wrong("ok: 1".to_owned())),
            (None, _) => Some(Fault::Wrong("MongoDB's protocol".to_owned())),
        }
    }
}
