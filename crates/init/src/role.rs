//! A role: its settings, its program, its needs.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use berth_catalogue::{find, names};
use berth_control::{Credentials, Port, Status};
use berth_report::{Code, Problem, nearest};
use berth_role::{Listening, Role, Stop};
use berth_settings::Settings;
use berth_supervise::machine::{Conduct, Plan};
use berth_supervise::{Budget, Charge, Inherited, Program, Waiting};

use crate::certificate;
use crate::locate::locate;
use crate::needs::{self, Key, Needed};
use crate::own::{Own, Restart, environment};
use crate::serve::serve;

/// A need that does not answer for this long is not coming: an operator has to look.
const NEED_WITHIN: Duration = Duration::from_mins(5);

/// Where the image has the application.
const APPLICATION: &str = "/app";

/// Runs a role until its end.
pub fn supervise(name: &str) -> anyhow::Result<ExitCode> {
    let inherited = Inherited::take().context("cannot block signals")?;
    let role = find(name).ok_or_else(|| unknown(name))?;
    let own = Own::read()?;
    let charged = RoleCharge::new(role, &own).and_then(|mut charge| Ok((charge.read()?, charge)));
    let (program, mut charge) = charged.with_context(|| format!("cannot start the role {name}"))?;
    serve(&own, &plan(role, &own), &mut charge, program, inherited)
}

fn unknown(name: &str) -> Problem {
    let hint = match nearest(name, names()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("the roles are {}", names().collect::<Vec<_>>().join(", ")),
    };
    Problem::new(Code::Usage, format!("there is no role {name:?}")).hint(hint)
}

/// The role's own times, unless BERTH_* says otherwise.
fn plan(role: &Role, own: &Own) -> Plan {
    let or = |own: Option<crate::own::Seconds>, role: Duration| own.map_or(role, |own| own.0);
    Plan {
        conduct: Conduct::Role {
            readiness: role.readiness,
            ready_within: or(own.ready_within, role.ready_within),
            delay: or(own.stop_delay, Duration::ZERO),
            stop: Stop {
                drain: or(own.drain, role.stop.drain),
                grace: or(own.grace, role.stop.grace),
                ..role.stop
            },
            forward_usr1: own.forward_usr1,
        },
        need_within: or(own.need_within, NEED_WITHIN),
        restart: (own.restart == Restart::OnFailure).then(Budget::default),
    }
}

struct RoleCharge {
    role: &'static Role,
    /// The application's folder; found once, because our own current folder changes.
    folder: PathBuf,
    node: PathBuf,
    known: Known,
}

/// What the settings say, as they were read last.
#[derive(Default)]
struct Known {
    ports: Vec<Listening>,
    certificate: Option<PathBuf>,
    needs: Vec<Needed>,
}

impl RoleCharge {
    fn new(role: &'static Role, own: &Own) -> Result<Self, Problem> {
        let folder = folder(role, own)?;
        let node = locate(own.node.as_deref().unwrap_or(Path::new("node")).as_os_str())
            .map_err(|problem| problem.hint("install Node, or name it with BERTH_NODE"))?;
        let node = std::path::absolute(&node).unwrap_or(node);
        Ok(Self { role, folder, node, known: Known::default() })
    }

    /// Reads and checks the settings, and gives what is to be started. Changes nothing when they are wrong.
    fn read(&mut self) -> Result<Program, Problem> {
        let role = self.role;
        let folder = &self.folder;
        let settings = Settings::load(folder, environment())
            .map_err(|error| Problem::new(Code::Settings, "the settings cannot be read").because(error))?;
        let missing = settings.missing();
        if !missing.is_empty() {
            let (count, keys) = (missing.len(), missing.join(", "));
            return Err(Problem::new(Code::Settings, format!("{count} settings are missing: {keys}")).hint(
                format!(
                    "set them in {}/.env or in the environment; an empty value will do",
                    folder.display()
                ),
            ));
        }
        let get = |key: &str| settings.get(key).map(str::to_owned);
        let wrong =
            |error| Problem::new(Code::Settings, "a port cannot be used").because(anyhow::Error::new(error));
        let ports =
            role.ports.iter().map(|port| port.resolve(&get)).collect::<Result<_, _>>().map_err(wrong)?;
        let certificate = certificate::checked(role, &settings, folder)?;
        let needs = needs::hard(role, &get).map_err(|error| {
            Problem::new(Code::Settings, "a need of the role cannot be asked")
                .because(anyhow::Error::new(error))
        })?;
        self.known = Known { ports, certificate, needs };
        let arguments = vec![OsString::from(role.entrypoint)];
        Ok(Program { path: self.node.clone(), arguments, folder: folder.clone() })
    }
}

/// The application's folder: the one that was named, the image's, or the current one.
fn folder(role: &Role, own: &Own) -> Result<PathBuf, Problem> {
    let places = match &own.app_dir {
        Some(named) => vec![named.clone()],
        None => {
            [Some(PathBuf::from(APPLICATION)), std::env::current_dir().ok()].into_iter().flatten().collect()
        }
    };
    let found = places.iter().find(|place| place.join(role.entrypoint).is_file());
    found.and_then(|place| std::path::absolute(place).ok()).ok_or_else(|| {
        let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
        let message = format!("there is no {} in {}", role.entrypoint, places.join(" or "));
        Problem::new(Code::NotFound, message).hint("name the application's folder with BERTH_APP_DIR")
    })
}

impl Charge for RoleCharge {
    fn name(&self) -> &str {
        self.role.name
    }

    fn prepare(&mut self) -> Result<Program, Box<dyn Error + Send + Sync>> {
        self.read().map_err(|problem| {
            let causes = anyhow::Error::new(problem).chain().map(ToString::to_string).collect::<Vec<_>>();
            causes.join(": ").into()
        })
    }

    fn needs(&self, waiting: Waiting) -> Pin<Box<dyn Future<Output = ()>>> {
        if self.known.needs.is_empty() {
            // Without a client for TLS, which would touch memory that is then kept.
            return Box::pin(std::future::ready(()));
        }
        Box::pin(needs::answered(self.role.name, self.known.needs.clone(), waiting))
    }

    fn describe(&self, status: &mut Status) {
        status.role = Some(self.role.name.to_owned());
        status.ports = self.known.ports.iter().copied().map(Port::from).collect();
        status.certificate.clone_from(&self.known.certificate);
        status.needs = self.known.needs.iter().map(|needed| needed.need.clone()).collect();
    }

    fn credentials(&self) -> Vec<Credentials> {
        let keys = self.known.needs.iter().map(|needed| &needed.key);
        let password =
            |key: &Key| if let Key::Password(password) = key { Some(password.clone()) } else { None };
        keys.filter_map(password).collect()
    }
}
