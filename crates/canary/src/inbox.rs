//! INBOX over two connections, because one that waits cannot do anything else.

use std::time::{Duration, Instant};

use crate::failure::{Doing, Failure};
use crate::imap::{Reader, Watcher};
use crate::message::Mail;
use crate::service::{Endpoint, Mailbox, Service};

pub(crate) struct Inbox {
    watcher: Watcher,
    reader: Reader,
}

impl Inbox {
    pub async fn open(service: &Service, at: &Endpoint, mailbox: &Mailbox) -> Result<Self, Failure> {
        let reader = Reader::sign_in(service, at, mailbox).await?;
        let watcher = Reader::sign_in(service, at, mailbox).await?.watch().await?;
        Ok(Self { watcher, reader })
    }

    /// Waits until a mail is told of, and says how long after `since` that was.
    pub async fn notice(&mut self, mail: &Mail, since: Instant) -> Result<Duration, Failure> {
        let told = self.watcher.notice(mail, &mut self.reader).await?;
        Ok(told.saturating_duration_since(since))
    }

    pub async fn fetch(&mut self, mail: &Mail, until: Instant) -> Result<Vec<u8>, Failure> {
        let raw = self.reader.fetch(mail, until).await?;
        mail.compare(&raw).doing("find the mail as it was sent")?;
        Ok(raw)
    }

    pub async fn leave(self) {
        tokio::join!(self.watcher.sign_out(), self.reader.sign_out());
    }
}
