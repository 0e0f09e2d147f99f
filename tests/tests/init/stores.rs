//! Needs on a document store and on a key-value store; the latter against the real one.

use std::process::{Child, Stdio};

use berth_tests::{Case, skip, wait_until};

use crate::certificates::make_certificate;
use crate::listening::{Door, nobody};
use crate::running::{Init, Place, Running, places, stderr, stdout};

/// What no output of any command may contain.
const PASSWORD: &str = "open-sesame";

fn mx<'a>(case: &'a Case, place: Place, settings: &[(&str, &str)]) -> Init<'a> {
    let init = Init::role(case, place, "mx", "ready on=15:0 catch");
    settings.iter().fold(init, |init, (key, value)| init.set(key, value))
}

fn waits_for(init: &Running, what: &str) {
    wait_until(&format!("it waits for {what}"), || {
        let status = init.status()?;
        (status["state"] == "waiting" && status["waiting_for"].to_string().contains(what)).then_some(())
    });
}

fn health(init: &Running) -> (bool, String) {
    let output = init.ask(&["health"]);
    (output.status.success(), stdout(&output))
}

fn end(mut init: Running) {
    init.signal(15);
    assert!([0, 143].contains(&init.end()));
}

#[test]
fn a_role_waits_for_its_document_store() {
    for place in places() {
        let case = Case::new();
        let port = nobody();
        let uri = format!("mongodb://127.0.0.1:{port}/postbox");
        let init = mx(&case, place, &[("MONGO_URI", &uri)]).start();
        waits_for(&init, "MONGO_URI: 127.0.0.1");
        assert!(init.logged("waits for its needs")[0]["waiting_for"].as_str().unwrap().contains("MONGO_URI"));
        let store = Door::documents_at(&port);
        init.until("ready");
        drop(store);
        end(init);
    }
}

#[test]
fn a_role_waits_for_its_key_value_store_to_let_it_in() {
    for place in places() {
        let case = Case::new();
        let store = Door::key_value(PASSWORD);
        let port = store.port();
        let settings = [("BREE_REDIS_HOST", "127.0.0.1"), ("BREE_REDIS_PORT", &port)];
        let init = mx(&case, place, &settings).set("BREE_REDIS_PASSWORD", "mistyped-sesame").start();
        waits_for(&init, "AUTH: the credentials are refused");
        assert!(!case.read("err").contains("mistyped-sesame"));
        end(init);

        let init = mx(&case, place, &settings).set("BREE_REDIS_PASSWORD", PASSWORD).start();
        init.until("ready");
        end(init);
    }
}

#[test]
fn a_store_whose_setting_is_empty_is_not_needed() {
    let case = Case::new();
    let init =
        mx(&case, Place::Ordinary, &[("MONGO_URI", ""), ("BREE_REDIS_HOST", ""), ("BREE_REDIS_PORT", "1")]);
    let init = init.start();
    assert!(init.until("ready")["needs"].as_array().unwrap().is_empty());
    end(init);
}

#[test]
fn a_store_that_does_not_come_in_time_is_named_and_ends_it_with_69() {
    let silent = Door::silent();
    let uri = |port: &str| format!("mongodb://127.0.0.1:{port}");
    for (key, value) in [("MONGO_URI", uri(&nobody())), ("MONGO_URI", uri(&silent.port()))] {
        let case = Case::new();
        let init = mx(&case, Place::Ordinary, &[(key, &value), ("BERTH_NEED_WITHIN", "0.5")]);
        let mut init = init.start();
        assert_eq!(init.end(), 69);
        let missed = init.logged("a need did not answer in time");
        assert!(missed[0]["waiting_for"].as_str().unwrap().contains(key), "{missed:?}");
    }
}

#[test]
fn a_store_that_cannot_be_asked_is_refused_by_name_and_nothing_of_it_is_repeated() {
    for (key, value, said) in [
        (
            "MONGO_URI",
            "mongodb+srv://joe:open-sesame@cluster.example.test/mail",
            "mongodb+srv:// is not supported",
        ),
        ("MONGO_URI", "mongodb://joe:open-sesame@h/?authMechanism=GSSAPI", "authMechanism is not supported"),
        ("MONGO_URI", "mongodb://joe:open-sesame/@h", "percent-encoded"),
    ] {
        let case = Case::new();
        let init = mx(&case, Place::Ordinary, &[(key, value)]);
        let output = init.output();
        assert_eq!(output.status.code(), Some(78), "{key}");
        let told = stderr(&output);
        assert!(told.contains(key) && told.contains(said), "{told}");
        assert!(!told.contains(PASSWORD) && !told.contains("joe"), "{told}");
    }
}

