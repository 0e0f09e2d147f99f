//! What a proof goes through has to be there: where the engine knows that it is not, no step has to wait for it.

use std::collections::BTreeSet;

use berth_catalogue::{find, way};
use berth_engine::{Means, Seen, State, Wanted};
use berth_report::{Code, Problem};

use crate::{again, doors, remedy, table};

/// An error that names what is not ready, of all that the proof needs. What is there and only said to be unhealthy, or
/// does not answer its engine, is left to the proof, and what there is to say of it given back: it may have got well since.
pub fn check(wanted: &Wanted, seen: &[Seen], sends: bool) -> Result<Option<String>, Problem> {
    let needed = needed(wanted, sends);
    let unready = seen.iter().filter(|seen| needed.contains(seen.name.as_str()) && !seen.state.is_good());
    let (doubtful, absent): (Vec<Seen>, Vec<Seen>) =
        unready.cloned().partition(|seen| matches!(seen.state, State::Unhealthy | State::Silent));
    let told: Vec<String> = absent.iter().map(told).collect();
    let message = match &told[..] {
        [] => return Ok(notice(&doubtful)),
        [one] => format!("nothing can be proved: {one}"),
        [first, others @ ..] => format!("nothing can be proved: {first}, and {} more", others.len()),
    };
    let problem = Problem::new(Code::Unavailable, message);
    let problem = match &told[1..] {
        [] => problem,
        others => problem.because(anyhow::anyhow!(others.join("\n         "))),
    };
    let wait = || format!("wait until all are ready: {}", again::berth("status --watch"));
    Err(problem.hint(remedy::of(&absent).unwrap_or_else(wait)))
}

/// What is said before a proof that may fail for these.
fn notice(doubtful: &[Seen]) -> Option<String> {
    let all: Vec<String> = doubtful.iter().map(told).collect();
    let remedy = remedy::of(doubtful).map(|remedy| format!("; {remedy}"));
    (!all.is_empty()).then(|| all.join(", ") + &remedy.unwrap_or_default())
}

/// How one is, and why, as far as the engine knows.
fn told(seen: &Seen) -> String {
    let why = seen.health.as_deref().map(table::first_line);
    let why =
        why.map(ToOwned::to_owned).or((!seen.waiting_for.is_empty()).then(|| seen.waiting_for.join("; ")));
    format!(
        "{} is {}{}",
        seen.name,
        seen.state.word(),
        why.map(|why| format!(" ({why})")).unwrap_or_default()
    )
}

/// Those with a door, what stands before them, those on the way of a mail where one is sent, and all that these need.
fn needed(wanted: &Wanted, sends: bool) -> BTreeSet<&str> {
    let with_doors = wanted.instances.iter().filter(|instance| doors::has_one(instance));
    let mut open: Vec<&str> = with_doors.map(|instance| instance.name.as_str()).collect();
    if sends {
        let on_the_way: Vec<&'static str> = open.iter().filter_map(|name| find(name)).flat_map(way).collect();
        open.extend(on_the_way.into_iter().map(|name| -> &str { name }));
    }
    if let Means::Containers(containers) = &wanted.means {
        open.extend(containers.reload.keys().map(String::as_str));
    }
    let mut needed = BTreeSet::new();
    while let Some(name) = open.pop() {
        let instance = wanted.instances.iter().find(|instance| instance.name == name);
        if let Some(instance) = instance.filter(|_| needed.insert(name)) {
            open.extend(instance.needs.iter().map(String::as_str));
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_control::{PortTls, State as Doing};
    use berth_engine::{Containers, Instance, Port};

    fn instance(name: &str, door: Option<&str>, needs: &[&str]) -> Instance {
        let port = |name: &str| Port {
            published: 1,
            listening: berth_control::Port { name: name.to_owned(), number: 1, tls: PortTls::Implicit },
            address: None,
        };
        let needs = needs.iter().map(ToString::to_string).collect();
        Instance {
            name: name.to_owned(),
            ports: door.map(port).into_iter().collect(),
            needs,
            ..Instance::default()
        }
    }

    fn wanted() -> Wanted {
        let instances = vec![
            instance("redis", None, &[]),
            instance("sqlite", None, &["redis"]),
            instance("smtp", Some(doors::SUBMISSION), &[]),
            instance("smtp-bree", None, &[]),
            instance("bree", None, &[]),
            instance("imap", Some(doors::IMAP), &["sqlite"]),
            instance("mx", None, &[]),
        ];
        Wanted { instances, listen: Vec::new(), means: Means::Containers(Containers::default()) }
    }

    #[test]
    fn it_takes_doors_the_way_of_a_mail_and_what_they_need() {
        let wanted = wanted();
        let all: Vec<_> = needed(&wanted, true).into_iter().collect();
        assert_eq!(all, ["imap", "mx", "redis", "smtp", "smtp-bree", "sqlite"], "not the housekeeping");
        let doors: Vec<_> = needed(&wanted, false).into_iter().collect();
        assert_eq!(doors, ["imap", "redis", "smtp", "sqlite"], "no mail is sent");
    }

    #[test]
    fn what_is_not_there_is_named_with_its_reason_and_what_to_do() {
        let wanted = wanted();
        let mut seen: Vec<Seen> =
            wanted.instances.iter().map(|instance| Seen::new(instance, State::Healthy)).collect();
        let told =
            |seen: &[Seen]| check(&wanted, seen, true).map_err(|problem| berth_report::tell(&problem.into()));
        assert_eq!(told(&seen), Ok(None));
        seen[4].state = State::Down;
        seen[5].state = State::Unhealthy;
        let notice = "imap is unhealthy; if it stays so, start the program of imap again: berth restart imap";
        assert_eq!(
            told(&seen),
            Ok(Some(notice.to_owned())),
            "a mail goes without the one, and the proof judges the other"
        );
        seen[0].state = State::Is(Doing::Ended);
        seen[0].health = Some("ended with code 0".to_owned());
        let expected = "error: nothing can be proved: redis is ended (ended with code 0)\n\n\
                        hint: redis does not run; start it again: berth up\n";
        assert_eq!(told(&seen).unwrap_err(), expected);
        seen[0] = Seen::new(&wanted.instances[0], State::Healthy);
        seen[1].state = State::Is(Doing::Starting);
        let expected = "error: nothing can be proved: sqlite is starting\n\n\
                        hint: wait until all are ready: berth status --watch\n";
        assert_eq!(told(&seen).unwrap_err(), expected);
    }
}
