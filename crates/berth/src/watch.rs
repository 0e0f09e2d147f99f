//! What has changed since somebody began to look: a bounded list, so that a day of it takes no more than a minute.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use berth_engine::{Seen, State};

use crate::table;

/// So many changes are shown; older ones are in the logs.
const SHOWN: usize = 8;

#[derive(Debug, Default)]
pub struct Watch {
    last: BTreeMap<String, (State, u32)>,
    changes: VecDeque<(Instant, String)>,
}

impl Watch {
    /// Compares with what was seen before, and gives what is new. The first look finds nothing new.
    pub fn see(&mut self, seen: &[Seen], now: Instant) -> Vec<String> {
        let first = self.last.is_empty();
        let mut new = Vec::new();
        for seen in seen {
            let before = self.last.insert(seen.name.clone(), (seen.state, seen.restarts));
            if !first {
                new.extend(change(seen, before));
            }
        }
        let gone: Vec<String> =
            self.last.keys().filter(|name| !seen.iter().any(|seen| seen.name == **name)).cloned().collect();
        for name in gone {
            self.last.remove(&name);
            new.push(format!("{name} is not wanted any more"));
        }
        self.changes.extend(new.iter().map(|change| (now, change.clone())));
        self.changes.drain(..self.changes.len().saturating_sub(SHOWN));
        new
    }

    /// The last changes, the newest first, each with how long ago it was.
    pub fn changes(&self, now: Instant) -> String {
        let rows = self.changes.iter().rev().map(|(at, change)| {
            vec![format!("{} ago", table::time(whole(now.duration_since(*at)))), change.clone()]
        });
        table::columns(&rows.collect::<Vec<_>>())
    }
}

/// In seconds, so that a list that stands does not change with every look.
fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs().max(1))
}

/// In which state it is, where nothing more is to be said of that.
pub fn is(seen: &Seen) -> String {
    format!("{} is {}", seen.name, seen.state.word())
}

/// What happened to one since it was seen in this state, restarted so often.
fn change(seen: &Seen, before: Option<(State, u32)>) -> Option<String> {
    let name = &seen.name;
    let Some((state, restarts)) = before else {
        return Some(is(seen));
    };
    if seen.restarts > restarts {
        let again = format!("{name} was started again, now {} times", seen.restarts);
        let is = (!seen.state.is_good()).then(|| format!(", and is {}", seen.state.word()));
        return Some(again + &is.unwrap_or_default());
    }
    let because = |health: &String| format!(": {}", table::first_line(health));
    (seen.state != state).then(|| match (seen.state, seen.ready_after_ms) {
        (state, Some(ms)) if state.is_good() => {
            format!("{name} is {} after {}", state.word(), table::time(Duration::from_millis(ms)))
        }
        (State::Unhealthy, _) => {
            format!("{name} is unhealthy{}", seen.health.as_ref().map(because).unwrap_or_default())
        }
        _ => is(seen),
    })
}

/// The time of day (UTC), as the logs have it: a list that is read later needs it, and one that is looked at does not.
pub fn clock() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    format!("{:02}:{:02}:{:02}Z", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_control::State as Doing;
    use berth_engine::Instance;

    fn seen(name: &str, state: State, restarts: u32) -> Seen {
        let instance = Instance { name: name.into(), ..Instance::default() };
        Seen { restarts, ..Seen::new(&instance, state) }
    }

    #[test]
    fn only_what_changed_is_told() {
        let now = Instant::now();
        let mut watch = Watch::default();
        let ready = seen("imap", State::READY, 0);
        let ready = [ready];
        assert!(watch.see(&ready, now).is_empty() && watch.see(&ready, now).is_empty());
        assert_eq!(watch.see(&[seen("imap", State::Is(Doing::Draining), 0)], now), ["imap is draining"]);
        assert_eq!(
            watch.see(&[seen("imap", State::Is(Doing::Starting), 1)], now),
            ["imap was started again, now 1 times, and is starting"]
        );
        let again = Seen { ready_after_ms: Some(900), ..seen("imap", State::READY, 1) };
        assert_eq!(watch.see(std::slice::from_ref(&again), now), ["imap is ready after 900 ms"]);
        assert_eq!(watch.see(&[again, seen("mx", State::Down, 0)], now), ["mx is down"]);
        assert_eq!(watch.see(&[], now), ["imap is not wanted any more", "mx is not wanted any more"]);
    }

    #[test]
    fn a_day_of_changes_takes_no_more_room_than_the_last_few() {
        let mut watch = Watch::default();
        let now = Instant::now();
        for round in 0..10_000 {
            watch.see(&[seen("imap", State::READY, round)], now);
        }
        let told = watch.changes(now + Duration::from_mins(5));
        assert_eq!((watch.changes.len(), told.lines().count()), (SHOWN, SHOWN));
        assert!(told.starts_with("  5 min ago   imap was started again, now 9999 times\n"), "{told}");
    }
}
