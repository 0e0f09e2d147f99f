//! Brings a set of instances up, keeps them up, and takes them down again.
//!
//! What is wanted is handed in as plain data ([`Wanted`]); an [`Engine`] makes what runs equal to it. There is
//! one engine, [`Local`]: a `berth-init` per instance, each a process in a session of its own, so that they
//! outlive the command that started them. What is to be done is decided by the pure functions of [`plan`].
//!
//! Invariants: knows no role by name; what runs is asked of the running (control sockets, /proc), never of a
//! file that could be stale; a process is signalled only after it was told apart from one that got its number
//! later; whoever changes what runs holds the [`folder::Lock`].
//!
//! ```
//! use berth_engine::{Instance, plan};
//! let store = Instance { name: "store".into(), ..Instance::default() };
//! let reader = Instance { name: "reader".into(), needs: vec!["store".into()], ..Instance::default() };
//! assert_eq!(plan::stop_waves(&[store, reader]), [["reader"], ["store"]]);
//! ```

use std::io;
use std::process::Output;
use std::time::Duration;

pub mod compose;
pub mod folder;
pub mod holder;
pub mod plan;

mod desired;
mod error;
mod local;
mod log;
mod process;
mod seen;
mod spawn;
mod wanted;

pub use compose::Compose;
pub use desired::Kind;
pub use error::EngineError;
pub use folder::Folder;
pub use holder::Holder;
pub use local::{Kept, Local};
pub use seen::{Seen, State};
pub use wanted::{Containers, Instance, Means, Port, Processes, Wanted};

/// When `up` is done. A process of this host counts as ready once it has been so for half a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// All run, and those that say when they are ready have said it.
    Said,
    /// All are ready.
    Ready,
}

/// Something that an engine did, or found, while it worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It ran already, as it is wanted.
    Adopted(String),
    /// It was started.
    Started(String),
    /// This image is not there yet, and is fetched now.
    Fetching(String),
    /// These images are not there yet, and are built now.
    Building(Vec<String>),
    /// It was made anew, because these are others than before.
    Replaced(String, Vec<String>),
    /// Its main process was started again, as it is wanted.
    Restarted(String, Duration),
    /// It runs and has to be stopped first.
    Stopping(String, plan::Why),
    /// It ended, as asked.
    Stopped(String, Duration),
    /// It did not end in time, or left something behind: so many processes were killed.
    Killed(String, usize),
    /// It ended without being asked, and is started again after a pause.
    Ended(String, Duration),
    /// Another process brought it up while this one keeps it up: the same, or something else.
    WantedAgain(bool),
    /// It ended too often, and is left alone.
    GivenUp(String),
    /// A log that has grown too long could not be put aside, and why; it grows on.
    Untended(String),
    /// That it is taken down could not be written down, and why; whoever reads what is wanted finds it wanted.
    Unremembered(String),
    /// Somebody is in a hurry; these have not ended yet, with the time that each may still take.
    StillStopping(Vec<(String, Duration)>, OnceMore),
}

/// What one more wish for an end does while something is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnceMore {
    /// It kills what is left.
    Kills,
    /// It ends the waiting; what was not asked to stop yet goes on running.
    Leaves,
}

/// Who watches an engine at work, and may interrupt it.
pub trait Watcher {
    /// How all instances are, told again and again.
    fn saw(&mut self, seen: &[Seen]);
    /// Something happened.
    fn heard(&mut self, event: Event);
    /// How often the person at the keyboard wanted an end.
    fn interrupts(&self) -> usize;
}

/// Something that runs instances.
pub trait Engine {
    /// Makes what runs equal to what is wanted. Done already: nothing happens.
    fn up(&mut self, wanted: &Wanted, until: Until, watcher: &mut dyn Watcher) -> Result<(), EngineError>;

    /// Stops all, those that are needed after those that need them.
    fn down(&mut self, watcher: &mut dyn Watcher) -> Result<(), EngineError>;

    /// What was wanted last; nothing when it was taken down.
    fn wanted(&self) -> Result<Option<Wanted>, EngineError>;

    /// How all that is wanted is.
    fn status(&self) -> Result<Vec<Seen>, EngineError>;

    /// Has the main process of an instance stopped and started again, and waits until that is ready.
    fn restart(&self, name: &str, watcher: &mut dyn Watcher) -> Result<(), EngineError>;

    /// The instances that have written a log, in the order in which they are shown.
    fn written(&self) -> Result<Vec<String>, EngineError>;

    /// The last lines of each instance's log, and with `follow` those to come, until it is over or `take` fails.
    fn logs(
        &self,
        names: &[String],
        lines: usize,
        follow: bool,
        is_over: &dyn Fn() -> bool,
        take: &mut dyn FnMut(&str, &str) -> io::Result<()>,
    ) -> Result<(), EngineError>;

    /// Puts aside the logs that have grown too long. Whatever is kept up is looked after; of what runs by itself,
    /// whoever looks at it does this.
    fn tend(&self) -> Result<(), EngineError>;

    /// Runs a script of the application beside the instances, with their settings.
    fn exec(&self, wanted: &Wanted, script: &[&str], input: &str) -> Result<Output, EngineError>;
}
