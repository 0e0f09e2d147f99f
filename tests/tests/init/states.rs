//! The table of docs/reference/health.md: a `berth-init` is driven into every state, and asked both questions. What it
//! says there is what it says; `SNAPSHOTS=overwrite` writes it anew.

use std::fmt::Write;
use std::path::Path;
use std::process::Output;
use std::thread;

use berth_tests::{Case, wait_until};

use crate::certificates;
use crate::listening::{Door, nobody};
use crate::running::{Init, Place, Running, stdout};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/health.md");

/// What stands before and after the rows.
const HEAD: &str = "| state | `health` | `health --live` |\n| --- | --- | --- |\n";
const FOOT: &str = "\n<!-- The rows are written by tests/tests/init/states.rs. -->";

/// Two answers, as the page has them.
type Answers = [String; 2];

/// A state, in the page's words, and how one comes into it and asks.
type State = (&'static str, fn(&Case) -> Answers);

const STATES: &[State] = &[
    ("no `berth-init` there: it checks its settings, or has ended", |case| {
        let ask = |words: &[&str]| Init::new(case, Place::Ordinary, words).output();
        [ask(&["health"]), ask(&["health", "--live"])].map(|output| told(case, &output))
    }),
    ("`berth-init` itself was stopped by a signal", |case| {
        let init = ready(case, "sqlite", &[("SQLITE_PORT", &nobody())]);
        init.signal(19);
        let answers = both(case, &init);
        init.signal(18);
        over(init, answers)
    }),
    ("`waiting` for a role", |case| {
        let init = Init::role(case, Place::Ordinary, "imap", "catch").set("SQLITE_PORT", nobody()).start();
        while_waiting(case, init, "refused")
    }),
    ("`waiting` for a document store", |case| {
        let uri = format!("mongodb://postbox:sesame@127.0.0.1:{}/?authSource=admin", nobody());
        let init = Init::role(case, Place::Ordinary, "mx", "catch").set("MONGO_URI", uri).start();
        while_waiting(case, init, "refused")
    }),
    ("`waiting` for a key-value store that refuses the password", |case| {
        let store = Door::key_value("another");
        let init = Init::role(case, Place::Ordinary, "mx", "catch").set("BREE_REDIS_HOST", "127.0.0.1");
        let init = init.set("BREE_REDIS_PORT", store.port()).set("BREE_REDIS_PASSWORD", "sesame").start();
        while_waiting(case, init, "WRONGPASS")
    }),
    ("`starting`", |case| {
        let init = Init::role(case, Place::Ordinary, "mx", "on=15:0 catch").start();
        init.until_said("main catching");
        let answers = both(case, &init);
        over(init, answers)
    }),
    ("`starting`, the program was stopped by a signal", |case| {
        let init = Init::role(case, Place::Ordinary, "mx", "on=15:0 catch").start();
        init.until_said("main catching");
        stopped(case, init)
    }),
    ("`ready`, all is well", |case| {
        let (own, sqlite, documents, store) =
            (Door::guarded(), Door::guarded(), Door::documents(), Door::key_value("sesame"));
        let init = ready(case, "caldav", &needs(&own, &sqlite, &documents, &store));
        let answers = both(case, &init);
        over(init, answers)
    }),
    ("`ready`, a role without a port", |case| {
        let init = ready(case, "smtp-bree", &[]);
        let answers = both(case, &init);
        over(init, answers)
    }),
    ("`ready`, nobody listens on its port", |case| {
        let init = ready(case, "sqlite", &[("SQLITE_PORT", &nobody())]);
        let answers = both(case, &init);
        over(init, answers)
    }),
    ("`ready`, its port takes the question and says nothing", |case| {
        let silent = Door::silent();
        let init = ready(case, "sqlite", &[("SQLITE_PORT", &silent.port())]);
        let answers = both(case, &init);
        over(init, answers)
    }),
    ("`ready`, its port hangs up", |case| {
        let closing = Door::closing();
        let init = ready(case, "mx", &[("MX_PORT", &closing.port())]);
        let answers = both(case, &init);
        over(init, answers)
    }),
    ("`ready`, another answer than the right one", |case| {
        let door = Door::greeting("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        let sqlite = Door::guarded();
        let ports = [("CALDAV_PORT", door.port()), ("SQLITE_PORT", sqlite.port())];
        let init = ready(case, "caldav", &ports.each_ref().map(|(key, port)| (*key, port.as_str())));
        let answers = both(case, &init);
        over(init, answers)
    }),
    ("`ready`, \"not now\"", |case| {
        let door = Door::greeting("421 An internal server error has occurred, please try again later.\r\n");
        let init = ready(case, "mx", &[("MX_PORT", &door.port())]);
        let answers = both(case, &init);
        over(init, answers)
    }),
    ("`ready`, plain text where TLS is expected", |case| {
        let door = Door::greeting("* OK postbox ready\r\n");
        let init = ready(case, "sqlite", &[("SQLITE_PORT", &door.port()), ("NODE_ENV", "production")]);
        let answers = both(case, &init);
        over(init, answers)
    }),
    ("`ready`, its certificate is good", |case| {
        certificates::make_certificate(case, "cert.pem", "key.pem", "30");
        let init = certificates::role(case, "cert.pem", "key.pem").start();
        init.until("ready");
        let answers = both(case, &init);
        over(init, answers)
    }),
    ("`ready`, its certificate has expired", |case| {
        certificates::make_certificate(case, "cert.pem", "key.pem", "0");
        let init = certificates::role(case, "cert.pem", "key.pem").start();
        init.until("ready");
        wait_until("the second of its validity is over", || {
            stdout(&init.ask(&["health"])).contains("expired").then_some(())
        });
        let answers = both(case, &init);
        over(init, answers)
    }),
    ("`ready`, its certificate was renewed on disk and not yet by a restart", |case| {
        certificates::make_certificate(case, "cert.pem", "key.pem", "30");
        let init = certificates::role(case, "cert.pem", "key.pem").start();
        init.until("ready");
        certificates::make_certificate(case, "cert.pem", "key.pem", "60");
        let answers = both(case, &init);
        over(init, answers)
    }),
    ("`ready`, a role that it needs is away", |case| {
        without(case, |(own, sqlite, documents, store)| {
            drop(sqlite);
            Box::new((own, documents, store))
        })
    }),
    ("`ready`, its document store is away", |case| {
        without(case, |(own, sqlite, documents, store)| {
            drop(documents);
            Box::new((own, sqlite, store))
        })
    }),
    ("`ready`, its key-value store is away", |case| {
        without(case, |(own, sqlite, documents, store)| {
            drop(store);
            Box::new((own, sqlite, documents))
        })
    }),
    ("`ready`, the program was stopped by a signal", |case| {
        let own = Door::guarded();
        let init = ready(case, "sqlite", &[("SQLITE_PORT", &own.port())]);
        stopped(case, init)
    }),
    ("`draining`", |case| {
        let own = Door::guarded();
        let init = gated(case, &own);
        init.signal(15);
        init.until_said("main signal 15");
        let answers = both(case, &init);
        case.write("app/go", "");
        over(init, answers)
    }),
    ("`draining`, to be started again", |case| {
        let own = Door::guarded();
        let init = gated(case, &own);
        assert!(init.ask(&["restart"]).status.success());
        init.until_said("main signal 15");
        let answers = both(case, &init);
        case.write("app/go", "");
        init.until_said_times("main catching", 2);
        init.until("ready");
        over(init, answers)
    }),
    ("`draining`, clients are connected that it would cut off", |case| {
        let door = Door::silent();
        let port = door.port();
        let init = ready(case, "mx", &[("MX_PORT", &port), ("BERTH_QUIET", "600"), ("BERTH_GRACE", "1200")]);
        let client = door.enter();
        init.signal(15);
        wait_until("it waits", || init.status().filter(|status| status["waiting_for"][0].is_string()));
        let answers = both(case, &init);
        drop(client);
        let mut init = init;
        assert_eq!(init.end(), 0);
        answers
    }),
    ("`restarting` before it is started again", |case| {
        let init = Init::role(case, Place::Ordinary, "mx", "ready exit=1").set("BERTH_RESTART", "on-failure");
        let mut init = init.start();
        // Long enough for all that is asked in it on a busy machine: 4 s.
        wait_until("the fourth pause", || {
            (init.logged("starts again after a pause").len() == 4).then_some(())
        });
        let answers = both(case, &init);
        assert_eq!(init.stop(), 143);
        answers
    }),
    ("a program after `--`", |case| {
        let init = Init::plain(case, Place::Ordinary, &["name=main", "on=15:0", "catch"]).start();
        init.until_said("main catching");
        let answers = both(case, &init);
        over(init, answers)
    }),
    ("a program after `--`, stopped by a signal", |case| {
        let init = Init::plain(case, Place::Ordinary, &["name=main", "on=15:0", "catch"]).start();
        init.until_said("main catching");
        stopped(case, init)
    }),
];

/// A role that said ready, and ends with 0 when asked to.
fn ready<'a>(case: &'a Case, role: &str, settings: &[(&str, &str)]) -> Running<'a> {
    let init = Init::role(case, Place::Ordinary, role, "ready on=15:0 catch");
    let init = settings.iter().fold(init, |init, (key, value)| init.set(key, value)).start();
    init.until_ready();
    init
}

