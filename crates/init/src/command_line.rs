//! What the command line asks for.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use berth_catalogue::find;
use berth_report::Code;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::own::Seconds;

/// How a program after `--` is stopped by --stop=role, where the command line says no more.
const DRAIN: Seconds = Seconds(Duration::from_secs(5));
const GRACE: Seconds = Seconds(Duration::from_secs(15));

/// PID 1 for a mail service: starts a role's program, keeps it, and stops it well.
#[derive(Debug, Parser)]
#[command(
    name = "berth-init",
    version,
    disable_help_subcommand = true,
    subcommand_value_name = "ROLE | COMMAND"
)]
#[command(override_usage = "berth-init ROLE
       berth-init [--settings] [--stop=role [--grace SECONDS] [--drain SECONDS]] -- PROGRAM [ARGUMENT]...
       berth-init COMMAND")]
#[command(after_help = "Without anything: the list of roles.

Examples:
  berth-init imap                        run the role imap of the application in /app
  berth-init check imap                  say what is wrong with its settings
  berth-init -- node server.js           run any program, as tini does
  docker exec imap berth-init restart    restart a role in place")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// The role to run
    #[arg(conflicts_with_all = ["program", "stop"])]
    role: Option<String>,

    /// Hand the program after -- the secrets that are in files, as a role gets them
    #[arg(long, conflicts_with = "role")]
    settings: bool,

    /// How the program after -- is stopped: plain, as tini does, or role
    #[arg(
        long,
        value_name = "AS",
        default_value = "plain",
        hide_default_value = true,
        hide_possible_values = true
    )]
    stop: Stop,

    /// With --stop=role: from TERM until KILL [default: 15]
    #[arg(long, value_name = "SECONDS")]
    grace: Option<Seconds>,

    /// With --stop=role: from TERM until its own children get TERM too [default: 5]
    #[arg(long, value_name = "SECONDS")]
    drain: Option<Seconds>,

    /// The program to run, and what it is given
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Stop {
    Plain,
    Role,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Is the service good for clients? Exit 0 or 1, and one line
    Health {
        /// Ask instead whether the process is worth keeping
        #[arg(long)]
        live: bool,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// What the running init is doing
    Status {
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// What the running init has counted, as OpenMetrics text
    Metrics,
    /// Stop the role's program as it should be stopped, and start it again
    Restart,
    /// All that would keep a role from running, and what is odd: exit 0 or 78
    Check {
        /// The role; without it, the one that runs here
        role: Option<String>,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// What a role runs, where, with which settings, and where each of them comes from
    Explain {
        /// The role; without it, the one that runs here
        role: Option<String>,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// The roles, their ports, needs and times
    Roles {
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
}

/// What is to be done.
#[derive(Debug)]
pub enum Wish {
    List { json: bool },
    Health { live: bool, json: bool },
    Status { json: bool },
    Metrics,
    Restart,
    Check { role: Option<String>, json: bool },
    Explain { role: Option<String>, json: bool },
    Role(String),
    Program { words: Vec<OsString>, settings: bool, as_role: Option<Times> },
}

/// The times of a stop, as the command line gives them.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    pub drain: Seconds,
    pub grace: Seconds,
}

/// Reads the command line. On help and on a mistake everything has been said, and the exit code is given.
pub fn read() -> Result<Wish, ExitCode> {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let mut ours = None;
    match called_as(&words) {
        // Words say themselves what is wanted, by whatever name we are called: `tini -- PROGRAM`.
        Some(name) if words.len() == 1 => return Ok(Wish::Role(name)),
        Some(name) if find(&name).is_some() && asks_about_a_role(&words) => ours = Some(name),
        Some(name) if find(&name).is_some() => words.insert(1, name.into()),
        // The most common call, and the one where a start in no time and little memory matter: nothing is to be made of the words.
        _ if words.len() > 2 && words[1] == "--" => {
            return Ok(Wish::Program { words: words.split_off(2), settings: false, as_role: None });
        }
        // The most frequent one: every engine asks each of its containers again and again.
        _ if words.len() == 2 && words[1] == "health" => {
            return Ok(Wish::Health { live: false, json: false });
        }
        _ => {}
    }
    let has_program = words.iter().any(|word| word == "--");
    let arguments = Arguments::try_parse_from(words).and_then(|arguments| together(arguments, has_program));
    let arguments = arguments.map_err(|error| {
        let _ = error.print();
        ExitCode::from(if error.use_stderr() { Code::Usage.number() } else { 0 })
    })?;
    let Arguments { command, role, settings, stop, grace, drain, program } = arguments;
    Ok(match (command, role) {
        (Some(Command::Health { live, json }), _) => Wish::Health { live, json },
        (Some(Command::Status { json }), _) => Wish::Status { json },
        (Some(Command::Metrics), _) => Wish::Metrics,
        (Some(Command::Restart), _) => Wish::Restart,
        (Some(Command::Check { role, json }), _) => Wish::Check { role: role.or(ours), json },
        (Some(Command::Explain { role, json }), _) => Wish::Explain { role: role.or(ours), json },
        (Some(Command::Roles { json }), _) => Wish::List { json },
        (None, Some(name)) => Wish::Role(name),
        (None, None) if !has_program => Wish::List { json: false },
        (None, None) => {
            let times = Times { drain: drain.unwrap_or(DRAIN), grace: grace.unwrap_or(GRACE) };
            let as_role = matches!(stop, Stop::Role).then_some(times);
            Wish::Program { words: program, settings, as_role }
        }
    })
}

/// Refuses an option that would do nothing.
fn together(arguments: Arguments, has_program: bool) -> Result<Arguments, clap::Error> {
    let Arguments { settings, stop, grace, drain, .. } = &arguments;
    let as_role = matches!(stop, Stop::Role);
    let why = if (grace.is_some() || drain.is_some()) && !as_role {
        "--grace and --drain are of --stop=role; a role's own are in the settings BERTH_GRACE and BERTH_DRAIN"
    } else if (*settings || as_role) && !has_program {
        "--settings and --stop are of a program: berth-init --stop=role -- PROGRAM"
    } else {
        return Ok(arguments);
    };
    Err(Arguments::command().error(ErrorKind::MissingRequiredArgument, why))
}

/// Whether a role is asked about, and not to be run: that of a link need not be named again.
fn asks_about_a_role(words: &[OsString]) -> bool {
    words.get(1).is_some_and(|word| word == "check" || word == "explain")
}

/// What we were called, by a link of that name, if it is not our own name or a copy's, as in `berth-init-2`.
fn called_as(words: &[OsString]) -> Option<String> {
    let name = Path::new(words.first()?).file_name()?.to_string_lossy();
    (!name.starts_with(env!("CARGO_BIN_NAME"))).then(|| name.into_owned())
}
