//! Clients that nobody here wrote send and read mail.

use std::path::{Path, PathBuf};
use std::process::Command;

use berth_tests::{Process, wait_until};
use nix::libc::SIGKILL;

use crate::service::{Ran, Service, User, have};

/// swaks, which verifies the certificate and submits as `user`.
pub fn swaks_submits(service: &Service, user: &User) -> Command {
    let mut swaks = service.case.command("swaks");
    swaks.args(["--server", &service.door("smtp"), "--tls-on-connect", "--auth", "PLAIN"]);
    swaks.args(["--auth-user", &user.address, "--auth-password", &user.password, "--from", &user.address]);
    swaks.args(["--tls-verify", "--tls-ca-path", &service.authority()]);
    swaks
}

/// swaks, as another mail server would come.
pub fn swaks_from_outside(service: &Service) -> Command {
    let mut swaks = service.case.command("swaks");
    swaks.args([
        "--server",
        &service.door("mx"),
        "--tls",
        "--tls-verify",
        "--tls-ca-path",
        &service.authority(),
    ]);
    swaks.args(["--from", "someone@outside.invalid"]);
    swaks
}

/// curl, which verifies the certificate.
fn curl(service: &Service, user: &User) -> Command {
    let mut curl = service.case.command("curl");
    curl.args(["--silent", "--show-error", "--cacert", &service.authority(), "--user", &user.credentials()]);
    curl
}

/// Runs a command that has to end well.
#[track_caller]
pub fn done(command: &mut Command) -> Ran {
    Ran::done(command)
}

fn imap(service: &Service, path: &str) -> String {
    format!("imaps://{}/{path}", service.door("imap"))
}

/// Waits until the mail with this UID is in the mailbox, and gives it.
fn arrived(service: &Service, user: &User, uid: usize) -> String {
    wait_until(&format!("mail {uid} for {}", user.address), || {
        let ran =
            Ran::of(&curl(service, user).arg(imap(service, &format!("INBOX;UID={uid}"))).output().unwrap());
        (ran.code == Some(0) && !ran.out.is_empty()).then_some(ran.out)
    })
}

#[test]
fn swaks_and_curl_send_from_inside_and_outside_and_curl_reads() {
    if !have(&["swaks", "curl"]) {
        return;
    }
    let service = Service::up();
    let (ada, bob) = (service.user("ada"), service.user("bob"));

    let subject =
        ["--to", &bob.address, "--h-Subject", "from inside", "--body", "a line\n.a line with a dot\n"];
    done(swaks_submits(&service, &ada).args(subject));
    let mail = arrived(&service, &bob, 1);
    assert!(mail.contains("Subject: from inside\r\n"), "{mail}");
    assert!(mail.contains("\r\na line\r\n.a line with a dot\r\n"), "{mail}");
    assert!(mail.contains(&format!("Return-Path: <{}>", ada.address)), "{mail}");
    assert!(mail.contains("DKIM-Signature: v=1;"), "{mail}");

    done(swaks_from_outside(&service).args(["--to", &bob.address, "--h-Subject", "from outside"]));
    let mail = arrived(&service, &bob, 2);
    assert!(mail.contains("Subject: from outside\r\n") && mail.contains("with ESMTPS"), "{mail}");

    let upload = service.case.write("mail", "Subject: by curl\r\n\r\nGr\u{fc}\u{df}e\r\n");
    let url = format!("smtps://{}", service.door("smtp"));
    let envelope = ["--mail-from", &ada.address, "--mail-rcpt", &bob.address, "--mail-rcpt", &ada.address];
    done(curl(&service, &ada).args(["--url", &url]).args(envelope).arg("--upload-file").arg(upload));
    for (user, uid) in [(&bob, 3), (&ada, 1)] {
        let mail = arrived(&service, user, uid);
        assert!(mail.contains("Subject: by curl\r\n") && mail.contains("Gr\u{fc}\u{df}e"), "{mail}");
        assert!(mail.contains("\r\nMessage-ID: <") && mail.contains("\r\nDate: "), "{mail}");
    }
    let found =
        done(curl(&service, &bob).args(["-X", "SEARCH SUBJECT outside", &imap(&service, "INBOX")])).out;
    assert_eq!(found.trim(), "* SEARCH 2");
    service.down();
}

/// A mailbox that is never open while mail comes in is written without its key; what is read later is all there.
#[test]
fn mail_for_a_mailbox_that_nobody_has_open_survives_a_killed_store() {
    if !have(&["swaks", "curl"]) {
        return;
    }
    let service = Service::up();
    let bob = service.user("bob");
    for number in 1..=3 {
        done(swaks_from_outside(&service).args([
            "--to",
            &bob.address,
            "--h-Subject",
            &format!("number {number}"),
        ]));
        let main = service.process("sqlite", "main");
        main.signal(SIGKILL).unwrap();
        wait_until("another one is ready", || {
            let now = service.role("sqlite");
            (now["state"] == "ready" && now["main"] != main.0).then_some(())
        });
    }
    for number in 1..=3 {
        let mail = arrived(&service, &bob, number);
        assert!(mail.contains(&format!("Subject: number {number}\r\n")), "{mail}");
    }
    service.down();
}

