//! The doors for mails: submission, and MX.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::line::Line;
use crate::pretend::{ADDRESS, DOMAIN, Fault, PASSWORD, Shared};

pub async fn serve(shared: Arc<Shared>, mut line: Line, submission: bool) -> Option<()> {
    let plain_auth = shared.fault == Fault::PlainAuth;
    let mut signed_in = false;
    line.write("220 pretend ESMTP").await?;
    loop {
        let command = line.read().await?;
        let (verb, rest) = command.split_once(' ').unwrap_or((&command, ""));
        let reply = match verb {
            "EHLO" if line.encrypted && submission => "250-pretend\r\n250-8BITMIME\r\n250 AUTH PLAIN",
            "EHLO" if line.encrypted => "250 pretend",
            "EHLO" => "250-pretend\r\n250 STARTTLS",
            "STARTTLS" => {
                line.write("220 go on").await?;
                line = line.encrypt(&shared.acceptor).await?;
                continue;
            }
            "AUTH" if !submission => "502 5.5.1 not here",
            "AUTH" if !line.encrypted && !plain_auth => "538 5.7.11 encryption first",
            "AUTH" if rest == "PLAIN" => "334 ",
            "AUTH" => {
                let login = BASE64_STANDARD.decode(rest.strip_prefix("PLAIN ")?).ok()?;
                signed_in = login == format!("\0{ADDRESS}\0{PASSWORD}").as_bytes();
                if !signed_in {
                    shared.release();
                }
                signed_in |= shared.fault == Fault::AnyPassword;
                if signed_in { "235 2.7.0 welcome" } else { "535 5.7.8 wrong" }
            }
            "MAIL" if shared.fault == Fault::Hangs => std::future::pending().await,
            "MAIL" if submission && !signed_in => "530 5.7.0 who are you",
            "RCPT" => recipient(shared.fault, rest),
            "DATA" => {
                line.write("354 go on").await?;
                let raw = data(&mut line).await?;
                if submission {
                    shared.submitted(&raw);
                } else {
                    shared.deliver(raw);
                }
                "250 2.0.0 taken"
            }
            "QUIT" => return line.write("221 bye").await,
            _ => "250 2.0.0 fine",
        };
        line.write(reply).await?;
    }
}

fn recipient(fault: Fault, rest: &str) -> &'static str {
    let address = rest.strip_prefix("TO:<").and_then(|rest| rest.strip_suffix('>')).unwrap();
    match address.rsplit_once('@').unwrap() {
        _ if address == ADDRESS => "250 2.1.5 fine",
        (_, DOMAIN) if fault == Fault::CatchesAll => "250 2.1.5 fine",
        (_, DOMAIN) => "550 5.1.1 nobody of that name",
        _ if fault == Fault::Relays => "250 2.1.5 fine",
        _ => "554 5.7.1 not for others",
    }
}

/// RFC 5321 section 4.5.2: a dot alone ends it, another one in front of a line is taken away.
async fn data(line: &mut Line) -> Option<Vec<u8>> {
    let mut raw = Vec::new();
    loop {
        let read = line.read().await?;
        if read == "." {
            return Some(raw);
        }
        raw.extend(read.strip_prefix('.').unwrap_or(&read).as_bytes());
        raw.extend(b"\r\n");
    }
}
