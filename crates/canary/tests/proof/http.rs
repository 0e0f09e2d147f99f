//! The doors that speak HTTP: API, web page, calendars and contacts, all behind one: each is known by its paths.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, COOKIE, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::line::Line;
use crate::pretend::{ADDRESS, Fault, PASSWORD, Shared};

type Answer = Response<Full<Bytes>>;

pub async fn serve(shared: Arc<Shared>, line: Line) -> Option<()> {
    let answer = |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&shared, request).await) }
    };
    http1::Builder::new().serve_connection(TokioIo::new(line.into_inner()), service_fn(answer)).await.ok()
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let login = format!("Basic {}", BASE64_STANDARD.encode(format!("{ADDRESS}:{PASSWORD}")));
    let known = header(AUTHORIZATION) == login;
    let (method, path) = (head.method.as_str(), head.uri.path());
    match (method, path) {
        ("GET", "/v1/test") => reply(200, "anything"),
        (_, path) if path.starts_with("/v1/") && !known && shared.fault != Fault::ApiOpen => reply(401, ""),
        ("GET", "/v1/account") => reply(200, "{}"),
        ("GET", "/v1/messages") => {
            let wanted = head.uri.query().unwrap().split_once("q=").unwrap().1;
            let found = subjects(shared).into_iter().filter(|subject| subject.contains(wanted));
            let found: Vec<_> = found.map(|subject| serde_json::json!({ "subject": subject })).collect();
            reply(200, &serde_json::json!({ "messages": found }).to_string())
        }
        ("GET", "/") if shared.fault == Fault::Gate => {
            let gate = Response::builder().status(401).header(WWW_AUTHENTICATE, "Basic realm=\"mail\"");
            gate.body(Full::default()).unwrap()
        }
        ("GET", "/") if shared.fault == Fault::Locked => reply(401, ""),
        ("GET", "/") => redirect("/sign-in", ""),
        ("GET", "/sign-in") => reply(200, "<form>"),
        ("POST", "/sign-in") if body == form() => redirect("/mail", "session=open; Path=/; Secure; HttpOnly"),
        ("POST", "/sign-in") => reply(401, "<form>"),
        ("POST", "/sign-out") if shared.fault == Fault::WebStays => redirect("/sign-in", "other=1"),
        ("POST", "/sign-out") => redirect("/sign-in", "session=; Max-Age=0"),
        ("GET", "/mail/INBOX") if header(COOKIE).contains("session=open") => {
            reply(200, &subjects(shared).join("\n"))
        }
        ("GET", "/mail/INBOX") => redirect("/sign-in?next=/mail/INBOX", ""),
        ("GET", "/.well-known/caldav" | "/.well-known/carddav") => redirect("/dav/", ""),
        _ if !known => reply(401, ""),
        _ => dav(shared, method, path, &body),
    }
}

/// What a store knows: items by their paths. Where something is looked for, all is found, in time or not.
fn dav(shared: &Shared, method: &str, path: &str, body: &str) -> Answer {
    let mut items = shared.items.lock().unwrap();
    let href = |href: &str| format!("<D:href>{href}</D:href>");
    match method {
        "PUT" => {
            items.insert(path.to_owned(), body.to_owned());
            reply(201, "")
        }
        "DELETE" if shared.fault == Fault::DavKeeps => reply(403, ""),
        "DELETE" => reply(if items.remove(path).is_some() { 204 } else { 404 }, ""),
        "PROPFIND" if body.contains("current-user-principal") => found(&[(
            "/dav/".into(),
            format!("<D:current-user-principal>{}</D:current-user-principal>", href("/dav/me/")),
        )]),
        "PROPFIND" if body.contains("home-set") => found(&[(
            "/dav/me/".into(),
            format!(
                "<C:calendar-home-set>{0}</C:calendar-home-set><A:addressbook-home-set>{0}</A:addressbook-home-set>",
                href("/dav/me/home/")
            ),
        )]),
        "PROPFIND" if path == "/dav/me/home/" => found(&[
            (
                "/dav/me/home/calendar/".into(),
                "<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>".into(),
            ),
            (
                "/dav/me/home/contacts/".into(),
                "<D:resourcetype><D:collection/><A:addressbook/></D:resourcetype>".into(),
            ),
        ]),
        // Both a listing and a REPORT: the paths, the tags, and the texts where they are asked for.
        _ => {
            let there = items.iter().filter(|(other, _)| other.starts_with(path));
            let there = there.filter(|_| shared.fault != Fault::DavForgets);
            let spoil = |text: &str| match shared.fault {
                Fault::DavSpoils => text.replace("Äpfel", "?pfel"),
                _ => text.to_owned(),
            };
            let all: Vec<_> = there
                .map(|(path, text)| {
                    let text = spoil(text);
                    let data = format!(
                        "<D:resourcetype/><D:getetag>\"1\"</D:getetag><C:calendar-data>{text}</C:calendar-data>\
                         <A:address-data>{text}</A:address-data>"
                    );
                    (path.clone(), data)
                })
                .collect();
            found(&all)
        }
    }
}

/// A multistatus (RFC 4918 section 13) of paths and their properties.
fn found(all: &[(String, String)]) -> Answer {
    let mut text = String::from(
        "<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" \
         xmlns:A=\"urn:ietf:params:xml:ns:carddav\">",
    );
    for (path, properties) in all {
        write!(
            text,
            "<D:response><D:href>{path}</D:href><D:propstat><D:prop>{properties}</D:prop>\
             <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
        )
        .unwrap();
    }
    reply(207, &(text + "</D:multistatus>"))
}

/// The subjects of the mails in INBOX.
fn subjects(shared: &Shared) -> Vec<String> {
    let mails = shared.mails.lock().unwrap();
    let inbox = mails.iter().filter(|mail| mail.folder == "INBOX" && shared.fault != Fault::PagesBehind);
    let subject = |raw: &[u8]| {
        let text = String::from_utf8_lossy(raw).into_owned();
        text.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned)).unwrap()
    };
    inbox.map(|mail| subject(&mail.raw)).collect()
}

fn form() -> String {
    "address=somebody%40example.test&password=a%20%22quoted%22%20pass%5Cword".into()
}

fn reply(status: u16, body: &str) -> Answer {
    Response::builder().status(status).body(Full::new(Bytes::from(body.to_owned()))).unwrap()
}

fn redirect(to: &str, cookie: &str) -> Answer {
    let answer = Response::builder().status(303).header(LOCATION, to).header(SET_COOKIE, cookie);
    answer.body(Full::default()).unwrap()
}
