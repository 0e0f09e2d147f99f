//! What is gained by waiting for a quiet moment, with roles that cut off whoever is connected 0.1 s after TERM, as the
//! application was seen to do.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use berth_tests::{Connections, DEADLINE, Load, Mails, tell, wait_until};

use crate::service::{Service, User, have};

/// Mails that are under way at once.
const UNDER_WAY: usize = 10;

/// So many submissions at least, each time; `cargo xtask soak` says more.
const SUBMISSIONS: usize = 20;

/// So many submissions from one restart to the next.
const BETWEEN: usize = 20;

/// A service whose role cuts off, with these settings.
fn cutting_off(role: &str, settings: &str) -> Service {
    let service = Service::new();
    fs_err::create_dir(service.state("")).unwrap();
    let settings = format!("POSTBOX_FAULTS={role}:cuts-off\n{settings}\n");
    fs_err::write(service.state("settings.env"), settings).unwrap();
    service.bring_up();
    service
}

/// Begins to restart the role, and says so once it has begun to stop.
fn begin_restart(service: &Service, role: &str) -> u64 {
    let before = service.role(role)["restarts"].as_u64().unwrap();
    let ran = service.ask(role, &["restart"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    before
}

fn until_restarted(service: &Service, role: &str, before: u64) {
    wait_until(&format!("{role} is ready again"), || {
        let now = service.role(role);
        (now["state"] == "ready" && now["restarts"].as_u64() > Some(before)).then_some(())
    });
}

/// A mail from outside, half of it sent.
struct UnderWay(BufReader<TcpStream>);

impl UnderWay {
    fn begin(service: &Service, to: &User) -> Self {
        let stream = TcpStream::connect(service.door("mx")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut mail = Self(BufReader::new(stream));
        mail.answered("220").unwrap();
        for (command, code) in [
            ("EHLO outside.invalid".to_owned(), "250"),
            ("MAIL FROM:<someone@outside.invalid>".to_owned(), "250"),
            (format!("RCPT TO:<{}>", to.address), "250"),
            ("DATA".to_owned(), "354"),
        ] {
            mail.say(&command).unwrap();
            mail.answered(code).unwrap();
        }
        mail.say("From: someone@outside.invalid\r\nSubject: under way\r\n\r\nhalf of it").unwrap();
        mail
    }

    /// Whether it is taken when the rest is sent.
    fn end(mut self) -> bool {
        let taken = self.say("and the rest\r\n.").and_then(|()| self.answered("250"));
        let _ = self.say("QUIT");
        taken.is_ok()
    }

    fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes())
    }

    /// Reads an answer to its last line (RFC 5321 section 4.2.1).
    fn answered(&mut self, code: &str) -> std::io::Result<()> {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            if !line.starts_with(code) {
                return Err(std::io::Error::other(format!("{line:?}, not {code}")));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}

#[test]
fn a_mail_that_is_under_way_is_taken_before_its_role_ends() {
    // Longer than all of them take on a busy machine, and the grace has room for it.
    let taken = ["BERTH_QUIET=0", "BERTH_QUIET=60\nBERTH_GRACE=120"].map(|quiet| {
        let service = cutting_off("mx", quiet);
        let to = service.user("bob");
        let mails: Vec<_> = (0..UNDER_WAY).map(|_| UnderWay::begin(&service, &to)).collect();
        let main = service.process("mx", "main");
        let before = begin_restart(&service, "mx");
        if quiet == "BERTH_QUIET=0" {
            wait_until("mx has cut them off", || (!main.lives()).then_some(()));
        } else {
            assert!(main.lives() && service.ask("mx", &["status"]).out.contains("10 clients to leave"));
        }
        let taken = mails.into_iter().map(UnderWay::end).filter(|taken| *taken).count();
        until_restarted(&service, "mx", before);
        service.down();
        taken
    });
    tell(&format!(
        "of {UNDER_WAY} mails under way {} were taken at once, {} after a wait",
        taken[0], taken[1]
    ));
    assert_eq!(taken, [0, UNDER_WAY]);
}

/// Whoever comes in the 0.1 s after TERM is cut off all the same, so there is nothing to assert but that no mail is lost.
#[test]
fn submissions_go_on_while_a_role_that_cuts_off_is_restarted_again_and_again() {
    if !have(&["python3"]) {
        return;
    }
    let wanted = std::env::var("BERTH_TEST_MAILS").map_or(SUBMISSIONS, |text| text.parse().unwrap());
    for (quiet, how) in [("BERTH_QUIET=0", "without waiting"), ("BERTH_QUIET=", "after a quiet moment")] {
        let service = cutting_off("smtp", quiet);
        let load =
            Load::over(&service, Connections::OneEach(0.15), Mails { threads: 4, size: 4000, pause: 1.0 });
        let mut restarts = 0;
        while load.taken_at("submission") < wanted {
            let next = load.taken_at("submission") + BETWEEN;
            // By the clients' own pace, and not by that of the tests.
            berth_tests::wait_until_within(3 * DEADLINE, "more submissions", || {
                (load.taken_at("submission") >= next).then_some(())
            });
            let before = begin_restart(&service, "smtp");
            until_restarted(&service, "smtp", before);
            restarts += 1;
        }
        let (before, after) = load.cut_off("submission");
        let taken = load.taken_at("submission");
        load.finish(how);
        tell(&format!(
            "{how}: {restarts} restarts of smtp during {taken} submissions cut off {}, {after} of them with the mail sent and \
             not answered",
            before + after
        ));
        service.down();
    }
}
