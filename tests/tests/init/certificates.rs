//! The certificate that a role serves: looked at before its start, and again by each health check.

use std::path::PathBuf;

use berth_tests::{Case, wait_until};

use crate::listening::nobody;
use crate::running::{Init, Place, Running, stderr, stdout};

/// In place of the application: TLS on SQLITE_PORT, with the certificate as it is now; every request is refused
/// for want of credentials.
const SERVER: &str = r#"
import os, signal, socket, ssl, threading
# By a thread: a handler of Python's does not run when the signal comes just before accept().
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
threading.Thread(target=lambda: (signal.sigwait([signal.SIGTERM]), os._exit(0)), daemon=True).start()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.environ["WEB_SSL_CERT_PATH"], os.environ["WEB_SSL_KEY_PATH"])
listener = socket.create_server(("127.0.0.1", int(os.environ["SQLITE_PORT"])))
os.write(int(os.environ["NODE_CHANNEL_FD"]), b'"ready"\n')
while True:
    try:
        with context.wrap_socket(listener.accept()[0], server_side=True) as stream:
            request = b""
            while not request.endswith(b"\r\n\r\n") and (part := stream.recv(4096)):
                request += part
            stream.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    except OSError:
        pass
"#;

/// A new certificate and its key, at these names in the case's folder.
pub fn make_certificate(case: &Case, certificate: &str, key: &str, days: &str) {
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let named = ["-subj", "/CN=mx.example.test", "-addext", "subjectAltName=DNS:mx.example.test"];
    let request = ["req", "-new", "-out", "request.pem", "-keyout", key];
    // In two steps: `req -x509` makes none that is valid for 0 days, which is this very second.
    let sign = ["x509", "-req", "-in", "request.pem", "-copy_extensions", "copyall", "-signkey", key];
    let sign = [&sign[..], &["-days", days, "-out", certificate]].concat();
    for words in [[&request[..], &curve, &named].concat(), sign] {
        let output = case.command("openssl").args(words).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
}

pub fn role<'a>(case: &'a Case, certificate: &str, key: &str) -> Init<'a> {
    let port = nobody();
    Init::script(case, Place::Ordinary, "sqlite", SERVER)
        .set("BERTH_NODE", "/usr/bin/python3")
        .set("NODE_ENV", "production")
        .set("SQLITE_PORT", port)
        .set("WEB_SSL_CERT_PATH", case.path(certificate))
        .set("WEB_SSL_KEY_PATH", case.path(key))
}

fn health(init: &Running) -> (bool, String) {
    let output = init.ask(&["health"]);
    (output.status.success(), stdout(&output))
}

#[test]
fn a_role_that_serves_a_good_certificate_is_healthy() {
    let case = Case::new();
    make_certificate(&case, "cert.pem", "key.pem", "30");
    let mut init = role(&case, "cert.pem", "key.pem").start();
    init.until("ready");
    let (healthy, reason) = health(&init);
    assert!(healthy && reason.contains("certificate valid for"), "{reason}");
    assert_eq!(init.stop(), 0);
}

/// The application reads it once, at its start.
#[test]
fn a_renewed_certificate_is_missed_until_a_restart() {
    let case = Case::new();
    make_certificate(&case, "cert.pem", "key.pem", "30");
    let mut init = role(&case, "cert.pem", "key.pem").start();
    init.until("ready");
    make_certificate(&case, "cert.pem", "key.pem", "60");
    let (healthy, reason) = health(&init);
    assert!(!healthy && reason.contains("cert.pem"), "{reason}");
    assert!(init.ask(&["health", "--live"]).status.success(), "a KILL would not help");
    assert!(init.ask(&["restart"]).status.success());
    wait_until("it is ready again", || {
        init.status().filter(|status| status["restarts"] == 1 && status["state"] == "ready")
    });
    let (healthy, reason) = health(&init);
    assert!(healthy && reason.contains("certificate valid for"), "{reason}");
    assert_eq!(init.stop(), 0);
}

#[test]
fn a_role_that_serves_an_expired_certificate_is_not_healthy_and_lives() {
    let case = Case::new();
    make_certificate(&case, "cert.pem", "key.pem", "0");
    let mut init = role(&case, "cert.pem", "key.pem").start();
    init.until("ready");
    wait_until("the second of its validity is over", || {
        let (healthy, reason) = health(&init);
        (!healthy && reason.contains("expired")).then_some(())
    });
    assert!(init.ask(&["health", "--live"]).status.success());
    assert_eq!(init.stop(), 0);
}

#[test]
fn what_is_no_certificate_or_no_key_or_not_the_certificates_key_is_refused_at_start() {
    let case = Case::new();
    make_certificate(&case, "cert.pem", "key.pem", "30");
    make_certificate(&case, "other.pem", "other-key.pem", "30");
    case.write("empty.pem", "");
    let refused = [
        ("missing.pem", "key.pem", "missing.pem"),
        ("empty.pem", "key.pem", "empty.pem"),
        ("key.pem", "key.pem", "key.pem"),
        ("cert.pem", "missing.pem", "missing.pem"),
        ("cert.pem", "empty.pem", "empty.pem"),
        ("cert.pem", "cert.pem", "cert.pem"),
        ("cert.pem", "other-key.pem", "other-key.pem"),
    ];
    for (certificate, key, named) in refused {
        let output = role(&case, certificate, key).output();
        assert_eq!(output.status.code(), Some(78), "{certificate}, {key}");
        let said = stderr(&output);
        let path: PathBuf = case.path(named);
        assert!(said.contains(path.to_str().unwrap()), "{said}");
    }
}

/// Docker keeps 4,096 bytes of it; quotes take two of JSON each, and a line break would make two lines.
#[test]
fn the_longest_answer_is_one_line_of_at_most_4096_bytes() {
    let case = Case::new();
    let deep = format!("{}line\nbreak", format!("{}/", "\"".repeat(200)).repeat(15));
    fs_err::create_dir_all(case.path(&deep)).unwrap();
    let (certificate, key) = (format!("{deep}/cert.pem"), format!("{deep}/key.pem"));
    make_certificate(&case, &certificate, &key, "30");
    let mut init = role(&case, &certificate, &key).start();
    init.until("ready");
    make_certificate(&case, &certificate, &key, "60");
    for words in [&["health"][..], &["health", "--json"]] {
        let output = init.ask(words);
        assert_eq!(output.status.code(), Some(1));
        let line = stdout(&output);
        assert!(line.len() <= 4096 && line.lines().count() == 1 && line.ends_with('\n'), "{line:?}");
        assert!(
            line.contains("is not the one in") && !line.trim_end().contains(char::is_control),
            "{line:?}"
        );
    }
    let json = stdout(&init.ask(&["health", "--json"]));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["good"], false);
    assert_eq!(init.stop(), 0);
}
