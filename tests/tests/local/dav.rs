//! Calendars and address books, with the clients that keep them in step: vdirsyncer, python-caldav, and
//! caldav-server-tester, whose findings are compared with what is known.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use berth_tests::{clients, skip, wait_until};
use nix::libc::SIGKILL;
use serde_json::{Value, json};
use snapbox::{Data, assert_data_eq};

use crate::clients::done;
use crate::service::{Ran, Service, User, have};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/local/dav.py");
const KNOWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/local/golden/caldav-server-tester.txt");

/// What a calendar and an address book differ in.
struct Kind {
    role: &'static str,
    collection: &'static str,
    ending: &'static str,
    object: fn(uid: &str, title: &str) -> String,
}

const CALENDAR: Kind = Kind {
    role: "caldav",
    collection: "calendar",
    ending: ".ics",
    object: |uid, title| {
        let event =
            format!("UID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260102T100000Z\r\nSUMMARY:{title}");
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n\
             BEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    },
};

const CONTACTS: Kind = Kind {
    role: "carddav",
    collection: "contacts",
    ending: ".vcf",
    object: |uid, title| {
        format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{title}\r\nN:{title};;;;\r\nEND:VCARD\r\n")
    },
};

fn url(service: &Service, kind: &Kind) -> String {
    format!("https://localhost:{}", service.port(kind.role))
}

/// The URL of an object in the collection that everybody has.
fn object(service: &Service, user: &User, kind: &Kind, name: &str) -> String {
    let Kind { collection, ending, .. } = kind;
    format!("{}/dav/{}/{collection}/{name}{ending}", url(service, kind), user.address)
}

/// curl, which verifies the certificate and tells status and headers first.
fn curl(service: &Service) -> Command {
    let mut curl = service.case.command("curl");
    curl.args(["--silent", "--show-error", "--include", "--cacert", &service.authority()]);
    curl
}

/// The status that curl is answered with, and all that it was told.
fn asked(curl: &mut Command) -> (u16, String) {
    let told = done(curl).out;
    // An upload is told to continue first (RFC 9110 15.2.1).
    let last = told.split("\r\n\r\n").find(|part| part.starts_with("HTTP/") && !part.contains(" 100 "));
    let status =
        last.and_then(|part| part.split_whitespace().nth(1)).unwrap_or_else(|| panic!("no status: {told}"));
    (status.parse().unwrap(), told)
}

fn put(service: &Service, user: &User, kind: &Kind, uid: &str, title: &str) -> u16 {
    let file = service.case.write(format!("upload{}", kind.ending), &(kind.object)(uid, title));
    let mut curl = curl(service);
    curl.args(["--user", &user.credentials(), "--upload-file"]).arg(file);
    asked(curl.arg(object(service, user, kind, uid))).0
}

fn get(service: &Service, user: &User, kind: &Kind, uid: &str) -> (u16, String) {
    asked(curl(service).args(["--user", &user.credentials(), &object(service, user, kind, uid)]))
}

/// A program or script of the clients that come from PyPI, if they are there; else what needs them is skipped.
fn python(service: &Service, script: &str) -> Option<Command> {
    let Some(folder) = clients() else {
        skip("there are no clients from PyPI: `cargo xtask tools` gets them");
        return None;
    };
    let mut command = service.case.command("python3");
    command.env("PYTHONPATH", &folder).env("HOME", service.case.folder());
    for variable in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"] {
        command.env(variable, service.authority());
    }
    command.arg(folder.join(script)).stdin(Stdio::null());
    Some(command)
}

