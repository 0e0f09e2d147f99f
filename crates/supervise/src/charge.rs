//! What is supervised, as far as the supervisor has to ask.

use std::cell::RefCell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;

use berth_control::{Credentials, Status};

use crate::spawn::Program;

/// A sign of life, or why there is none.
pub type Life = Pin<Box<dyn Future<Output = Result<String, String>>>>;

/// A role, or any program after `--`.
pub trait Charge {
    /// What it is called in the log.
    fn name(&self) -> &str;

    /// Reads and checks the settings again, and gives what is to be started now. After a failure everything is as
    /// it was before.
    fn prepare(&mut self) -> Result<Program, Box<dyn Error + Send + Sync>>;

    /// Ends once every need has answered; says in `waiting` what has not.
    fn needs(&self, waiting: Waiting) -> Pin<Box<dyn Future<Output = ()>>>;

    /// Where its clients connect.
    fn ports(&self) -> Vec<u16>;

    /// Asks the program whether it lives, and ends within bounded time.
    fn live(&self) -> Life;

    /// Says in a status what only it knows: role, ports, certificate, needs.
    fn describe(&self, status: &mut Status);

    /// With what the stores are asked that it needs.
    fn credentials(&self) -> Vec<Credentials>;
}

/// What is waited for, as lines for a person.
#[derive(Debug, Clone, Default)]
pub struct Waiting(Rc<RefCell<Vec<String>>>);

impl Waiting {
    /// Says anew what is waited for.
    pub fn set(&self, lines: Vec<String>) {
        self.0.replace(lines);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}
