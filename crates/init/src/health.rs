//! The two questions that an engine asks, kept apart.
//!
//! *Health*: is the service good for clients? It speaks the role's protocol on the role's own port, and asks what
//! the role cannot do without. *Live*: is this process worth keeping? It depends on nothing outside the container.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use berth_catalogue::find;
use berth_control::{State, Status};
use berth_probe::{Patience, Target};
use serde::Serialize;

use crate::ask::running;
use crate::needs::{HERE, ask, client, target};

/// A role whose event loop is busy this long, say with a large mailbox, still lives.
const LIVE_WITHIN: Duration = Duration::from_mins(1);

/// What is printed is read by people in `docker inspect`, which keeps this much of it.
const LONGEST: usize = 4096;

#[derive(Serialize)]
struct Verdict {
    good: bool,
    reason: String,
    took_ms: u128,
}

/// Prints the answer in one line; exit 0 when it is good, 1 when it is not, for whatever reason.
pub fn print(live: bool, json: bool) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let asked = running().and_then(|status| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(async { if live { is_live(&status).await } else { is_healthy(&status).await } }))
    });
    let result = asked.unwrap_or_else(|error| Err(format!("{error:#}")));
    let (good, reason) = match result {
        Ok(reason) => (true, reason),
        Err(reason) => (false, reason),
    };
    let verdict = Verdict { good, reason, took_ms: begun.elapsed().as_millis() };
    println!("{}", if json { serde_json::to_string(&verdict)? } else { verdict.told(live) });
    Ok(ExitCode::from(u8::from(!good)))
}

impl Verdict {
    fn told(&self, asked_live: bool) -> String {
        let word = match (self.good, asked_live) {
            (true, false) => "healthy",
            (false, false) => "unhealthy",
            (true, true) => "live",
            (false, true) => "not live",
        };
        let reason: String = self.reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut line = format!("{word} in {} ms: {reason}", self.took_ms);
        line.truncate(line.floor_char_boundary(LONGEST - 1));
        line
    }
}

/// Whether the main process is there and runs.
fn runs(status: &Status) -> Result<(), String> {
    match status.main {
        Some(main) if main.stopped => Err(format!("process {} is stopped", main.pid)),
        Some(_) => Ok(()),
        None => Err(format!("no main process, {}", status.state.word())),
    }
}

async fn is_healthy(status: &Status) -> Result<String, String> {
    let Some(role) = status.role.as_deref().and_then(find) else {
        return runs(status).map(|()| "runs".to_owned());
    };
    if status.state != State::Ready {
        let seconds = status.for_ms / 1000;
        return Err(format!("{} is {} for {seconds} s", role.name, status.state.word()));
    }
    runs(status)?;
    let client = client();
    let mut said = Vec::new();
    for port in &status.ports {
        let target = Target { certificate: status.certificate.clone(), ..target(HERE, port) };
        let answers = client.check_all(role.health, &target, &Patience::default()).await;
        let answers = answers.map_err(|error| format!("{} on port {}: {error}", role.name, port.number))?;
        said.extend(answers.iter().map(ToString::to_string));
    }
    for need in &status.needs {
        ask(&client, need).await.map_err(|error| format!("{} needs {}: {error}", role.name, need.role))?;
        said.push(format!("{} answers", need.role));
    }
    Ok(if said.is_empty() { "runs".to_owned() } else { said.join(", ") })
}

async fn is_live(status: &Status) -> Result<String, String> {
    if matches!(status.state, State::Waiting | State::Draining | State::Pausing) {
        return Ok(status.state.word().to_owned());
    }
    runs(status)?;
    if status.state == State::Ready
        && let Some(port) = status.ports.first()
    {
        let answered = client().live(&target(HERE, port), LIVE_WITHIN).await;
        return answered.map(|answer| answer.to_string()).map_err(|error| error.to_string());
    }
    Ok(status.state.word().to_owned())
}
