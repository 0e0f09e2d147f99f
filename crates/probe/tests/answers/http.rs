//! Pages, DAV collections and WebSockets.

use berth_role::Check::{self, DavUnauthorized, Http, WebSocketUnauthorized};
use berth_role::TlsMode::{Implicit, None, StartTls};

use crate::service::*;

const PAGE: Check = Http { path: "/v1/test", statuses: &[200, 301] };

#[tokio::test]
async fn a_page_is_read_to_its_end() {
    const SCRIPT: &[Act] = &[
        Secure,
        Head("GET /v1/test HTTP/1.1\n", "\nConnection: close\n"),
        Say("HTTP/1.1 200 OK\nContent-Length: 4\n\n"),
        Linger,
        Say("body"),
    ];
    let service = Service::start(SCRIPT).await;
    assert_eq!(service.check(PAGE, Implicit).await.unwrap().said, "HTTP/1.1 200 OK (TLSv1_3)");
    service.left_in_peace().await;
}

#[tokio::test]
async fn every_status_of_the_list_is_good_and_no_other() {
    const MOVED: &[Act] = &[Head("GET ", ""), Say("HTTP/1.1 301 Moved Permanently\nLocation: /en\n\n")];
    const GONE: &[Act] = &[Head("GET ", ""), Say("HTTP/1.1 404 Not Found\n\n")];
    let service = Service::start(MOVED).await;
    assert_eq!(service.check(PAGE, None).await.unwrap().said, "HTTP/1.1 301 Moved Permanently");
    service.left_in_peace().await;
    let error = Service::start(GONE).await.check(PAGE, None).await.unwrap_err().to_string();
    assert!(error.contains("GET: wrong answer, expected status 200 or 301 (after "), "{error}");
    assert!(error.ends_with("read \"HTTP/1.1 404 Not Found\")"), "{error}");
}

#[tokio::test]
async fn the_host_is_named_with_its_port() {
    const SCRIPT: &[Act] = &[Head("GET ", "\nHost: mail.example.test:"), Say("HTTP/1.1 200 OK\n\n")];
    let service = Service::start(SCRIPT).await;
    service.check(PAGE, None).await.unwrap();
    service.left_in_peace().await;
}

#[tokio::test]
async fn a_dav_collection_asks_for_credentials() {
    const SCRIPT: &[Act] =
        &[Head("PROPFIND / HTTP/1.1\n", "\nDepth: 0\n"), Say("HTTP/1.1 401 Unauthorized\n\n")];
    const BROKEN: &[Act] = &[Head("PROPFIND ", ""), Say("HTTP/1.1 404 Not Found\n\n")];
    let service = Service::start(SCRIPT).await;
    service.check(DavUnauthorized, None).await.unwrap();
    service.left_in_peace().await;
    Service::start(BROKEN).await.check(DavUnauthorized, None).await.unwrap_err();
}

#[tokio::test]
async fn a_websocket_asks_for_credentials() {
    const SCRIPT: &[Act] =
        &[Secure, Head("GET / HTTP/1.1\n", "\nUpgrade: websocket\n"), Say("HTTP/1.1 401 Unauthorized\n\n")];
    const OPEN: &[Act] = &[Head("GET ", ""), Say("HTTP/1.1 101 Switching Protocols\n\n")];
    let service = Service::start(SCRIPT).await;
    service.check(WebSocketUnauthorized, Implicit).await.unwrap();
    service.left_in_peace().await;
    Service::start(OPEN).await.check(WebSocketUnauthorized, None).await.unwrap_err();
}

#[tokio::test]
async fn http_with_starttls_is_refused_by_name() {
    let error = Service::start(&[Wait]).await.check(PAGE, StartTls).await.unwrap_err().to_string();
    assert!(error.contains("this client cannot speak HTTP with STARTTLS"), "{error}");
}
