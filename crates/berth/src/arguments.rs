//! The command line of `berth`, as clap reads it and prints it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::exit;

use berth_report::Code;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::image::Image;
use crate::verify::Verify;

/// Runs a mail service and proves that a mail goes through.
#[derive(Debug, Parser)]
#[command(name = "berth", version, arg_required_else_help = true, disable_help_subcommand = true)]
#[command(after_help = "Examples:\n  berth up --app ./postbox\n  berth status --watch")]
pub struct Arguments {
    /// The folder that holds the installation [default: ~/.local/state/berth]
    #[arg(long, global = true, env = "BERTH_STATE", value_name = "DIR", hide_env_values = true)]
    pub state: Option<PathBuf>,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Bring the service up and prove a mail; processes of this host are kept up until Ctrl-C
    #[command(
        after_help = "Examples:\n  berth up --app ./postbox --port-offset 4000 --detach\n  berth up --engine compose --image berth/postbox:dev"
    )]
    Up(Up),
    /// Stop everything, what is needed last
    #[command(after_help = "Examples:\n  berth down\n  berth down --volumes --yes --state ./.berth")]
    Down(Down),
    /// Show how each role is; exit 0 when all are ready, 1 when not
    #[command(after_help = "Examples:\n  berth status --watch\n  berth status --json")]
    Status(Status),
    /// Show what the roles wrote to their logs
    #[command(after_help = "Examples:\n  berth logs imap -f\n  berth logs -n 5")]
    Logs(Logs),
    /// Stop a role's program gracefully and start it again
    #[command(after_help = "Examples:\n  berth restart imap\n  berth restart smtp-bree --state ./.berth")]
    Restart {
        /// The role
        role: String,
    },
    /// Prove that mails, events and contacts go in and come out again
    #[command(
        after_help = "Examples:\n  berth prove --json\n  berth prove --user me@example.test --password-stdin < password"
    )]
    Prove(Prove),
    /// Make the shared image from a published one, or look into a finished one
    #[command(
        after_help = "Examples:\n  berth image derive --from ghcr.io/OWNER/REPO-selfhosted:v1.2.3\n  berth image check berth/postbox:dev"
    )]
    Image(Image),
    /// Verify that an image is what was released: who signed it, from which commit, what is in it
    #[command(
        after_help = "Examples:\n  berth verify ghcr.io/OWNER/REPO-selfhosted:v1.2.3\n  berth verify mirror.example/mail@sha256:… --json"
    )]
    Verify(Verify),
}

/// What runs the roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    /// Processes of this host
    Local,
    /// Containers of Docker Compose
    Compose,
}

#[derive(Debug, Clone, Args)]
pub struct Up {
    /// What runs the roles: local processes or containers [default: as before, at first local]
    #[arg(long, value_name = "NAME", hide_possible_values = true)]
    pub engine: Option<EngineName>,
    /// The application's folder [default: as before, at first app beside berth]
    #[arg(long, env = "BERTH_APP_DIR", value_name = "DIR", hide_env_values = true)]
    pub app: Option<PathBuf>,
    /// The Node that runs it [default: as before, at first node on PATH]
    #[arg(long, env = "BERTH_NODE", value_name = "PATH", hide_env_values = true)]
    pub node: Option<PathBuf>,
    /// The berth-init of each role [default: as before, at first beside berth]
    #[arg(long, env = "BERTH_INIT", value_name = "PATH", hide_env_values = true)]
    pub init: Option<PathBuf>,
    /// The mail domain, fixed at the first start [default: example.test]
    #[arg(long, value_name = "NAME")]
    pub domain: Option<String>,
    /// Added to every port, for a second installation [default: as before, at first 0]
    #[arg(long, value_name = "N")]
    pub port_offset: Option<u16>,
    /// Run these roles only, with those that they need; with --image, touch these alone
    #[arg(long, value_name = "ROLE,…", value_delimiter = ',')]
    pub only: Vec<String>,
    /// The addresses to listen on [default: as before, at first 127.0.0.1,::1]
    #[arg(long, value_name = "ADDR,…", value_delimiter = ',')]
    pub listen: Vec<IpAddr>,
    /// How many roles may be starting at a time [default: as many as there are processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub at_once: Option<u16>,
    #[command(flatten)]
    pub containers: UpContainers,
    /// Return when it is up, and leave it running
    #[arg(long, conflicts_with = "once")]
    pub detach: bool,
    /// Stop again after the proof, and exit as it came out
    #[arg(long)]
    pub once: bool,
    /// Do not send a mail through it
    #[arg(long)]
    pub no_prove: bool,
}

/// What only containers know.
#[derive(Debug, Clone, Args)]
pub struct UpContainers {
    /// The image of the roles (compose) [default: as before]
    #[arg(long, value_name = "REF")]
    pub image: Option<String>,
    /// Who signs releases (compose) [default: as before, at first our own]
    #[arg(long, env = "BERTH_RELEASE", value_name = "FILE", hide_env_values = true)]
    pub release: Option<PathBuf>,
    /// Which Compose files to add, or none (compose) [default: as before]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub overlay: Vec<String>,
    /// Go on when other overlays leave the store that accounts are in (compose)
    #[arg(long)]
    pub change_stores: bool,
    /// The Compose project's name, fixed at the first start (compose) [default: berth]
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// Print the docker commands, and change nothing (compose)
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct Down {
    /// Remove the volumes too, and with them all mail (compose)
    #[arg(long)]
    pub volumes: bool,
    /// Do not ask before mail is removed
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Status {
    /// As JSON (docs/reference/berth.md)
    #[arg(long)]
    pub json: bool,
    /// Keep looking, and show what changes, until q or Ctrl-C
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, Args)]
pub struct Logs {
    /// The role [default: all]
    pub role: Option<String>,
    /// Go on with what is written from now on
    #[arg(short, long)]
    pub follow: bool,
    /// On a terminal too, the lines as they were written: JSON
    #[arg(long)]
    pub json: bool,
    /// How many of the last lines of each role
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub lines: usize,
}

#[derive(Debug, Args)]
pub struct Prove {
    /// As JSON (docs/reference/berth.md)
    #[arg(long)]
    pub json: bool,
    /// Use this mailbox instead of one that is made for the proof
    #[arg(long, value_name = "ADDRESS", requires = "password_stdin")]
    pub user: Option<String>,
    /// Read its password from stdin
    #[arg(long, requires = "user")]
    pub password_stdin: bool,
    /// Measure instead how soon the owner is told of a mail, so many times
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub latency: Option<u16>,
}

impl Arguments {
    /// Reads the command line; help and version end the program with 0, a mistake with 64.
    pub fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            // Nothing is left to be told to whoever closed the stream.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            exit(if asked { 0 } else { i32::from(Code::Usage.number()) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_holds_and_every_help_fits_a_screen_and_has_two_examples() {
        let mut command = Arguments::command();
        command.clone().debug_assert();
        command.build();
        let helps = command.get_subcommands_mut().map(|verb| verb.render_help().to_string());
        for help in helps {
            assert!(help.lines().count() <= 40, "{help}");
            assert_eq!(help.split("Examples:").nth(1).unwrap().trim().lines().count(), 2, "{help}");
        }
    }
}
