//! The other door for mail clients: what the proof says, and no more than that.

use std::sync::Arc;

use crate::line::Line;
use crate::pretend::{ADDRESS, Fault, PASSWORD, Shared};

pub async fn serve(shared: Arc<Shared>, mut line: Line) -> Option<()> {
    let mut address = String::new();
    line.write("+OK pretend").await?;
    loop {
        let command = line.read().await?;
        let (verb, rest) = command.split_once(' ').unwrap_or((&command, ""));
        let reply = match verb {
            "STLS" => {
                line.write("+OK go on").await?;
                line = line.encrypt(&shared.acceptor).await?;
                continue;
            }
            "USER" => {
                rest.clone_into(&mut address);
                "+OK who".to_owned()
            }
            "PASS" if line.encrypted && address == ADDRESS && rest == PASSWORD => "+OK in".to_owned(),
            "PASS" => "-ERR [AUTH] no".to_owned(),
            "STAT" => format!("+OK {} 0", inbox(&shared).len()),
            // The head ends at the first empty line.
            "TOP" => several(mail(&shared, rest)?.split("\r\n\r\n").next()?),
            "RETR" => several(&mail(&shared, rest)?),
            "QUIT" => return line.write("+OK bye").await,
            _ => "-ERR what".to_owned(),
        };
        line.write(&reply).await?;
    }
}

/// The texts of the mails in INBOX, the oldest first.
fn inbox(shared: &Shared) -> Vec<String> {
    let mails = shared.mails.lock().unwrap();
    let inbox = mails.iter().filter(|mail| mail.folder == "INBOX");
    let texts = inbox.map(|mail| String::from_utf8_lossy(&mail.raw).into_owned());
    if shared.fault == Fault::Pop3Behind { texts.take(1).collect() } else { texts.collect() }
}

fn mail(shared: &Shared, number: &str) -> Option<String> {
    let number: usize = number.split(' ').next()?.parse().ok()?;
    inbox(shared).into_iter().nth(number - 1)
}

/// RFC 1939 section 3: one more dot in front of a line that has one, and a dot alone at the end.
fn several(text: &str) -> String {
    let stuffed = text.trim_end_matches("\r\n").replace("\r\n.", "\r\n..");
    format!("+OK here\r\n{stuffed}\r\n.")
}
