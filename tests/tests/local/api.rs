//! Programs read and send mail over the API: curl, and what its own description says of it.

use std::process::Command;

use berth_tests::wait_until;
use nix::libc::SIGKILL;
use serde_json::{Value, json};

use crate::clients::done;
use crate::service::{Ran, Service, User, have};

/// What a mail goes through from the API to a mailbox.
const ROLES: [&str; 4] = ["sqlite", "mx", "smtp-bree", "api"];

/// The API as curl sees it, which verifies the certificate.
struct Api<'a> {
    service: &'a Service,
    user: Option<&'a User>,
}

/// Status, header and body of an answer.
struct Answer {
    status: u16,
    header: String,
    body: String,
}

impl Api<'_> {
    fn command(&self, path: &str) -> Command {
        let mut curl = self.service.case.command("curl");
        curl.args(["--silent", "--show-error", "--include", "--cacert", &self.service.authority()]);
        curl.args(self.user.iter().flat_map(|user| ["--user".to_owned(), user.credentials()]));
        curl.arg(format!("https://{}{path}", self.service.door("api")));
        curl
    }

    fn get(&self, path: &str) -> Answer {
        Answer::of(&mut self.command(path))
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = ["--json", &body.to_string(), "--request", method];
        Answer::of(self.command(path).args(body))
    }

    /// The first mail of a folder, as soon as there is one.
    fn first(&self, folder: &str) -> Value {
        wait_until(&format!("a mail in {folder}"), || {
            let mut page = self.get(&format!("/v1/messages?folder={folder}")).json();
            (page["total"] != 0).then(|| page["messages"][0].take())
        })
    }
}

impl Answer {
    fn of(curl: &mut Command) -> Self {
        let Ran { out, .. } = done(curl);
        let (header, body) = out.split_once("\r\n\r\n").unwrap();
        let status = header.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, header: header.to_ascii_lowercase(), body: body.to_owned() }
    }

    fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

#[test]
fn a_mail_sent_through_the_api_is_read_in_another_account_and_deleted() {
    if !have(&["curl"]) {
        return;
    }
    let service = Service::up_with(&ROLES);
    let (ada, bob) = (service.user("ada"), service.user("bob"));
    let [ada_s, bob_s] = [&ada, &bob].map(|user| Api { service: &service, user: Some(user) });

    let mail = json!({"to": [bob.address], "subject": "Grüße", "text": "by a program"});
    let sent = ada_s.send("POST", "/v1/messages", &mail);
    assert_eq!(sent.status, 202, "{}", sent.body);
    assert_eq!(ada_s.first("Sent%20Mail")["subject"], "Grüße");

    let listed = bob_s.first("INBOX");
    assert_eq!((&listed["subject"], &listed["from"][0]["address"]), (&json!("Grüße"), &json!(ada.address)));
    let at = format!("/v1/messages/INBOX/{}", listed["uid"]);
    assert_eq!(bob_s.get(&at).json()["text"].as_str().unwrap().trim(), "by a program");
    let source = bob_s.get(&format!("{at}/source"));
    assert!(source.header.contains("\r\ncontent-type: message/rfc822"), "{}", source.header);
    assert!(source.body.contains("DKIM-Signature: v=1;"), "{}", source.body);

    assert_eq!(bob_s.send("PUT", &at, &json!({"seen": true})).json()["seen"], true);
    assert_eq!(Answer::of(bob_s.command(&at).args(["--request", "DELETE"])).json()["folder"], "Trash");
    assert_eq!(bob_s.get(&at).status, 404);
    assert_eq!(bob_s.get("/v1/mailboxes/Trash").json()["messages"], 1);
    service.down();
}

#[test]
fn the_api_wants_the_right_password_and_stops_who_guesses_it() {
    if !have(&["curl"]) {
        return;
    }
    let service = Service::up_with(&["sqlite", "api"]);
    let (ada, bob) = (service.user("ada"), service.user("bob"));
    let stranger = Api { service: &service, user: None };
    let alive = stranger.get("/v1/test");
    assert!(alive.status == 200 && alive.body.ends_with("@example.test"), "{}", alive.body);
    let refused = stranger.get("/v1/account");
    assert_eq!(refused.status, 401);
    assert!(refused.header.contains("\r\nwww-authenticate: basic "), "{}", refused.header);

    let wrong = User { address: ada.address.clone(), password: "wrong".to_owned() };
    let guesser = Api { service: &service, user: Some(&wrong) };
    let limited = (0..20).map(|_| guesser.get("/v1/account")).find(|answer| answer.status != 401).unwrap();
    assert_eq!(limited.status, 429, "{}", limited.body);
    assert!(limited.header.contains("\r\nretry-after: "), "{}", limited.header);
    let other = Api { service: &service, user: Some(&bob) };
    assert_eq!(other.get("/v1/account").json()["address"], bob.address);
    service.down();
}

#[test]
fn the_api_says_who_is_away_and_goes_on_when_they_are_back() {
    if !have(&["curl"]) {
        return;
    }
    let service = Service::up_with(&["sqlite", "api"]);
    let ada = service.user("ada");
    let api = Api { service: &service, user: Some(&ada) };
    assert_eq!(api.get("/v1/mailboxes").status, 200);
    let main = service.process("sqlite", "main");
    service.process("sqlite", "init").signal(SIGKILL).unwrap();
    // It goes with its init, but not before that.
    wait_until("sqlite is gone", || (!main.lives()).then_some(()));
    let refused = api.get("/v1/mailboxes");
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.header.contains("\r\nretry-after: 5"), "{}", refused.header);
    assert_eq!(api.get("/v1/account").status, 200);
    service.bring_up_with(&["sqlite", "api"]);
    assert_eq!(api.get("/v1/mailboxes").status, 200);
    service.down();
}
