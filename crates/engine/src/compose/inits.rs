//! What the inits in the containers say of themselves: a program that was started again in place is nothing that Docker
//! knows of.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use berth_control::Status;

use super::container::Container;
use super::docker::Docker;
use super::{INIT, line};
use crate::Seen;

/// Asking takes the engine a process in each container. Whoever looks every second does not ask again while the same
/// program runs; and where the engine is elsewhere, so that no program can be told from another, not more often than this.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// What was said, by the container's id.
#[derive(Debug, Default)]
pub struct Inits(RefCell<BTreeMap<String, Kept>>);

#[derive(Debug)]
struct Kept {
    of: Program,
    at: Instant,
    restarts: u32,
    ready_after_ms: Option<u64>,
}

/// Which program it was said of: when its container was started, and the program's process id on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Program {
    started: Option<SystemTime>,
    main: Option<u32>,
}

impl Inits {
    /// Adds to what was seen how often programs were started again in their containers, and how long that took.
    pub fn tell(&self, docker: &Docker, all: &mut [(Seen, Option<Container>)]) {
        let mut kept = self.0.borrow_mut();
        let asked: Vec<(String, Program)> = all.iter().filter_map(of).collect();
        kept.retain(|id, kept| asked.iter().any(|(other, of)| other == id && kept.counts_for(of)));
        let open: Vec<_> = asked.into_iter().filter(|(id, _)| !kept.contains_key(id)).collect();
        let said: Vec<_> = thread::scope(|scope| {
            let ask = |(id, of): (String, Program)| {
                scope.spawn(move || {
                    let said = docker.read(&line::inside(&id, &[INIT, "status", "--json"])).ok()?;
                    Some((id, Kept::new(of, &said)))
                })
            };
            let asking: Vec<_> = open.into_iter().map(ask).collect();
            asking.into_iter().filter_map(|thread| thread.join().expect("asking does not panic")).collect()
        });
        kept.extend(said);
        for (seen, container) in all {
            // One that does not answer is told as Docker sees it.
            let said = container.as_ref().and_then(|container| kept.get(&container.id));
            if let Some(said) = said {
                seen.restarts += said.restarts;
                seen.ready_after_ms = said.ready_after_ms.or(seen.ready_after_ms);
            }
        }
    }
}

/// The container whose init can be asked.
fn of((seen, container): &(Seen, Option<Container>)) -> Option<(String, Program)> {
    let container = container.as_ref().filter(|container| container.runs() && container.is_run_by(INIT))?;
    Some((container.id.clone(), Program { started: container.started(), main: seen.main }))
}

impl Kept {
    fn new(of: Program, said: &Status) -> Self {
        Self { of, at: Instant::now(), restarts: said.restarts, ready_after_ms: said.ready_after_ms }
    }

    /// Whether it is still so: the same program, and ready already.
    fn counts_for(&self, program: &Program) -> bool {
        self.of == *program
            && match program.main {
                Some(_) => self.ready_after_ms.is_some(),
                None => self.at.elapsed() < KEPT_FOR,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_counts_for_the_same_program_once_it_is_ready() {
        let of = |main| Program { started: None, main };
        let kept =
            |main, ready_after_ms| Kept { of: of(main), at: Instant::now(), restarts: 1, ready_after_ms };
        assert!(kept(Some(7), Some(1)).counts_for(&of(Some(7))));
        assert!(!kept(Some(7), Some(1)).counts_for(&of(Some(8))), "another one runs since");
        assert!(!kept(Some(7), None).counts_for(&of(Some(7))), "it may be ready by now");
        assert!(kept(None, None).counts_for(&of(None)), "nobody can tell, and it was asked just now");
    }
}
