//! What a role cannot do without: where it is, by the settings, and whether it answers, over its own protocol.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_catalogue::find;
use berth_control::{Credentials, Host, Need, Port};
use berth_probe::{Client, Documents, Fault, KeyValue, Login, Patience, ProbeError, Target, UriError};
use berth_role::{Check, PortError, Role, Strength, TlsMode, Upstream};
use berth_supervise::Waiting;
use tokio::time::sleep;
use tracing::info;

/// Where the roles of one host reach each other, when no setting says otherwise.
pub const HERE: &str = "127.0.0.1";

/// Where a key-value store listens, when no setting says otherwise.
const KEY_VALUE_PORT: u16 = 6379;

/// The first pause between two tries; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The longest after refused credentials: each try is a line in the store's log, and looks like somebody guessing.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// How often the log repeats what is waited for.
const REPEAT: Duration = Duration::from_secs(30);

/// Something that a role cannot do without, and with what it is asked.
#[derive(Debug, Clone)]
pub struct Needed {
    pub need: Need,
    pub key: Key,
}

/// What opens a store.
#[derive(Debug, Clone, Default)]
pub enum Key {
    /// Nothing is needed, or nothing more.
    #[default]
    None,
    /// A document store is logged in to once; after that it is enough that it answers.
    Login(Login),
    /// A key-value store says nothing without.
    Password(Credentials),
}

/// A setting that does not say where a need is.
#[derive(Debug, thiserror::Error)]
pub enum NeedError {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("{setting} cannot be used: {error}")]
    Uri { setting: &'static str, error: UriError },
    #[error("{0} is no number from 1 to 65535")]
    StorePort(String),
}

/// What the role cannot do without.
pub fn hard(role: &Role, setting: &impl Fn(&str) -> Option<String>) -> Result<Vec<Needed>, NeedError> {
    let hard = role.needs.iter().filter(|need| need.strength == Strength::Hard);
    hard.filter_map(|need| located(need.on, setting).transpose()).collect()
}

/// Where something is, by the settings. A store whose setting is empty is not needed.
pub fn located(on: Upstream, setting: &impl Fn(&str) -> Option<String>) -> Result<Option<Needed>, NeedError> {
    let given = |key: &str| setting(key).filter(|value| !value.is_empty());
    match on {
        Upstream::Role(name) => Ok(another_role(name, setting)?),
        Upstream::Documents(key) => given(key).map(|uri| documents(key, &uri)).transpose(),
        Upstream::KeyValue(prefix) => key_value(prefix, &given),
    }
}

fn another_role(name: &str, setting: &impl Fn(&str) -> Option<String>) -> Result<Option<Needed>, PortError> {
    let Some((role, port)) = find(name).and_then(|role| Some((role, role.ports.first()?))) else {
        return Ok(None);
    };
    let host = role.host.and_then(setting).filter(|host| !host.is_empty());
    let need = Need::Role {
        name: role.name.to_owned(),
        host: host.unwrap_or_else(|| HERE.to_owned()),
        port: port.resolve(setting)?.into(),
    };
    Ok(Some(Needed { need, key: Key::None }))
}

fn documents(setting: &'static str, uri: &str) -> Result<Needed, NeedError> {
    let Documents { hosts, direct, login } =
        Documents::parse(uri).map_err(|error| NeedError::Uri { setting, error })?;
    let tls = hosts.iter().any(|host| host.tls != TlsMode::None);
    let hosts = hosts.into_iter().map(|Target { host, port, .. }| Host { host, port }).collect();
    let need = Need::Documents { setting: setting.to_owned(), hosts, tls, direct };
    Ok(Needed { need, key: login.map_or(Key::None, Key::Login) })
}

fn key_value(prefix: &str, given: &impl Fn(&str) -> Option<String>) -> Result<Option<Needed>, NeedError> {
    let name = |key: &str| format!("{prefix}{key}");
    let Some(host) = given(&name("HOST")) else { return Ok(None) };
    let port = match given(&name("PORT")) {
        None => KEY_VALUE_PORT,
        Some(port) => {
            let port = port.parse().ok().filter(|port| *port > 0);
            port.ok_or_else(|| NeedError::StorePort(name("PORT")))?
        }
    };
    // Anything else that is set counts as true in JavaScript.
    let tls = given(&name("TLS")).is_some_and(|value| value != "false" && value != "0");
    let setting = name("HOST");
    let key = given(&name("PASSWORD")).map(|password| {
        let user = given(&name("USERNAME")).unwrap_or_default();
        Key::Password(Credentials { setting: setting.clone(), user, password })
    });
    let need = Need::KeyValue { setting, host: Host { host, port }, tls };
    Ok(Some(Needed { need, key: key.unwrap_or_default() }))
}

/// Ends once every need has answered; says what has not, in `waiting` and in the log.
pub async fn answered(role: &'static str, mut needs: Vec<Needed>, waiting: Waiting) {
    let client = client();
    let since = Instant::now();
    let mut pause = PAUSE;
    let mut told: Option<Instant> = None;
    // A need that takes the question and says nothing is to be named too, should the time run out meanwhile.
    waiting.set(needs.iter().map(|Needed { need, .. }| format!("{need}: no answer yet")).collect());
    loop {
        let mut silent = Vec::new();
        let mut longest = LONGEST_PAUSE;
        for Needed { need, key } in &mut needs {
            match ask(&client, need, key).await {
                Ok(()) if matches!(key, Key::Login(_)) => *key = Key::None,
                Ok(()) => {}
                Err(error) => {
                    if matches!(error.fault, Fault::Refused) {
                        longest = REFUSED_PAUSE;
                    }
                    silent.push(told_with_causes(need, &error));
                }
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
        pause = (pause * 2).min(longest);
    }
}

/// A need's name and why it does not answer.
pub fn told_with_causes(need: &Need, error: &ProbeError) -> String {
    format!("{need}: {}", with_cause(error))
}

/// A probe's error with its cause, which says why a connection was refused.
pub fn with_cause(error: &ProbeError) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// A client for probes, with ring: half the size of the other provider, and without its memory at rest.
pub fn client() -> Client {
    Client::new(Arc::new(rustls::crypto::ring::default_provider()))
}

/// Asks a need once: another role the first question of its own health, a store whether it lets us in.
pub async fn ask(client: &Client, need: &Need, key: &Key) -> Result<(), ProbeError> {
    let patience = Patience::default();
    let store = |at: &Host, tls: bool| {
        Target::new(&at.host, at.port, if tls { TlsMode::Implicit } else { TlsMode::None })
    };
    match need {
        Need::Role { name, host, port } => {
            let check = find(name).and_then(|role| role.health.first().copied()).unwrap_or(Check::Tcp);
            client.check(check, &target(host, port), &patience).await
        }
        Need::Documents { hosts, tls, direct, .. } => {
            let login = if let Key::Login(login) = key { Some(login.clone()) } else { None };
            let hosts = hosts.iter().map(|host| store(host, *tls)).collect();
            client.log_in(&Documents { hosts, direct: *direct, login }, &patience).await
        }
        Need::KeyValue { host, tls, .. } => {
            let (user, password) = match key {
                Key::Password(Credentials { user, password, .. }) => (user.clone(), password.clone()),
                _ => Default::default(),
            };
            client.ping(&KeyValue { target: store(host, *tls), user, password }, &patience).await
        }
    }
    .map(drop)
}

/// A port as a probe takes it.
pub fn target(host: &str, port: &Port) -> Target {
    Target::new(host, port.number, port.tls.into())
}
