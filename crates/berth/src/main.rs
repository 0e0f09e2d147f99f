//! The operator's one command: brings the service up, proves it, and takes it down.

use std::process::ExitCode;

mod account;
mod again;
mod arguments;
mod canary;
mod certificate;
mod compose;
mod dkim;
mod doors;
mod down;
mod image;
mod interrupts;
mod latency;
mod listening;
mod log_line;
mod logs;
mod needed;
mod node;
mod open;
mod places;
mod preflight;
mod problem;
mod programs;
mod prove;
mod remedy;
mod restart;
mod screen;
mod secrets;
mod service;
mod status;
mod stdout;
mod table;
mod up;
mod verify;
mod view;
mod watch;

use arguments::{Arguments, Verb};

fn main() -> ExitCode {
    berth_report::exit(run(Arguments::read()))
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let state = arguments.state;
    again::remember(state.as_deref());
    match arguments.verb {
        Verb::Up(up) => up::run(state, &up),
        Verb::Down(down) => down::run(state, &down),
        Verb::Status(status) => status::run(state, &status),
        Verb::Logs(logs) => logs::run(state, &logs),
        Verb::Restart { role } => restart::run(state, &role),
        Verb::Prove(prove) => prove::run(state, prove),
        Verb::Image(image) => image::run(state, &image),
        Verb::Verify(asked) => verify::run(&asked),
    }
}
