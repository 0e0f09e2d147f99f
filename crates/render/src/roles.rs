use std::fmt::{self, Display, Write};
use std::time::Duration;

use berth_catalogue::start_order;
use berth_role::{
    Bounds, Exposure, Hostname, Need, Place, Port, Readiness, Role, Start, Strength, Tls, Upstream, Volume,
};

const HEAD: &str = "\
<!-- Written by `cargo xtask generate` from crates/role-*; a change here is lost. -->

# Roles

A role is one program of the service. `berth-init NAME` runs it, waits for what it needs, and knows when it is ready,
healthy and stopped. `berth-init roles --json` prints the same for programs.

";

const NOTES: &str = "
- **Port**: where it listens by default, and the number under which clients outside reach it. *public*: directly;
  *fronted*: through the HTTP front; *private*: by other roles only.
- **Needs**: what it waits for before it starts, and what its health depends on. A document or key-value store whose
  setting is empty is not needed.
- **Ready**: *message*: it says so on its IPC channel; a time: once its needs have answered it counts as ready when it
  has been alive that long.
- **Grace**: how long it may take to stop, before what is left of it is killed. It contains the wait for a
  [quiet moment](berth-init.md#quiet-moment), where there is one.
- **Memory**: the most that was measured from the start until it was at rest, and the limit of a container, which leaves room for
  three mails of 50 MB at once; with the application that berth exists for, and with the sample application. `m` is MiB, `g` GiB.
- **Heap**: how much of a memory limit V8's old space may take ([how](berth-init.md#heap)).

Roles start in this order, and stop in the reverse: ";

/// The reference page of the roles, in Markdown.
#[must_use]
pub fn roles_page(roles: &[&Role]) -> String {
    let mut page = HEAD.to_owned();
    page += "| role | serves | port | needs | ready | grace |\n| --- | --- | --- | --- | --- | --- |\n";
    page.extend(roles.iter().map(|role| row(role)));
    page += NOTES;
    page += &list(start_order(roles).iter().map(|role| link(role.name)), ", ");
    page += ".\n";
    page.extend(roles.iter().map(|role| section(role)));
    page
}

fn row(role: &Role) -> String {
    let ports =
        list(role.ports.iter().map(|port| format!("{}, {}", numbers(port), port.exposure.word())), "; ");
    let hard = role.needs.iter().filter(|need| need.strength == Strength::Hard);
    let needs = list(hard.map(|need| brief(need.on)), ", ");
    let ready = match role.readiness {
        Readiness::Message => "message".to_owned(),
        Readiness::AliveFor(time) => seconds(time),
    };
    let (name, grace) = (link(role.name), seconds(role.stop.grace));
    format!("| {name} | {} | {ports} | {needs} | {ready} | {grace} |\n", role.serves)
}

fn section(role: &Role) -> String {
    let mut text =
        format!("\n## {}\n\nServes so that {}. Runs `node {}`.\n\n", role.name, role.serves, role.entrypoint);
    let mut item = |name: &str, what: &dyn Display| {
        writeln!(text, "- {name}: {what}").expect("writing to a string does not fail");
    };
    for port in role.ports {
        item("Port", &Listens(port));
    }
    if let Some(host) = role.host {
        item("Host", &format_args!("`{host}`"));
    }
    for need in role.needs {
        item(strength(*need), &upstream(need.on));
    }
    if let Some(name) = role.hands_to {
        item("What it takes in goes on by", &format_args!("[{name}](#{name})"));
    }
    let within = seconds(role.ready_within);
    match role.readiness {
        Readiness::Message => item("Ready", &format_args!("when it says so, within {within}")),
        Readiness::AliveFor(time) => {
            item(
                "Ready",
                &format_args!("when it has been alive for {}, or says so; within {within}", seconds(time)),
            );
        }
    }
    match list(role.health.iter().map(ToString::to_string), ", ") {
        none if none.is_empty() => item("Healthy", &"when it runs and its needs answer"),
        checks => item("Healthy", &format_args!("{checks}; and its needs answer")),
    }
    if let Some(files) = role.certificate {
        item("Certificate", &format_args!("the files that `{}` and `{}` name", files.chain, files.key));
    }
    let quiet = match role.stop.quiet {
        None => String::new(),
        Some(quiet) => format!("once no client is connected, after {} at most: ", seconds(quiet)),
    };
    let (drain, grace) = (seconds(role.stop.drain), seconds(role.stop.grace));
    let normal = list(role.stop.normal.iter().map(ToString::to_string), ", ");
    item(
        "Stop",
        &format_args!(
            "{quiet}TERM, to what it has started {drain} later; KILL {grace} after the beginning; normal exit codes {normal}"
        ),
    );
    place(role, &mut item);
    text
}

fn place(role: &Role, item: &mut impl FnMut(&str, &dyn Display)) {
    let Place { hostname, outside, volumes, memory } = role.place;
    if role.start == Start::Last {
        item("Start", &"after all others: it takes most of the machine for that");
    }
    if !role.forwards {
        item("Where mail is only forwarded", &"not there");
    }
    match hostname {
        Hostname::Own => {}
        Hostname::Reverse => {
            item("Hostname", &"that of the address in reverse DNS, as it greets other servers");
        }
    }
    for Volume::Mailboxes in volumes {
        item("Keeps", &format_args!("the mailboxes, in `{}`", Volume::Mailboxes.path()));
    }
    item("Asks outside", &outside.unwrap_or("nothing"));
    let told = |Bounds { peak, limit }| format!("{peak} measured, {limit} allowed");
    let (application, sample) = (told(memory.application), told(memory.sample));
    item("Memory", &format_args!("{application}; with the sample application {sample}"));
    item("Heap", &role.heap);
}

/// Where a port listens, and how it does.
struct Listens<'a>(&'a Port);

