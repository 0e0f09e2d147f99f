//! What the real application was seen to do wrong, and what the operator sees of it. The sample application shows each
//! fault on demand; what came of it is compared with the table in docs/reference/faults.md.

use std::net::TcpListener;
use std::sync::Mutex;
use std::thread;

use berth_tests::{init, wait_until};
use serde_json::Value;
use snapbox::{Data, assert_data_eq};

use crate::service::{Ran, Service};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/faults.md");

/// Services that run at a time.
const AT_ONCE: usize = 2;

struct Fault {
    name: &'static str,
    role: &'static str,
    /// What was seen of the real application.
    seen: &'static str,
    /// The roles that are brought up, with what they need.
    only: &'static str,
    /// Something else about it.
    setting: Setting,
}

#[derive(Clone, Copy, PartialEq)]
enum Setting {
    Usual,
    /// The grace is short, for the fault uses it up.
    ShortGrace,
    /// Started by hand, for the engine finds the taken port before it starts anything.
    TakenPort,
    /// With the whole proof.
    Proof,
    /// It may be ready for longer than `berth up` looks.
    DiesAtOnce,
}

const MAIL: &str = "sqlite,imap,mx,smtp,smtp-bree";

const FAULTS: [Fault; 13] = [
    fault(
        "cuts-off",
        "imap",
        "ends with 0 some 0.1 s after TERM, whoever is connected",
        "imap",
        Setting::Usual,
    ),
    fault("never-ends", "smtp", "goes on after TERM", "smtp", Setting::ShortGrace),
    fault(
        "keeps-threads",
        "smtp-bree",
        "worker threads do not stop: ends with 1 after 5 s",
        "smtp-bree",
        Setting::Usual,
    ),
    fault("ends-with-1", "mx", "ends with 1 when asked to stop", "mx", Setting::Usual),
    fault("ends-with-130", "imap", "ends with 130 when asked to stop", "imap", Setting::Usual),
    fault("ends-with-143", "smtp", "ends with 143 when asked to stop", "smtp", Setting::Usual),
    fault("dies-after-ready", "api", "ends with 1 right after it has said ready", "api", Setting::DiesAtOnce),
    fault(
        "idles-on-taken-port",
        "mx",
        "its port is taken: neither ready nor ended",
        "mx",
        Setting::TakenPort,
    ),
    fault("ready-too-soon", "imap", "ready long before its database works", MAIL, Setting::Proof),
    fault("memory-burst", "bree", "takes much memory at its start", "bree", Setting::Usual),
    fault("silent-http", "sqlite", "never answers a plain GET", "sqlite", Setting::Usual),
    fault("dav-404", "caldav", "404 to every DAV request, while / is 200", "caldav", Setting::Usual),
    fault("greets-421", "smtp", "421 to everybody while Redis is away", MAIL, Setting::Proof),
];

const fn fault(
    name: &'static str,
    role: &'static str,
    seen: &'static str,
    only: &'static str,
    setting: Setting,
) -> Fault {
    Fault { name, role, seen, only, setting }
}

/// What the operator saw.
#[derive(Default)]
struct Sight {
    up: String,
    health: String,
    live: String,
    stop: String,
}

#[test]
fn the_operator_sees_of_each_fault_what_the_table_says() {
    let next = Mutex::new(FAULTS.iter());
    let rows = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(fault) = next.lock().unwrap().next() else { return };
                    let sight = match fault.setting {
                        Setting::TakenPort => by_hand(fault),
                        Setting::Usual | Setting::ShortGrace | Setting::Proof => on_engine(fault),
                        // Whether a role that dies slowly came up is the machine's business.
                        Setting::DiesAtOnce => {
                            let mut tries = (0..5).map(|_| on_engine(fault));
                            tries.find(|sight| sight.stop == "-").expect("it is found dead")
                        }
                    };
                    rows.lock().unwrap().push((fault.name, row(fault, &sight)));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(name, _)| FAULTS.iter().position(|fault| fault.name == *name));
    let page = fs_err::read_to_string(PAGE).unwrap();
    let (before, rest) =
        page.split_once("<!-- observed -->\n").expect("the page marks where the table begins");
    let (_, after) = rest.split_once("<!-- end -->").expect("the page marks where the table ends");
    let table: String = rows.into_iter().map(|(_, row)| row).collect();
    let head = "| fault | seen of the application | `berth up` | `health` | `health --live` | asked to stop |\n| --- | --- | --- | --- | --- | --- |\n";
    let now = format!("{before}<!-- observed -->\n{head}{table}<!-- end -->{after}");
    assert_data_eq!(now, Data::read_from(PAGE.as_ref(), None).raw());
}

fn row(fault: &Fault, Sight { up, health, live, stop }: &Sight) -> String {
    format!("| `{}:{}` | {} | {up} | {health} | {live} | {stop} |\n", fault.role, fault.name, fault.seen)
}

