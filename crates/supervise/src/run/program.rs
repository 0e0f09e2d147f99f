//! What is done to the program and to what it has left: its start, signals, its end.

use std::error::Error;
use std::io;

use nix::libc::SIGCONT;
use nix::unistd::Pid;
use tracing::{error, info, warn};

use super::Supervisor;
use crate::channel::Channel;
use crate::charge::Charge;
use crate::descendants::descendants;
use crate::exit::signal_name;
use crate::machine::Event;
use crate::reap::reap;
use crate::signals::{forward, send};
use crate::spawn::{Bond, start};
use crate::terminal;

impl<C: Charge> Supervisor<'_, C> {
    pub(super) fn start(&mut self) -> Event {
        let is_role = !self.is_plain();
        let bond = Bond { terminal: !is_role, dies_with_us: is_role && !self.is_first, all_files: is_role };
        let channel = if is_role { Channel::new().ok() } else { None };
        let (ours, theirs) = channel.unzip();
        self.account.starting();
        match start(&self.program, &self.inherited, bond, theirs.as_ref()) {
            Ok(pid) => {
                self.main = Some(pid);
                self.channel = ours;
                self.clients = 0;
                Event::Started
            }
            Err(failed) => {
                let cause = failed.source().map(ToString::to_string);
                error!(role = self.charge.name(), cause, "{failed}");
                Event::CannotStart(failed.code())
            }
        }
    }

    pub(super) fn reap(&mut self) -> Option<u8> {
        let reaped = reap(self.main);
        self.account.reaped(reaped.orphans);
        let last_stop = reaped.main_stops.last().copied().flatten();
        let stops = reaped.main_stops.iter().map(|stop| Event::MainStopped(stop.is_some()));
        let events: Vec<_> = stops
            .chain(reaped.main_end.map(|ended| Event::MainEnded(ended.exit)))
            .chain(reaped.nothing_left.then_some(Event::NothingLeft))
            .collect();
        if let Some(ended) = reaped.main_end {
            self.account.ended(ended);
            if let Some(main) = self.main.filter(|_| self.is_plain()) {
                terminal::take_back(main);
            }
            self.main = None;
            self.channel = None;
        }
        let end = events.into_iter().find_map(|event| self.take(event));
        if let (Some(signal), Some(main), true) = (last_stop, self.main, self.is_plain()) {
            self.answer_stop(signal, main);
        }
        end
    }

    fn answer_stop(&self, signal: i32, main: Pid) {
        match terminal::answer(signal, main) {
            terminal::Answer::Lend => {
                terminal::lend(main);
                self.signal_main(SIGCONT);
            }
            // What continues us is read as any signal, and goes on to the program.
            terminal::Answer::Stop => {
                if let Err(error) = terminal::stop() {
                    warn!(%error, "cannot stop with the program");
                }
            }
            terminal::Answer::Continue => self.signal_main(SIGCONT),
            terminal::Answer::Nothing => {}
        }
    }

    /// Sends main a signal, with what came with it if it is the one that we have got.
    pub(super) fn pass_on(&self, number: i32) {
        let got = self.passing.filter(|got| got.number == number);
        self.deliver(number, |main| forward(main, number, got.and_then(|got| got.queued)));
    }

    pub(super) fn signal_main(&self, number: i32) {
        self.deliver(number, |main| send(main, number));
    }

    fn deliver(&self, number: i32, send: impl FnOnce(Pid) -> io::Result<()>) {
        // ESRCH: it has ended, and its SIGCHLD is on the way.
        if let Some(main) = self.main
            && let Err(cause) = send(main)
        {
            info!(role = self.charge.name(), signal = %signal_name(number), %cause, "signal not delivered");
        }
    }

    pub(super) fn signal_rest(&self, number: i32) {
        let rest = match descendants() {
            Ok(rest) => rest,
            Err(cause) => return warn!(role = self.charge.name(), %cause, "leftovers cannot be found"),
        };
        let rest: Vec<_> = rest.into_iter().filter(|pid| Some(*pid) != self.main).collect();
        if rest.is_empty() {
            return;
        }
        let pids: Vec<_> = rest.iter().map(|pid| pid.as_raw()).collect();
        info!(role = self.charge.name(), signal = %signal_name(number), ?pids, "signal to leftovers");
        for pid in rest {
            let _ = send(pid, number);
        }
    }
}