impl Display for Listens<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(port) = self;
        write!(f, "{} ({}), `{}`; {}; ", numbers(port), port.name, port.setting, port.exposure.word())?;
        match port.tls {
            Tls::ImplicitOn(numbers) => {
                let numbers = list(numbers.iter().map(ToString::to_string), " and ");
                write!(f, "TLS from the first byte on {numbers}, STARTTLS on any other number")
            }
            Tls::StartTls => f.write_str("STARTTLS"),
            Tls::WhenHttps(setting) => write!(f, "TLS when `{setting}` is `https`"),
            Tls::InProduction => f.write_str("TLS when `NODE_ENV` is `production`"),
        }
    }
}

fn numbers(port: &Port) -> String {
    match port.exposure {
        Exposure::Private => port.number.to_string(),
        Exposure::Public | Exposure::Fronted => format!("{} → {}", port.number, port.published),
    }
}

fn strength(need: Need) -> &'static str {
    match need.strength {
        Strength::Hard => "Needs",
        Strength::Lazy => "Uses, when it is there",
    }
}

fn upstream(on: Upstream) -> String {
    match on {
        Upstream::Documents(setting) => format!("{} (`{setting}`)", brief(on)),
        Upstream::KeyValue(prefix) => format!("{} (`{prefix}*`)", brief(on)),
        Upstream::Role(_) => brief(on),
    }
}

fn brief(on: Upstream) -> String {
    match on {
        Upstream::Documents(_) => "document store".to_owned(),
        Upstream::KeyValue(_) => "key-value store".to_owned(),
        Upstream::Role(name) => link(name),
    }
}

fn link(name: &str) -> String {
    format!("[{name}](#{name})")
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

fn list(words: impl Iterator<Item = String>, between: &str) -> String {
    words.collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_catalogue::{ROLES, find};

    #[test]
    fn a_section_says_all_that_the_constant_says() {
        assert_eq!(
            section(find("imap").unwrap()),
            "\n## imap\n\nServes so that mail clients read their mailboxes (RFC 9051). Runs `node imap.js`.\n\n\
             - Port: 2993 → 993 (imaps), `IMAP_PORT`; public; TLS from the first byte on 993 and 2993, STARTTLS on \
             any other number\n\
             - Host: `IMAP_HOST`\n\
             - Needs: document store (`MONGO_URI`)\n\
             - Needs: key-value store (`IMAP_REDIS_*`)\n\
             - Needs: [sqlite](#sqlite)\n\
             - Ready: when it says so, within 120 s\n\
             - Healthy: IMAP greeting, certificate; and its needs answer\n\
             - Certificate: the files that `WEB_SSL_CERT_PATH` and `WEB_SSL_KEY_PATH` name\n\
             - Stop: TERM, to what it has started 5 s later; KILL 15 s after the beginning; normal exit codes 0, 1, 130, \
             143\n\
             - Where mail is only forwarded: not there\n\
             - Asks outside: resolvers over HTTPS: a login looks up the domain's records\n\
             - Memory: 534m measured, 1280m allowed; with the sample application 90m measured, 640m allowed\n\
             - Heap: 60 %\n"
        );
    }

    #[test]
    fn the_page_has_a_row_and_a_section_for_each_role_and_no_broken_link() {
        let page = roles_page(ROLES);
        for role in ROLES {
            assert_eq!(page.matches(&format!("\n| [{0}](#{0}) |", role.name)).count(), 1);
            assert_eq!(page.matches(&format!("\n## {}\n", role.name)).count(), 1);
        }
        let links = page.split("(#").skip(1).filter_map(|rest| rest.split(')').next());
        for anchor in links {
            assert!(page.contains(&format!("\n## {anchor}\n")), "#{anchor}");
        }
    }
}
