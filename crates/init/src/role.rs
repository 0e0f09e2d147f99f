//! A role: its settings, its program, its needs.

use std::error::Error;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;

use anyhow::Context;
use berth_catalogue::called;
use berth_control::{Credentials, Port, Status};
use berth_role::{Listening, Role, Stop};
use berth_settings::Severity;
use berth_supervise::machine::{Conduct, Plan, Watch};
use berth_supervise::{Charge, Inherited, Life, Program, Runtime, Waiting};
use tracing::warn;

use crate::account::{home_of, leave_root};
use crate::application;
use crate::health::sign_of_life;
use crate::heap::Chosen;
use crate::needs::{self, Key, Needed};
use crate::own::{Own, Restart};
use crate::powers::needs_bind_service;
use crate::review::{Environment, Review};
use crate::serve::serve;
use crate::times::{RoleTimes, live_every, live_within};

/// Runs a role until its end.
pub fn supervise(name: &str) -> anyhow::Result<ExitCode> {
    let inherited = Inherited::take().context("cannot block signals")?;
    let role = called(name)?;
    let own = Own::read()?;
    let user = leave_root(&own)?;
    let found = application::folder(role, &own).and_then(|folder| Ok((folder, application::node(&own)?)));
    let (folder, node) = found.with_context(|| format!("cannot start the role {name}"))?;
    let mut charge =
        RoleCharge { role, own: &own, home: home_of(user), folder, node, known: Known::default() };
    let program = charge.read().map_err(|review| review.problem())?;
    serve(&own, &plan(role, &own), &mut charge, program, inherited)
}

fn plan(role: &Role, own: &Own) -> Plan {
    let RoleTimes { need_within, ready_within, stop_delay, quiet, drain, grace } = RoleTimes::of(role, own);
    // Without a port there is nobody to ask, and an end is noticed anyway.
    let watched = own.restart == Restart::OnWedged && !role.ports.is_empty();
    Plan {
        conduct: Conduct::Role {
            readiness: role.readiness,
            ready_within,
            delay: stop_delay,
            stop: Stop { quiet, drain, grace, ..role.stop },
            forward_usr1: own.forward_usr1,
        },
        need_within,
        restart: own.restart.budget(),
        watch: watched.then(|| Watch { every: live_every(own), failures: WEDGED.0, of: WEDGED.1 }),
    }
}

/// So many answers out of so many that do not come make a role wedged: a single one is a long garbage collection or a
/// busy host.
const WEDGED: (usize, usize) = (3, 5);

struct RoleCharge<'a> {
    role: &'static Role,
    own: &'a Own,
    /// The variable that names the user's folder, if we have become one.
    home: Environment,
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
    /// What is odd about them, to be told once there is a log.
    warnings: Vec<String>,
}

impl RoleCharge<'_> {
    /// Reads and checks the settings, and gives what is to be started. Changes nothing when they are wrong.
    fn read(&mut self) -> Result<Program, Box<Review>> {
        let review = Review::of(self.role, &self.folder, self.own);
        if review.said(Severity::Refused).next().is_some() {
            return Err(Box::new(review));
        }
        let mut environment = review.handed_over();
        environment.extend(self.home.clone());
        let warnings = review.said(Severity::Warned).map(ToString::to_string).collect();
        let Review { ports, certificate, needs, .. } = review;
        let bind_service = needs_bind_service(&ports);
        self.known = Known { ports, certificate, needs, warnings };
        let heap = Chosen::for_role(self.role.heap, self.own);
        Ok(Program {
            path: self.node.clone(),
            name: None,
            arguments: heap.argument().into_iter().chain([self.role.entrypoint.into()]).collect(),
            bind_service,
            runtime: Runtime::Node { heap: heap.heap() },
            folder: self.folder.clone(),
            environment,
        })
    }
}

impl Charge for RoleCharge<'_> {
    fn name(&self) -> &str {
        self.role.name
    }

    fn prepare(&mut self) -> Result<Program, Box<dyn Error + Send + Sync>> {
        self.read().map_err(|review| review.refusal().into())
    }

    fn needs(&self, waiting: Waiting) -> Pin<Box<dyn Future<Output = ()>>> {
        for setting in &self.known.warnings {
            warn!(role = self.role.name, setting, "a setting is odd");
        }
        if self.known.needs.is_empty() {
            // Without a client for TLS, which would touch memory that is then kept.
            return Box::pin(std::future::ready(()));
        }
        Box::pin(needs::answered(self.role.name, self.known.needs.clone(), waiting))
    }

    fn ports(&self) -> Vec<u16> {
        self.known.ports.iter().map(|port| port.number).collect()
    }

    fn live(&self) -> Life {
        let (port, within) = (self.known.ports.first().copied().map(Port::from), live_within(self.own));
        Box::pin(async move {
            match port {
                Some(port) => sign_of_life(&port, within).await,
                None => Ok("runs".to_owned()),
            }
        })
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
