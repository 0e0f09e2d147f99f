//! What may help where something that is wanted is not ready.

use berth_catalogue::find;
use berth_control::State as Doing;
use berth_engine::{Seen, State};

use crate::again;

/// It does not run, and does not start by itself.
pub fn is_down(seen: &Seen) -> bool {
    matches!(seen.state, State::Down | State::Is(Doing::Ended))
}

/// Something of it runs, well or not: more than a container that was made and not started yet.
pub fn runs(seen: &Seen) -> bool {
    let is_made = seen.state == State::Is(Doing::Waiting) && seen.init.is_none();
    !is_down(seen) && !is_made
}

/// The command that helps, with what it does. What is down comes first: others may be unwell for the want of it.
pub fn of(seen: &[Seen]) -> Option<String> {
    let down: Vec<&str> = names(seen, is_down);
    if !down.is_empty() {
        let (verb, them) = if down.len() == 1 { ("does", "it") } else { ("do", "them") };
        return Some(format!("{} {verb} not run; start {them} again: {}", and(&down), again::berth("up")));
    }
    let unwell = names(seen, |seen| seen.state == State::Unhealthy && find(&seen.name).is_some());
    let [first, ..] = unwell[..] else { return None };
    let restart = again::berth(&format!("restart {first}"));
    Some(format!("if it stays so, start the program of {first} again: {restart}"))
}

fn names(seen: &[Seen], which: impl Fn(&Seen) -> bool) -> Vec<&str> {
    seen.iter().filter(|seen| which(seen)).map(|seen| seen.name.as_str()).collect()
}

/// A list as a person says it.
fn and(names: &[&str]) -> String {
    match names {
        [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        names => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_engine::Instance;

    fn seen(name: &str, state: State) -> Seen {
        Seen::new(&Instance { name: name.to_owned(), ..Instance::default() }, state)
    }

    #[test]
    fn what_is_down_is_named_before_those_that_are_unwell_without_it() {
        let ended = State::Is(Doing::Ended);
        let mut all = vec![seen("redis", ended), seen("imap", State::Unhealthy), seen("mx", State::Healthy)];
        assert_eq!(of(&all).unwrap(), "redis does not run; start it again: berth up");
        all.extend([seen("smtp", State::Down), seen("web", State::Down)]);
        assert_eq!(of(&all).unwrap(), "redis, smtp and web do not run; start them again: berth up");
    }

    #[test]
    fn a_role_that_is_unwell_by_itself_is_started_again_and_what_is_no_role_is_not() {
        let all = [seen("front", State::Unhealthy), seen("imap", State::Unhealthy)];
        let expected = "if it stays so, start the program of imap again: berth restart imap";
        assert_eq!(of(&all).unwrap(), expected);
        assert_eq!(of(&all[..1]), None);
        assert_eq!(of(&[seen("imap", State::READY)]), None);
    }
}
