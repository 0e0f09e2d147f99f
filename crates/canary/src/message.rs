//! The mails that are sent: unique, full of what transports like to spoil, and recognised when they come out.

use mail_builder::MessageBuilder;
use mail_builder::headers::raw::Raw;
use mail_parser::MessageParser;

use crate::failure::Cause;

/// A mail that is in no mailbox yet.
pub(crate) struct Mail {
    /// What only this mail has in its subject.
    pub token: String,
    pub from: String,
    pub to: String,
    text: String,
    /// As it goes over the wire, before SMTP doubles leading dots.
    pub raw: Vec<u8>,
}

/// Names the mails of one run, so that they are found again, and nobody else's.
pub(crate) struct Run {
    token: String,
    domain: String,
    mails: u32,
}

impl Run {
    pub fn new(domain: &str) -> Result<Self, Cause> {
        let mut bytes = [0; 16];
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let filled = provider.secure_random.fill(&mut bytes);
        filled.map_err(|_| Cause::Found("the system has no random numbers".into()))?;
        let token = format!("{:032x}", u128::from_be_bytes(bytes));
        Ok(Self { token, domain: domain.to_owned(), mails: 0 })
    }

    /// What all mails of the run have in their subject.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Another mail.
    pub fn mail(&mut self, from: &str, to: &str) -> Mail {
        self.mails += 1;
        // Of one length, because a search for a subject finds longer ones too.
        let token = format!("{}-{:06}", self.token, self.mails);
        let text = text(&token);
        let raw = MessageBuilder::new()
            .from(from)
            .to(to)
            .subject(subject(&token))
            .message_id(format!("{token}@{}", self.domain))
            // Nobody answers it: no vacation notice (RFC 3834 section 2).
            .header("Auto-Submitted", Raw::new("auto-generated"))
            .text_body(text.as_str());
        let mut bytes = Vec::new();
        raw.serialize(&mut bytes);
        Mail { token, from: from.to_owned(), to: to.to_owned(), text, raw: bytes }
    }
}

impl Mail {
    /// Whether this is what came out.
    pub fn compare(&self, raw: &[u8]) -> Result<(), Cause> {
        let message = MessageParser::default().parse(raw);
        let message = message.ok_or_else(|| Cause::Found("what was fetched is no mail".into()))?;
        let subject = subject(&self.token);
        if message.subject() != Some(subject.as_str()) {
            return Err(Cause::Found(format!("the subject was {subject:?}, and is {:?}", message.subject())));
        }
        let came = message.body_text(0).unwrap_or_default();
        // The end of the last line belongs to the transport (RFC 5321 section 4.1.1.4).
        let mut lines = came.trim_end_matches(['\r', '\n']).lines();
        for sent in self.text.lines() {
            match lines.next() {
                Some(line) if line == sent => {}
                other => return Err(Cause::Found(format!("a line was {sent:?}, and is {other:?}"))),
            }
        }
        lines.next().map_or(Ok(()), |line| Err(Cause::Found(format!("a line was added: {line:?}"))))
    }
}

fn subject(token: &str) -> String {
    format!("berth canary {token}")
}

/// Dots alone and in front end a mail when they are not doubled (RFC 5321 section 4.5.2), `From ` at the start of
/// a line is quoted by some mailbox formats, and letters outside ASCII need an encoding that survives.
fn text(token: &str) -> String {
    let lines = [
        "This mail checks that mails go through, and is deleted at once.",
        token,
        "Äpfel, Ωμέγα, 邮件 and a ship 🚢, written outside ASCII once in each of several scripts.",
        ".a dot in front of a line",
        ".",
        "..",
        "From here on, some mailboxes put a sign in front.",
        "The last line; the equals sign = and a blank at the end stay: ",
        "-- ",
        "berth",
    ];
    lines.join("\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> Mail {
        Run::new("example.test").unwrap().mail("a@example.test", "b@example.test")
    }

    #[test]
    fn a_mail_is_equal_to_itself() {
        let mail = mail();
        mail.compare(&mail.raw).unwrap();
    }

    #[test]
    fn the_dots_are_bare_on_the_wire() {
        let raw = String::from_utf8(mail().raw).unwrap();
        assert!(raw.contains("\r\n.\r\n..\r\nFrom here"), "{raw}");
        assert!(raw.is_ascii(), "{raw}");
    }

    #[test]
    fn a_changed_or_shortened_or_lengthened_mail_is_noticed() {
        let mail = mail();
        let raw = String::from_utf8(mail.raw.clone()).unwrap();
        let shorter = raw.rsplit_once("\r\n").unwrap().0;
        for (spoilt, why) in [
            (raw.replace("\r\n..\r\n", "\r\n.\r\n"), "a line was \"..\", and is Some(\".\")"),
            (raw.replace("\r\nFrom here", "\r\n>From here"), "and is Some(\">From here"),
            (raw.replace("berth canary", "[list] berth canary"), "the subject was"),
            (shorter.to_owned(), "and is None"),
            (format!("{raw}\r\nscanned by a filter\r\n"), "a line was added: \"scanned by a filter\""),
        ] {
            let told = mail.compare(spoilt.as_bytes()).unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn no_two_mails_are_found_by_one_token() {
        let mut run = Run::new("example.test").unwrap();
        let tokens: Vec<_> = (0..12).map(|_| run.mail("a@example.test", "a@example.test").token).collect();
        for token in &tokens {
            assert_eq!(tokens.iter().filter(|other| other.contains(token.as_str())).count(), 1);
            assert!(token.contains(run.token()));
        }
        assert_ne!(run.token(), Run::new("example.test").unwrap().token());
    }
}