/// The same, and it ends only once the file `app/go` is there.
fn gated<'a>(case: &'a Case, own: &Door) -> Running<'a> {
    let init = Init::role(case, Place::Ordinary, "sqlite", "ready on=15:0:go catch");
    let init = init.set("SQLITE_PORT", own.port()).start();
    init.until_ready();
    init
}

/// The settings of a caldav that needs all that can be needed.
fn needs(own: &Door, sqlite: &Door, documents: &Door, store: &Door) -> [(&'static str, &'static str); 6] {
    let leak = |text: String| &*text.leak();
    [
        ("CALDAV_PORT", leak(own.port())),
        ("SQLITE_PORT", leak(sqlite.port())),
        ("MONGO_URI", leak(format!("mongodb://127.0.0.1:{}/postbox", documents.port()))),
        ("CALDAV_REDIS_HOST", "127.0.0.1"),
        ("CALDAV_REDIS_PORT", leak(store.port())),
        ("CALDAV_REDIS_PASSWORD", "sesame"),
    ]
}

/// A caldav's own port, and the three that it needs: a role, a document store, a key-value store.
type Doors = (Door, Door, Door, Door);

/// Those that stay open until it was asked.
type Left = Box<dyn std::any::Any>;

/// A caldav that had all it needs until one of the four went away.
fn without(case: &Case, goes: fn(Doors) -> Left) -> Answers {
    let doors = (Door::guarded(), Door::guarded(), Door::documents(), Door::key_value("sesame"));
    let init = ready(case, "caldav", &needs(&doors.0, &doors.1, &doors.2, &doors.3));
    let left = goes(doors);
    let answers = both(case, &init);
    drop(left);
    over(init, answers)
}