/// Through `berth`, as an operator does.
fn on_engine(fault: &Fault) -> Sight {
    let service = Service::new();
    let grace = if fault.setting == Setting::ShortGrace { "BERTH_GRACE=3\n" } else { "" };
    fs_err::create_dir(service.state("")).unwrap();
    fs_err::write(
        service.state("settings.env"),
        format!("POSTBOX_FAULTS={}:{}\n{grace}", fault.role, fault.name),
    )
    .unwrap();
    let mut words = vec!["up", "--detach", "--only", fault.only];
    if fault.setting != Setting::Proof {
        words.push("--no-prove");
    }
    let up = service.run(&words);
    let mut sight = Sight { up: came_up(&up), ..Sight::default() };
    if service.case.processes().is_empty() {
        (sight.health, sight.live, sight.stop) = ("-".into(), "-".into(), "-".into());
        return sight;
    }
    if fault.setting == Setting::Usual {
        // A worker counts as ready once it has lived for a while, whether it has got as far as minding TERM or not.
        wait_until("it says itself that it is ready", || {
            let own = |line: &Value| line["message"] == "ready" && line["time"].is_string();
            service.log(fault.role).iter().any(own).then_some(())
        });
    }
    let ask = |words: &[&str]| plain(&service.ask(fault.role, words));
    (sight.health, sight.live) = (ask(&["health"]), ask(&["health", "--live"]));
    service.down();
    sight.stop = ended(&service.log(fault.role));
    sight
}

/// With an init of its own, whose port somebody else has.
fn by_hand(fault: &Fault) -> Sight {
    let service = Service::new();
    service.done(&["up", "--detach", "--no-prove", "--only", fault.only]);
    let environment = service.process(fault.role, "init").file("environ").unwrap();
    service.down();
    let _holder = TcpListener::bind(("127.0.0.1", service.port(fault.role))).unwrap();
    let refused = service.run(&["up", "--detach", "--only", fault.only]);
    let mut supervised = service.case.command(init());
    supervised.arg(fault.role).envs(environment.split('\0').filter_map(|pair| pair.split_once('=')));
    let control = service.case.path("control");
    supervised.env("POSTBOX_FAULTS", format!("{}:{}", fault.role, fault.name)).env("BERTH_CONTROL", &control);
    supervised.env("BERTH_READY_WITHIN", "15").stderr(std::process::Stdio::piped());
    let child = supervised.spawn().unwrap();
    let ask = |words: &[&str]| {
        let mut health = service.case.command(init());
        Ran::of(&health.arg("health").args(words).env("BERTH_CONTROL", &control).output().unwrap())
    };
    wait_until("it is being started", || ask(&[]).out.contains("starting").then_some(()));
    let (health, live) = (plain(&ask(&[])), plain(&ask(&["--live"])));
    let ran = Ran::of(&child.wait_with_output().unwrap());
    let log: Vec<_> = ran.err.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let up = format!("{}; by itself: not ready in time, exit {}", came_up(&refused), ran.code.unwrap());
    Sight { up, health, live, stop: ended(&log) }
}

/// Whether it came up, and if not, why.
fn came_up(ran: &Ran) -> String {
    let code = ran.code.unwrap();
    if code == 0 {
        return "comes up".to_owned();
    }
    let failed = ran.out.lines().skip_while(|line| !line.contains("FAILED")).skip(1);
    let because = failed
        .take_while(|line| line.contains("because: "))
        .map(|line| line.trim().replacen("because: ", "", 1));
    let error = ran.err.lines().filter_map(|line| line.strip_prefix("error: ")).map(str::to_owned);
    format!("exit {code}: {}", words(&because.chain(error).collect::<Vec<_>>().join(", ")))
}

/// A line that a probe printed, without what differs from run to run.
fn plain(ran: &Ran) -> String {
    let word = if ran.code == Some(0) { "yes" } else { "**no**" };
    let line = ran.out.trim();
    let because = line.split_once(": ").map_or(line, |(_, because)| because);
    if ran.code == Some(0) { word.to_owned() } else { format!("{word}: {}", words(because)) }
}

/// How its main process ended.
fn ended(log: &[Value]) -> String {
    let end = log.iter().rfind(|line| line["message"] == "main process ended").unwrap();
    let normal = if end["normal"] == true { "normal" } else { "**not normal**" };
    format!("{}, {normal}", end["exit"].as_str().unwrap())
}

/// Numbers and the canary's name differ from run to run; SMTP and HTTP statuses and exit codes name something. Of what was
/// read the first line will do.
fn words(text: &str) -> String {
    let text = text
        .split_once(" held by process ")
        .map_or(text.to_owned(), |(what, _)| format!("{what} held by a process"));
    let text = text.split_once("..Date:").map_or(text.clone(), |(read, _)| format!("{read} …)"));
    let word = |word: &str| {
        let digits: String = word.chars().filter(char::is_ascii_digit).collect();
        match word {
            _ if word.starts_with("canary-") => "a canary,".to_owned(),
            _ if digits.is_empty() || ["404", "421", "401", "220"].contains(&digits.as_str()) => {
                word.to_owned()
            }
            _ => "N".to_owned(),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