#[test]
fn a_device_finds_its_collections_with_a_host_name_and_a_password() {
    if !have(&["curl"]) {
        return;
    }
    let service = Service::up_with(&["caldav", "carddav"]);
    let ada = service.user("ada");
    for kind in [&CALENDAR, &CONTACTS] {
        let url = url(&service, kind);
        assert_eq!(asked(curl(&service).arg(format!("{url}/"))).0, 200);
        let (status, told) = asked(curl(&service).arg(format!("{url}/.well-known/{}", kind.role)));
        assert!(status == 301 && told.contains("location: /dav/\r\n"), "{told}");
        for request in ["OPTIONS", "PROPFIND", "REPORT", "GET", "PUT"] {
            let (status, told) = asked(curl(&service).args(["--request", request, &format!("{url}/dav/")]));
            assert!(status == 401 && told.contains("www-authenticate: Basic realm="), "{request}: {told}");
        }
        let mut find = curl(&service);
        find.args([
            "--location",
            "--user",
            &ada.credentials(),
            "--request",
            "PROPFIND",
            "--header",
            "Depth: 0",
        ]);
        let told = done(find.arg(format!("{url}/.well-known/{}", kind.role))).out;
        assert!(told.contains("207 Multi-Status"), "{told}");
    }
    service.down();
}

#[test]
fn what_was_answered_with_success_survives_a_killed_store() {
    if !have(&["curl"]) {
        return;
    }
    let service = Service::up_with(&["caldav", "carddav"]);
    let ada = service.user("ada");
    for kind in [&CALENDAR, &CONTACTS] {
        for (round, expected) in [("made", 201), ("changed", 204)] {
            assert_eq!(put(&service, &ada, kind, "kept", round), expected);
            let main = service.process("sqlite", "main");
            main.signal(SIGKILL).unwrap();
            wait_until("another one is ready", || {
                let now = service.role("sqlite");
                (now["state"] == "ready" && now["main"] != main.0).then_some(())
            });
            let (status, told) = get(&service, &ada, kind, "kept");
            assert!(status == 200 && told.contains(&(kind.object)("kept", round)), "{told}");
        }
    }
    service.down();
}

#[test]
fn vdirsyncer_keeps_calendars_in_step() {
    vdirsyncer_keeps_in_step(&CALENDAR);
}

#[test]
fn vdirsyncer_keeps_address_books_in_step() {
    vdirsyncer_keeps_in_step(&CONTACTS);
}

/// What is made, changed and removed on either side is so on the other, and then nothing is left to do.
fn vdirsyncer_keeps_in_step(kind: &Kind) {
    if !have(&["curl", "python3"]) {
        return;
    }
    let service = Service::up_with(&[kind.role]);
    let ada = service.user("ada");
    let folder = service.case.path("local");
    let configuration = vdirsyncer_configuration(&service, &ada, kind, &folder);
    let vdirsyncer = |words: &[&str]| {
        let mut command = python(&service, "bin/vdirsyncer")?;
        // It asks before it makes a collection on the other side.
        let answers = service.case.write("answers", &"y\n".repeat(9));
        command.stdin(fs_err::File::open(answers).unwrap().into_parts().0);
        Some(done(command.arg("--config").arg(&configuration).args(words)))
    };
    let local = |collection: &str, uid: &str| format!("local/{collection}/{uid}{}", kind.ending);
    let sync = || {
        let Ran { out, err, .. } = vdirsyncer(&["sync"]).unwrap();
        out + &err
    };
    let files = || {
        let names = fs_err::read_dir(folder.join(kind.collection)).unwrap();
        names.filter(|entry| entry.as_ref().unwrap().path().to_str().unwrap().ends_with(kind.ending)).count()
    };

    service.case.write(local("home", "here"), &(kind.object)("here", "from here"));
    assert_eq!(put(&service, &ada, kind, "there", "from there"), 201);
    if vdirsyncer(&["discover"]).is_none() {
        return;
    }
    sync();
    assert_eq!(files(), 1);
    // What vdirsyncer wrote has a name of its own choosing; it is the same in content.
    let downloaded = first(&folder.join(kind.collection), kind.ending);
    assert_eq!(
        fs_err::read_to_string(&downloaded).unwrap().replace("\r\n", "\n"),
        (kind.object)("there", "from there").replace("\r\n", "\n")
    );
    let home = format!("{}/dav/{}/home/", url(&service, kind), ada.address);
    let mut list = curl(&service);
    list.args(["--user", &ada.credentials(), "--request", "PROPFIND", "--header", "Depth: 1", &home]);
    let told = done(&mut list).out;
    assert!(told.contains("here") && told.matches("<D:getetag>").count() == 1, "{told}");

    assert_eq!(put(&service, &ada, kind, "there", "changed there"), 204);
    service.case.write(local("home", "here"), &(kind.object)("here", "changed here"));
    sync();
    assert!(fs_err::read_to_string(&downloaded).unwrap().contains("changed there"));

    let quiet = sync();
    assert!(
        !quiet.contains("Copying") && !quiet.contains("Deleting") && !quiet.contains("conflict"),
        "{quiet}"
    );

    fs_err::remove_file(service.case.path(local("home", "here"))).unwrap();
    let mut delete = curl(&service);
    delete.args(["--user", &ada.credentials(), "--request", "DELETE"]);
    assert_eq!(asked(delete.arg(object(&service, &ada, kind, "there"))).0, 204);
    // It refuses to empty a side unless it is told that this is meant.
    let emptied = vdirsyncer(&["sync", "--force-delete"]).unwrap();
    assert_eq!(files(), 0, "{emptied:?}");
    let told = done(&mut list).out;
    assert_eq!(told.matches("<D:getetag>").count(), 0, "{told}");
    service.down();
}