/// The maildir's files of INBOX, by the flags at the end of their names (maildir(5)).
fn local(folder: &Path) -> Vec<(PathBuf, String)> {
    let files =
        ["cur", "new"].into_iter().flat_map(|sub| fs_err::read_dir(folder.join("INBOX").join(sub)).unwrap());
    let flags =
        |path: &Path| path.to_str().unwrap().rsplit_once(":2,").map_or("", |(_, flags)| flags).to_owned();
    files.map(|file| file.unwrap().path()).map(|path| (path.clone(), flags(&path))).collect()
}

#[test]
fn mbsync_keeps_a_maildir_and_a_mailbox_equal_in_both_directions() {
    if !have(&["swaks", "curl", "mbsync"]) {
        return;
    }
    let service = Service::up();
    let bob = service.user("bob");
    for subject in ["first", "second"] {
        done(swaks_from_outside(&service).args(["--to", &bob.address, "--h-Subject", subject]));
    }
    let maildir = service.case.path("maildir");
    fs_err::create_dir(&maildir).unwrap();
    // By its name: mbsync does not compare addresses with a certificate's.
    let configuration = format!(
        "IMAPAccount bob\nHost localhost\nPort {port}\nUser {user}\nPass {password}\nSSLType IMAPS\n\
         CertificateFile {authority}\n\nIMAPStore far\nAccount bob\n\nMaildirStore near\nPath {maildir}/\n\
         Inbox {maildir}/INBOX\n\nChannel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\n\
         SyncState *\n",
        port = service.port("imap"),
        user = bob.address,
        password = bob.password,
        authority = service.authority(),
        maildir = maildir.display(),
    );
    let configuration = service.case.write("mbsyncrc", &configuration);
    let sync = || {
        let mut mbsync = service.case.command("mbsync");
        mbsync.env("HOME", service.case.folder()).arg("-c").arg(&configuration).arg("all");
        done(&mut mbsync);
    };
    let flags = |uid: usize| {
        let fetch = format!("FETCH {uid} FLAGS");
        done(curl(&service, &bob).args(["-X", &fetch, &imap(&service, "INBOX")])).out
    };
    let subject = |path: &Path| {
        let mail = fs_err::read_to_string(path).unwrap();
        mail.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned()
    };
    let ours = |wanted: &str| {
        let (path, flags) = local(&maildir).into_iter().find(|(path, _)| subject(path) == wanted)?;
        Some((path, flags))
    };

    sync();
    assert_eq!(local(&maildir).len(), 2, "down");

    // Up: a mail that is written here, and a flag that is set here.
    let written = "From: bob@example.test\nSubject: a draft\nMessage-ID: <draft@example.test>\n\nnot yet\n";
    fs_err::write(maildir.join("INBOX/cur/1.written.here:2,DS"), written).unwrap();
    let (path, _) = ours("first").unwrap();
    let name = path.file_name().unwrap().to_str().unwrap().rsplit_once(":2,").unwrap().0.to_owned();
    fs_err::rename(&path, maildir.join("INBOX/cur").join(format!("{name}:2,FS"))).unwrap();
    sync();
    let first = flags(1);
    assert!(first.contains("\\Flagged") && first.contains("\\Seen"), "{first}");
    let draft = flags(3);
    assert!(draft.contains("\\Draft") && draft.contains("\\Seen"), "{draft}");
    assert!(arrived(&service, &bob, 3).contains("Subject: a draft\r\n"));

    // Down: a flag that is set there, and a mail that is removed there.
    done(curl(&service, &bob).args(["-X", "STORE 2 +FLAGS (\\Answered)", &imap(&service, "INBOX")]));
    done(curl(&service, &bob).args(["-X", "STORE 1 +FLAGS (\\Deleted)", &imap(&service, "INBOX")]));
    done(curl(&service, &bob).args(["-X", "EXPUNGE", &imap(&service, "INBOX")]));
    sync();
    assert_eq!(ours("first"), None, "removed there, removed here");
    assert!(ours("second").unwrap().1.contains('R'), "{:?}", ours("second"));

    // Up: a mail that is removed here.
    fs_err::remove_file(ours("second").unwrap().0).unwrap();
    sync();
    let left = done(curl(&service, &bob).args(["-X", "SEARCH ALL", &imap(&service, "INBOX")])).out;
    assert_eq!(left.trim(), "* SEARCH 1", "only the draft");
    assert_eq!(local(&maildir).len(), 1);
    service.down();
}

/// A client that is connected while the store is killed is told, and finds its mail when it comes back.
#[test]
fn a_client_that_was_reading_can_come_back_after_the_imap_node_was_killed() {
    if !have(&["swaks", "curl"]) {
        return;
    }
    let service = Service::up();
    let bob = service.user("bob");
    done(swaks_from_outside(&service).args(["--to", &bob.address, "--h-Subject", "before"]));
    arrived(&service, &bob, 1);
    let main: Process = service.process("imap", "main");
    main.signal(SIGKILL).unwrap();
    assert!(arrived(&service, &bob, 1).contains("Subject: before\r\n"));
    assert_eq!(service.role("imap")["restarts"], 1);
    service.down();
}