fn while_waiting(case: &Case, mut init: Running, why: &str) -> Answers {
    wait_until("it says what it waits for", || {
        let waits_for = init.status()?["waiting_for"].to_string();
        waits_for.contains(why).then_some(())
    });
    let answers = both(case, &init);
    assert_eq!(init.stop(), 143);
    answers
}

fn stopped(case: &Case, init: Running) -> Answers {
    init.main().signal(19).unwrap();
    wait_until("it is seen", || init.status().filter(|status| status["main"]["stopped"] == true));
    let answers = both(case, &init);
    init.main().signal(18).unwrap();
    over(init, answers)
}

fn over(mut init: Running, answers: Answers) -> Answers {
    assert_eq!(init.stop(), 0);
    answers
}

/// Both questions at once: a busy process is given a minute to show that it lives.
fn both(case: &Case, init: &Running) -> Answers {
    let ask = |words: &'static [&str]| {
        let mut command = init.beside(berth_tests::init().to_str().unwrap());
        command.args(words);
        thread::spawn(move || command.output().unwrap())
    };
    let asked = [ask(&["health"]), ask(&["health", "--live"])];
    asked.map(|asked| told(case, &asked.join().unwrap()))
}

/// The answer, without what differs each time.
fn told(case: &Case, output: &Output) -> String {
    let line = stdout(output).trim_end().replace(&case.folder().display().to_string(), "/run/example");
    let good = if output.status.success() { "yes" } else { "no" };
    let line = unnumbered(&line).replace("N client to", "N clients to");
    format!("{good}: `{}`", line.replace('|', "\\|"))
}

/// Ports, process ids and times differ; codes, addresses and versions do not.
fn unnumbered(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let (number, after) = number.split_at(end);
        // Of clients, too: who else has this port on another address counts as well.
        let units = [" ms", " s:", " hours", " days", " client"];
        let is_time = units.iter().any(|unit| after.starts_with(unit)) || after == " s";
        let is_port =
            before.ends_with("port ") || before.ends_with("127.0.0.1:") || before.ends_with("0.0.1:");
        let is_process = before.ends_with("process ");
        text += before;
        text += if is_time || is_port || is_process || before == ":" { "N" } else { number };
        rest = after;
    }
    text + rest
}

#[test]
fn the_page_says_of_every_state_what_health_says_and_what_live_says() {
    let driven: Vec<_> =
        STATES.iter().map(|&(name, drive)| (name, thread::spawn(move || drive(&Case::new())))).collect();
    // All of them end before one may fail the test: each clears up what it has started.
    let answers: Vec<_> = driven.into_iter().map(|(name, driven)| (name, driven.join())).collect();
    let mut table = HEAD.to_owned();
    for (name, answers) in answers {
        let [health, live] = answers.unwrap_or_else(|_| panic!("the state {name:?}: see above"));
        writeln!(table, "| {name} | {health} | {live} |").unwrap();
    }
    let page = fs_err::read_to_string(Path::new(PAGE)).unwrap();
    let (before, rest) = page.split_once(HEAD).expect("the page has the head of the table");
    let (_, after) = rest.split_once(FOOT).expect("the page has the foot of the table");
    let wanted = format!("{before}{table}{FOOT}{after}");
    if std::env::var("SNAPSHOTS").is_ok_and(|wish| wish == "overwrite") {
        fs_err::write(PAGE, wanted).unwrap();
    } else {
        snapbox::assert_data_eq!(wanted, snapbox::Data::text(page).raw());
    }
}
