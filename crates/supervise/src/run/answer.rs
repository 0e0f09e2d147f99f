//! What is answered to those who ask.

use berth_control::{Answer, Main, Metrics, Request, Status};

use super::Supervisor;
use super::tell::milliseconds;
use crate::charge::Charge;
use crate::machine::Event;

impl<C: Charge> Supervisor<'_, C> {
    /// An answer, and the exit code if this is the end.
    pub(super) fn answer(&mut self, request: Request) -> (Answer, Option<u8>) {
        match request {
            Request::Status => (Answer::Status(self.status()), None),
            Request::Metrics => (Answer::Metrics(Box::new(self.metrics())), None),
            Request::Checked { live, good, took_ms } => {
                self.account.checked(live, good, took_ms);
                (Answer::Accepted, None)
            }
            Request::Credentials => (Answer::Credentials { credentials: self.charge.credentials() }, None),
            Request::Restart if !self.machine.takes_restart() || self.is_plain() => {
                let reason = format!("{} is {}", self.charge.name(), self.machine.state().word());
                (Answer::Refused { reason }, None)
            }
            Request::Restart => match self.prepare() {
                Ok(()) => (Answer::Accepted, self.take(Event::Restart)),
                Err(reason) => (Answer::Refused { reason }, None),
            },
        }
    }

    fn metrics(&self) -> Metrics {
        self.account.metrics(self.status())
    }

    fn waiting_for(&self) -> Vec<String> {
        match self.clients {
            clients @ 1.. if self.machine.waits_for_clients() => {
                vec![format!("{clients} client{} to leave", if clients == 1 { "" } else { "s" })]
            }
            _ => self.waiting.lines(),
        }
    }

    fn status(&self) -> Status {
        let stopped = self.machine.main_is_stopped();
        let mut status = Status {
            role: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            init: std::process::id(),
            main: self.main.map(|pid| Main { pid: pid.as_raw().unsigned_abs(), stopped }),
            state: self.machine.state(),
            for_ms: milliseconds(self.origin.elapsed().saturating_sub(self.machine.entered())),
            ready_after_ms: self.machine.ready_after().map(milliseconds),
            restarts: self.machine.restarts(),
            waiting_for: self.waiting_for(),
            ports: Vec::new(),
            certificate: None,
            needs: Vec::new(),
        };
        self.charge.describe(&mut status);
        status
    }
}
