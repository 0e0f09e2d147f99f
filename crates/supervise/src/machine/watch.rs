//! Whether a ready main process is worth keeping, by what it answered of late.

use std::collections::VecDeque;
use std::time::Duration;

use berth_report::Code;

use super::action::{Action, Reason};
use super::drain::Then;
use super::event::Event;
use super::plan::Plan;
use super::question::Question;
use super::{Machine, Phase};

/// How a ready main process is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// From it being ready, and from each answer, until it is asked again whether it lives.
    pub every: Duration,
    /// It is wedged when so many answers
    pub failures: usize,
    /// out of the last so many were none.
    pub of: usize,
}

/// What it answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Watched {
    /// Nothing where nobody watches.
    pub question: Option<Question>,
    answers: VecDeque<bool>,
}

impl Watched {
    pub fn from(watch: Option<&Watch>, now: Duration) -> Self {
        let question = watch.map(|watch| Question::Due(now.saturating_add(watch.every)));
        Self { question, answers: VecDeque::new() }
    }

    /// It is asked again in a while.
    pub fn later(&mut self, watch: &Watch, now: Duration) {
        self.question = Some(Question::Due(now.saturating_add(watch.every)));
    }

    /// Takes an answer, and says whether it is wedged.
    pub fn answered(&mut self, watch: &Watch, now: Duration, live: bool) -> bool {
        self.later(watch, now);
        self.answers.push_back(live);
        while self.answers.len() > watch.of {
            self.answers.pop_front();
        }
        self.answers.iter().filter(|live| !**live).count() >= watch.failures
    }
}

impl Machine {
    /// Watches a ready main process. One that a signal has stopped answers nobody, and is somebody's business.
    pub(super) fn watch(&mut self, plan: &Plan, now: Duration, event: Event, actions: &mut Vec<Action>) {
        let (Phase::Ready(watched), Some(watch), Some(main)) = (&mut self.phase, &plan.watch, self.main)
        else {
            return;
        };
        match event {
            Event::Tick if watched.question.as_mut().is_some_and(|question| question.put(now)) => {
                if main.stopped {
                    watched.later(watch, now);
                } else {
                    actions.push(Action::AskWhetherLive);
                }
            }
            Event::Live(live) if watched.question == Some(Question::Put) => {
                if main.stopped {
                    return watched.later(watch, now);
                }
                if watched.answered(watch, now, live) {
                    actions.push(Action::TellWedged);
                    let then = self.after_failure(plan, now, Then::EndWith(Code::Unavailable), actions);
                    self.drain(plan, now, then, Some(Reason::Wedged));
                    self.advance(plan, now, actions);
                }
            }
            _ => {}
        }
    }
}
