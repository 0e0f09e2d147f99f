//! Asking what a role needs: over the needed role's own protocol.

use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_catalogue::find;
use berth_control::{Need, Port};
use berth_probe::{Client, Patience, ProbeError, Target};
use berth_role::Check;
use berth_supervise::Waiting;
use tokio::time::sleep;
use tracing::info;

/// Where the roles of one host reach each other, when no setting says otherwise.
pub const HERE: &str = "127.0.0.1";

/// The first pause between two tries; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How often the log repeats what is waited for.
const REPEAT: Duration = Duration::from_secs(30);

/// Ends once every need has answered; says what has not, in `waiting` and in the log.
pub async fn answered(role: &'static str, needs: Vec<Need>, waiting: Waiting) {
    let client = client();
    let since = Instant::now();
    let mut pause = PAUSE;
    let mut told: Option<Instant> = None;
    // A need that takes the question and says nothing is to be named too, should the time run out meanwhile.
    waiting.set(needs.iter().map(|need| format!("{}: no answer yet", need.role)).collect());
    loop {
        let mut silent = Vec::new();
        for need in &needs {
            if let Err(error) = ask(&client, need).await {
                silent.push(format!("{}: {error}", need.role));
            }
        }
        if silent.is_empty() {
            return;
        }
        if told.is_none_or(|told| told.elapsed() >= REPEAT) {
            info!(role, waiting_for = ?silent, since_s = since.elapsed().as_secs(), "waits for its needs");
            told = Some(Instant::now());
        }
        waiting.set(silent);
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A client for probes, with ring: half the size of the other provider, and without its memory at rest.
pub fn client() -> Client {
    Client::new(Arc::new(rustls::crypto::ring::default_provider()))
}

/// Asks a needed role the first question of its own health.
pub async fn ask(client: &Client, need: &Need) -> Result<(), ProbeError> {
    let check = find(&need.role).and_then(|role| role.health.first().copied()).unwrap_or(Check::Tcp);
    client.check(check, &target(&need.host, &need.port), &Patience::default()).await.map(drop)
}

/// A port as a probe takes it.
pub fn target(host: &str, port: &Port) -> Target {
    Target::new(host, port.number, port.tls.into())
}
