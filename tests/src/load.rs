//! Mails that go in over both doors while something is done to the service, and what becomes of them.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::case::Case;
use crate::ran::Ran;
use crate::tell;
use crate::wait::wait_until_within;

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/mail.py");

/// Enough for whatever was done to the service to be over.
const PATIENCE: Duration = Duration::from_mins(1);

/// A user of the service.
#[derive(Debug, Clone)]
pub struct User {
    /// The mail address, which is the name to sign in with.
    pub address: String,
    /// The password.
    pub password: String,
}

impl User {
    /// As curl and others want it.
    #[must_use]
    pub fn credentials(&self) -> String {
        format!("{}:{}", self.address, self.password)
    }

    /// The user that the application's own `admin.js user add --json` says it has made.
    #[must_use]
    pub fn of(ran: &Ran) -> Self {
        let made: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
        let text = |key: &str| made[key].as_str().expect("it says so").to_owned();
        Self { address: text("address"), password: text("password") }
    }
}

/// A service that mails can be sent to: on 127.0.0.1, however it is run.
pub trait Served {
    /// What the clients are started through.
    fn case(&self) -> &Case;
    /// The port of a role on 127.0.0.1.
    fn port(&self, role: &str) -> u16;
    /// The certification authority that clients trust.
    fn authority(&self) -> String;
    /// Makes a user with a name like this.
    fn user(&self, name: &str) -> User;
    /// The file of the queue, where it is a file.
    fn queue(&self) -> Option<PathBuf>;
    /// A command that sees that file.
    fn beside(&self, program: &str) -> Command;
}

/// How the mails are.
#[derive(Debug, Clone, Copy)]
pub struct Mails {
    /// How many threads send at each of the two doors.
    pub threads: usize,
    /// Bytes of each mail.
    pub size: usize,
    /// Seconds between two mails of a thread, on the average.
    pub pause: f32,
}

/// How many mails of a client go over one connection.
#[derive(Debug, Clone, Copy)]
pub enum Connections {
    /// Ten, so that most of the time is spent with mails and not with handshakes.
    Kept,
    /// One, as people's programs do, from so far away: so many seconds pass before each command arrives.
    OneEach(f32),
}

/// A client that sends to `to` from within and from outside, until it is told to finish.
#[allow(missing_debug_implementations)] // It is what it does.
pub struct Load<'a> {
    service: &'a dyn Served,
    client: Child,
    mails: Mails,
    to: User,
}

impl<'a> Load<'a> {
    /// Makes a sender and a recipient, and begins.
    pub fn start(service: &'a dyn Served, mails: Mails) -> Self {
        Self::over(service, Connections::Kept, mails)
    }

    /// The same over such connections.
    pub fn over(service: &'a dyn Served, connections: Connections, mails: Mails) -> Self {
        let (each, away) = match connections {
            Connections::Kept => (10, 0.0),
            Connections::OneEach(away) => (1, away),
        };
        let (from, to) = (service.user("ada"), service.user("bob"));
        let plan = json!({
            "smtp": service.port("smtp"), "mx": service.port("mx"), "authority": service.authority(),
            "from": from.address, "password": from.password, "to": to.address,
            "threads": mails.threads, "size": mails.size, "pause": mails.pause, "each": each,
            "away": away,
        });
        let mut client = service.case().command("python3");
        client.args([CLIENT, "send"]).stdin(Stdio::piped());
        client.stdout(File::create(service.case().path("answers")).unwrap());
        let mut client =
            client.stderr(File::create(service.case().path("trouble")).unwrap()).spawn().unwrap();
        writeln!(client.stdin.as_mut().unwrap(), "{plan}").unwrap();
        Self { service, client, mails, to }
    }

    /// The answers until now: the mail, what became of it, and the code or the error.
    fn answers(&self) -> Vec<(String, String, String)> {
        let text = self.service.case().read("answers");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let words = whole.lines().map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        words.map(|words| (words[0].clone(), words[1].clone(), words[2].clone())).collect()
    }

    /// The codes with which a door put mails off.
    #[must_use]
    pub fn deferred(&self, door: &str) -> Vec<String> {
        let of_door = |(mail, outcome, code): (String, String, String)| {
            (mail.starts_with(door) && outcome == "deferred").then_some(code)
        };
        self.answers().into_iter().filter_map(of_door).collect()
    }

    /// How often a door cut off a client that it had let in: before it had sent its mail, and after that, without an answer.
    #[must_use]
    pub fn cut_off(&self, door: &str) -> (usize, usize) {
        let count = |wanted: &str| {
            // Who found nobody was not let in.
            let is = |(mail, outcome, error): &&(String, String, String)| {
                mail.starts_with(door) && outcome == wanted && error != "ConnectionRefusedError"
            };
            self.answers().iter().filter(is).count()
        };
        (count("absent"), count("unanswered"))
    }