fn first(folder: &Path, ending: &str) -> PathBuf {
    let mut paths = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| path.to_str().unwrap().ends_with(ending)).unwrap()
}

fn vdirsyncer_configuration(service: &Service, user: &User, kind: &Kind, folder: &Path) -> PathBuf {
    let (status, local) = (service.case.path("status"), folder.display());
    let Kind { role, ending, .. } = kind;
    let remote = format!("url = \"{}/\"\nverify = \"{}\"", url(service, kind), service.authority());
    let User { address, password } = user;
    service.case.write(
        "vdirsyncer",
        &format!(
            "[general]\nstatus_path = \"{}\"\n\
             [pair both]\na = \"here\"\nb = \"there\"\ncollections = [\"from a\", \"from b\"]\n\
             [storage here]\ntype = \"filesystem\"\npath = \"{local}\"\nfileext = \"{ending}\"\n\
             [storage there]\ntype = \"{role}\"\n{remote}\nusername = \"{address}\"\npassword = \"{password}\"\n",
            status.display()
        ),
    )
}

#[test]
fn python_caldav_finds_events_tasks_recurrences_and_changes() {
    if !have(&["python3"]) {
        return;
    }
    let service = Service::up_with(&["caldav"]);
    let ada = service.user("ada");
    let Some(mut client) = python(&service, SCRIPT) else { return };
    let mut child =
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let url = format!("{}/dav/", url(&service, &CALENDAR));
    let given =
        json!({"url": url, "user": ada.address, "password": ada.password, "authority": service.authority()});
    writeln!(child.stdin.take().unwrap(), "{given}").unwrap();
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    service.down();
}

/// What caldav-server-tester finds not to be fully supported is what is known not to be.
#[test]
fn caldav_server_tester_finds_nothing_new() {
    if !have(&["python3"]) {
        return;
    }
    let service = Service::up_with(&["caldav"]);
    let ada = service.user("ada");
    let Some(mut tester) = python(&service, "bin/caldav-server-tester") else { return };
    tester.args(["--caldav-url", &format!("{}/dav/", url(&service, &CALENDAR)), "--format", "json"]);
    tester.args(["--caldav-username", &ada.address, "--caldav-password", &ada.password]);
    let told = done(&mut tester).out;
    let found: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
    let features = found["features"].as_object().unwrap();
    let support = |feature: &Value| feature["support"].as_str().unwrap_or("unclear").to_owned();
    let mut lines: Vec<_> =
        features.iter().map(|(name, feature)| format!("{name}: {}\n", support(feature))).collect();
    lines.sort();
    assert_data_eq!(lines.concat(), Data::read_from(Path::new(KNOWN), None));
    service.down();
}