/// Docker's and systemd's resolvers are asked by name, and one that is down keeps a thread for half a minute.
#[test]
fn term_while_a_resolver_does_not_answer_ends_it_at_once_with_143() {
    if !berth_tests::is_root() {
        return skip("a resolver of its own: only root mounts one");
    }
    let case = Case::new();
    // Nobody answers at a documentation address (RFC 5737).
    let resolver = case.write("resolv.conf", "nameserver 192.0.2.1\noptions timeout:15 attempts:2\n");
    let mount = format!("mount --bind {} /etc/resolv.conf && exec \"$@\"", resolver.display());
    let init = mx(&case, Place::Ordinary, &[("MONGO_URI", "mongodb://documents.example.test")]);
    let mut init = init.through(&["unshare", "--mount", "sh", "-c", &mount, "sh"]).start();
    wait_until("its resolver is asked", || {
        let threads = init.pid.status("Threads")?;
        (threads == "2").then_some(())
    });
    init.signal(15);
    let asked = std::time::Instant::now();
    assert_eq!(init.end(), 143);
    assert!(asked.elapsed() < std::time::Duration::from_secs(10), "it waited for the resolver");
}

/// A Redis of the test's own.
struct Redis {
    child: Child,
    port: String,
}

impl Redis {
    /// Nothing if there is none on this machine.
    fn start(case: &Case, port: &str, words: &[&str]) -> Option<Self> {
        let mut command = case.command("redis-server");
        // A file of settings comes first.
        command.args(words).args(["--bind", "127.0.0.1", "--save", ""]);
        command.args(["--logfile", "redis.log", "--loglevel", "verbose"]);
        let child = command.stdout(Stdio::null()).spawn();
        let Ok(child) = child else {
            skip("redis-server is not installed");
            return None;
        };
        Some(Self { child, port: port.to_owned() })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_real_redis_is_waited_for_asked_and_missed() {
    let case = Case::new();
    let port = nobody();
    let words = ["--port", &port, "--requirepass", PASSWORD];
    let settings =
        [("BREE_REDIS_HOST", "127.0.0.1"), ("BREE_REDIS_PORT", &port), ("BREE_REDIS_PASSWORD", PASSWORD)];
    let init = mx(&case, Place::Ordinary, &settings).start();
    waits_for(&init, "BREE_REDIS_HOST: 127.0.0.1");
    let Some(redis) = Redis::start(&case, &port, &words) else { return end(init) };
    let status = init.until("ready");
    assert_eq!(status["needs"][0]["setting"], "BREE_REDIS_HOST", "{status}");
    assert!(!status.to_string().contains(PASSWORD), "{status}");
    drop(redis);
    end(init);
    assert!(!case.read("err").contains(PASSWORD));
}

/// With a certificate of its own, a user of its own, and for health again and again.
#[test]
fn the_real_redis_is_asked_over_tls_and_logs_no_error() {
    let case = Case::new();
    make_certificate(&case, "cert.pem", "key.pem", "30");
    let port = nobody();
    let user = format!("user joe on >{PASSWORD} +@all ~* &*");
    let tls = ["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem", "--tls-auth-clients", "no"];
    let words = [&["--port", "0", "--tls-port", &port, "--tls-ca-cert-file", "cert.pem"], &tls[..]].concat();
    case.write("redis.conf", &format!("user default off\n{user}\n"));
    let Some(redis) = Redis::start(&case, &port, &[&["redis.conf"], &words[..]].concat()) else { return };
    let (own, sqlite) = (Door::guarded(), Door::guarded());
    let init = Init::role(&case, Place::Ordinary, "caldav", "ready on=15:0 catch")
        .set("CALDAV_PORT", own.port())
        .set("SQLITE_PORT", sqlite.port())
        .set("CALDAV_REDIS_HOST", "127.0.0.1")
        .set("CALDAV_REDIS_PORT", &redis.port)
        .set("CALDAV_REDIS_USERNAME", "joe")
        .set("CALDAV_REDIS_PASSWORD", PASSWORD)
        .set("CALDAV_REDIS_TLS", "true")
        .start();
    init.until("ready");
    for _ in 0..5 {
        let (healthy, reason) = health(&init);
        assert!(healthy && reason.contains("CALDAV_REDIS_HOST answers"), "{reason}");
    }
    let log = case.read("redis.log");
    let (_, served) = log.split_once("Ready to accept connections").unwrap();
    assert!(served.contains("Accepted 127.0.0.1"), "{served}");
    assert!(!served.contains("rror") && !served.contains("losed"), "{served}");
    drop(redis);
    let (healthy, reason) = health(&init);
    assert!(!healthy && reason.contains("caldav needs CALDAV_REDIS_HOST"), "{reason}");
    assert!(!reason.contains(PASSWORD), "{reason}");
    end(init);
}
