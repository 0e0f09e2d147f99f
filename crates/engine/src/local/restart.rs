//! Starting an instance's main process again, by its init.

use std::thread::sleep;
use std::time::{Duration, Instant};

use berth_control::{Address, Answer, AskError, Request, ask};

use super::{Local, PATIENCE};
use crate::{Engine, EngineError, State, Watcher};

const LOOK: Duration = Duration::from_millis(50);

impl Local {
    /// Asks for a restart, and waits until another main process is ready.
    pub(super) fn start_again(&self, name: &str, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
        let absent = || EngineError::NotRunning(name.to_owned());
        let look = || Ok::<_, EngineError>(self.status()?.into_iter().find(|seen| seen.name == name));
        let wanted = self.wanted()?.ok_or_else(absent)?;
        let instance =
            wanted.instances.into_iter().find(|instance| instance.name == name).ok_or_else(absent)?;
        let before = look()?.and_then(|seen| seen.main);
        self.ask_for_restart(name)?;
        let (begin, patience) = (Instant::now(), instance.stop_within + instance.ready_within);
        loop {
            let seen = look()?.filter(|seen| seen.state != State::Down).ok_or_else(absent)?;
            if seen.state == State::READY && seen.main != before {
                return Ok(());
            }
            if begin.elapsed() > patience {
                let (name, state) = (name.to_owned(), seen.state);
                return Err(EngineError::Late {
                    name,
                    state,
                    after: patience,
                    last: Vec::new(),
                    health: None,
                });
            }
            if watcher.interrupts() > 0 {
                return Err(EngineError::Interrupted);
            }
            watcher.saw(&[seen]);
            sleep(LOOK);
        }
    }

    fn ask_for_restart(&self, name: &str) -> Result<(), EngineError> {
        let socket = self.folder.socket(name)?;
        match ask(&Address::File(socket), Request::Restart, PATIENCE) {
            Ok(Answer::Accepted) => Ok(()),
            Ok(Answer::Refused { reason }) => Err(EngineError::Refused { name: name.to_owned(), reason }),
            Ok(Answer::Status(_) | Answer::Metrics(_) | Answer::Credentials { .. }) => {
                Err(EngineError::Refused {
                    name: name.to_owned(),
                    reason: "it answered something else".into(),
                })
            }
            Err(AskError::Nobody(..)) => Err(EngineError::NotRunning(name.to_owned())),
            Err(source) => Err(EngineError::Ask { name: name.to_owned(), source }),
        }
    }
}
