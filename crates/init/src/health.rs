//! The two questions that an engine asks, kept apart.
//!
//! *Health*: is the service good for clients? It speaks the role's protocol on the role's own port, and asks what
//! the role cannot do without. *Live*: is this process worth keeping? It depends on nothing outside the container.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use berth_catalogue::find;
use berth_control::{Credentials, Need, Port, Request, State, Status};
use berth_probe::{Patience, Target};
use serde::Serialize;

use crate::ask::Running;
use crate::needs::{HERE, Key, ask, client, target, told_with_causes, with_cause};
use crate::own::Own;
use crate::print;
use crate::times::live_within;

/// What is printed is read by people in `docker inspect`, which keeps this much of it.
const LONGEST: usize = 4096;

#[derive(Serialize)]
struct Verdict {
    good: bool,
    reason: String,
    took_ms: u128,
}

/// Prints the answer in one line; exit 0 when it is good, 1 when it is not, for whatever reason.
pub fn run(live: bool, json: bool) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let asked = Own::read().map_err(anyhow::Error::from).and_then(|own| {
        let init = Running::of(&own)?;
        let status = init.status()?;
        Ok((own, init, status))
    });
    let (answered, result) = match asked {
        Ok((own, init, status)) => {
            let result = judged(live, &own, &init, &status);
            (Some(init), result.unwrap_or_else(|error| Err(format!("{error:#}"))))
        }
        Err(error) => (None, Err(format!("{error:#}"))),
    };
    let good = result.is_ok();
    let reason = result.unwrap_or_else(|reason| reason);
    // What services say comes from outside, and is read on terminals.
    let reason = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let took = begun.elapsed();
    let verdict = Verdict { good, reason, took_ms: took.as_millis() };
    print::lines(&[if json { verdict.json()? } else { verdict.told(live) }])?;
    if let Some(init) = answered {
        // For metrics. Whoever asks wants the answer, and has it.
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let _ = init.put(Request::Checked { live, good, took_ms });
    }
    Ok(ExitCode::from(u8::from(!good)))
}

/// Asks what the role's status names, and gives the answer or what is wrong.
fn judged(live: bool, own: &Own, init: &Running, status: &Status) -> anyhow::Result<Result<String, String>> {
    let keys = if live { Vec::new() } else { keys(init, status)? };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        if live { is_live(status, live_within(own)).await } else { is_healthy(status, keys).await }
    });
    // Not to wait for a resolver that does not answer.
    runtime.shutdown_background();
    Ok(answer)
}

impl Verdict {
    fn told(&self, asked_live: bool) -> String {
        let word = match (self.good, asked_live) {
            (true, false) => "healthy",
            (false, false) => "unhealthy",
            (true, true) => "live",
            (false, true) => "not live",
        };
        let mut line = format!("{word} in {} ms: {}", self.took_ms, self.reason);
        cut(&mut line, LONGEST - 1);
        line
    }

    fn json(mut self) -> serde_json::Result<String> {
        loop {
            let line = serde_json::to_string(&self)?;
            let Some(over @ 1..) = line.len().checked_sub(LONGEST - 1) else { return Ok(line) };
            // A character takes a byte or more, so that the next one fits.
            let length = self.reason.len().saturating_sub(over);
            cut(&mut self.reason, length);
        }
    }
}

fn cut(text: &mut String, length: usize) {
    text.truncate(text.floor_char_boundary(length));
}

/// What opens the stores that the role needs; asked for only where there are any.
fn keys(init: &Running, status: &Status) -> anyhow::Result<Vec<Credentials>> {
    let has_store = status.needs.iter().any(|need| matches!(need, Need::KeyValue { .. }));
    if has_store && status.state == State::Ready { init.credentials() } else { Ok(Vec::new()) }
}

/// Whether the main process is there and runs.
fn runs(status: &Status) -> Result<(), String> {
    match status.main {
        Some(main) if main.stopped => Err(format!("process {} is stopped", main.pid)),
        Some(_) => Ok(()),
        None => Err(format!("no main process, {}", status.state.word())),
    }
}

async fn is_healthy(status: &Status, keys: Vec<Credentials>) -> Result<String, String> {
    let Some(role) = status.role.as_deref().and_then(find) else {
        return runs(status).map(|()| "runs".to_owned());
    };
    if status.state != State::Ready {
        let seconds = status.for_ms / 1000;
        let why = status.waiting_for.join(", ");
        let colon = if why.is_empty() { "" } else { ": " };
        return Err(format!("{} is {} for {seconds} s{colon}{why}", role.name, status.state.word()));
    }
    runs(status)?;
    let client = client();
    let mut said = Vec::new();
    for port in &status.ports {
        let target = Target { certificate: status.certificate.clone(), ..target(HERE, port) };
        let answers = client.check_all(role.health, &target, &Patience::default()).await;
        let answers = answers
            .map_err(|error| format!("{} on port {}: {}", role.name, port.number, with_cause(&error)))?;
        said.extend(answers.iter().map(ToString::to_string));
    }
    for need in &status.needs {
        let key = keys.iter().find(|key| key.setting == need.to_string()).cloned();
        let answer = ask(&client, need, &key.map_or(Key::None, Key::Password)).await;
        answer.map_err(|error| format!("{} needs {}", role.name, told_with_causes(need, &error)))?;
        said.push(format!("{need} answers"));
    }
    Ok(if said.is_empty() { "runs".to_owned() } else { said.join(", ") })
}

async fn is_live(status: &Status, within: Duration) -> Result<String, String> {
    if matches!(status.state, State::Waiting | State::Draining | State::Restarting) {
        return Ok(status.state.word().to_owned());
    }
    runs(status)?;
    if status.state == State::Ready
        && let Some(port) = status.ports.first()
    {
        return sign_of_life(port, within).await;
    }
    Ok(status.state.word().to_owned())
}

/// Any byte, or a finished handshake, from whoever has this port here.
pub async fn sign_of_life(port: &Port, within: Duration) -> Result<String, String> {
    let answered = client().live(&target(HERE, port), within).await;
    answered.map(|answer| answer.to_string()).map_err(|error| with_cause(&error))
}