    /// How many mails a door has taken until now.
    #[must_use]
    pub fn taken_at(&self, door: &str) -> usize {
        let is =
            |(mail, outcome, _): &&(String, String, String)| mail.starts_with(door) && outcome == "accepted";
        self.answers().iter().filter(is).count()
    }

    /// How many mails were taken until now.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.answers().iter().filter(|(_, outcome, _)| outcome == "accepted").count()
    }

    /// Waits until each door has taken `count` more mails.
    pub fn goes_on(&self, count: usize) {
        let taken = |door: &str| self.taken_at(door);
        for door in ["submission", "mx"] {
            let before = taken(door);
            wait_until_within(PATIENCE, &format!("{count} more mails through {door}"), || {
                (taken(door) >= before + count).then_some(())
            });
        }
    }

    /// Ends the load, reads the mailbox, and fails unless every mail that was answered 250 is in it, whole: once,
    /// or more often only when an earlier attempt to send it got no answer.
    pub fn finish(self, what: &str) {
        self.finished(what, Fate::is_right);
    }

    /// The same where the store of the queue was away for longer than a role waits for it: what was put off may be in it
    /// nevertheless, where the store's own answer was lost.
    pub fn finish_in_doubt(self, what: &str) {
        self.finished(what, Fate::is_right_in_doubt);
    }

    fn finished(mut self, what: &str, is_right: fn(&Fate) -> bool) {
        drop(self.client.stdin.take());
        let client = &mut self.client;
        let ended = wait_until_within(PATIENCE * 2, "the client ends", || client.try_wait().unwrap());
        let trouble = self.service.case().read("trouble");
        assert!(ended.success() && trouble.is_empty(), "{ended}: {trouble}");
        let mut mails: BTreeMap<String, Fate> = BTreeMap::new();
        for (mail, outcome, detail) in self.answers() {
            let fate = mails.entry(mail).or_default();
            match outcome.as_str() {
                "accepted" => fate.accepted = true,
                "unanswered" => fate.unanswered += 1,
                "refused" => fate.refused = Some(detail),
                _ => fate.put_off += 1,
            }
        }
        let accepted = mails.iter().filter(|(_, fate)| fate.accepted).map(|(name, _)| name.clone());
        for mail in self.inbox(&accepted.collect::<Vec<_>>()) {
            let (name, state) = mail.split_once(' ').unwrap();
            assert_eq!(state, "whole", "{name}");
            mails.entry(name.to_owned()).or_default().found += 1;
        }
        let count = |is: fn(&Fate) -> bool| mails.values().filter(|fate| is(fate)).count();
        tell(&format!(
            "{what}: {} mails sent, {} answered 250, {} of these found, {} found more than once; {} were put off or found \
             nobody at first, {} got no answer at first, {} of these found more than once",
            mails.len(),
            count(|fate| fate.accepted),
            count(|fate| fate.accepted && fate.found > 0),
            count(|fate| fate.found > 1),
            count(|fate| fate.put_off > 0),
            count(|fate| fate.unanswered > 0),
            count(|fate| fate.unanswered > 0 && fate.found > 1),
        ));
        let wrong: Vec<_> = mails.iter().filter(|(_, fate)| !is_right(fate)).collect();
        assert!(wrong.is_empty(), "{what}: {wrong:#?}");
    }

    /// What the recipient finds, who was never there before.
    fn inbox(&self, accepted: &[String]) -> Vec<String> {
        let plan: Value = json!({
            "imap": self.service.port("imap"), "authority": self.service.authority(),
            "user": self.to.address, "password": self.to.password,
            "queue": self.service.queue(), "size": self.mails.size,
            "accepted": accepted,
        });
        let plan = self.service.case().write("plan", &format!("{plan}\n"));
        let mut client = self.service.beside("python3");
        let client = client.args([CLIENT, "read"]).stdin(fs_err::File::open(plan).unwrap().into_parts().0);
        let ran = Ran::of(&client.output().unwrap());
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        ran.out.lines().map(str::to_owned).collect()
    }
}

/// What became of one mail.
#[derive(Debug, Default)]
struct Fate {
    accepted: bool,
    refused: Option<String>,
    /// How often it was put off, or nobody was there to take it.
    put_off: usize,
    /// How often it was sent and no answer came.
    unanswered: usize,
    found: usize,
}

impl Fate {
    fn is_right(&self) -> bool {
        self.is_there(self.unanswered)
    }

    fn is_right_in_doubt(&self) -> bool {
        self.is_there(self.unanswered + self.put_off)
    }

    /// Whether it is found, and no more often than so many attempts in doubt explain.
    fn is_there(&self, in_doubt: usize) -> bool {
        self.accepted && self.refused.is_none() && (1..=1 + in_doubt).contains(&self.found)
    }
}
