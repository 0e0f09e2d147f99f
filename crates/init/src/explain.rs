//! `berth-init explain [ROLE]`: what would be run, where and how, and which setting says so. Starts nothing, asks nobody.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use berth_catalogue::{called, concerns};
use berth_control::{Need as Asked, Port, PortTls};
use berth_role::{Need, Readiness, Role, Strength, Upstream};
use berth_settings::{Settings, known};
use serde::Serialize;

use crate::heap::{Chosen, Told};
use crate::needs;
use crate::own::Own;
use crate::review::Review;
use crate::times::RoleTimes;
use crate::{application, print, whose};

#[derive(Serialize)]
struct Explanation {
    role: &'static str,
    serves: &'static str,
    folder: PathBuf,
    /// Nothing when there is no Node.
    node: Option<PathBuf>,
    arguments: Vec<String>,
    heap: Told,
    ports: Vec<Listens>,
    certificate: Option<PathBuf>,
    needs: Vec<NeedTold>,
    ready: String,
    ready_within_seconds: f64,
    need_within_seconds: f64,
    health: Vec<String>,
    stop_delay_seconds: f64,
    quiet_seconds: Option<f64>,
    drain_seconds: f64,
    grace_seconds: f64,
    restart: &'static str,
    missing: Vec<String>,
    settings: Vec<Given>,
}

#[derive(Serialize)]
struct Listens {
    #[serde(flatten)]
    port: Port,
    published: u16,
    setting: &'static str,
    /// Where the setting is given; nothing when the number is the application's own.
    from: Option<String>,
}

#[derive(Serialize)]
struct NeedTold {
    need: String,
    hard: bool,
    /// Where it is, or why it is not needed.
    at: String,
}

#[derive(Serialize)]
struct Given {
    key: String,
    /// `***` for what may hold a secret.
    value: String,
    from: String,
}

/// Explains a role, for a person or as JSON.
pub fn run(named: Option<String>, json: bool) -> anyhow::Result<ExitCode> {
    let role = called(&whose::role(named)?)?;
    let own = Own::read()?;
    let folder =
        application::folder(role, &own).with_context(|| format!("cannot explain the role {}", role.name))?;
    let explanation = explain(role, &own, folder);
    if json {
        print::json(&explanation)?;
    } else {
        print::lines(&explanation.page())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(role: &'static Role, own: &Own, folder: PathBuf) -> Explanation {
    let review = Review::of(role, &folder, own);
    let settings = &review.settings;
    let times = RoleTimes::of(role, own);
    let heap = Chosen::for_role(role.heap, own);
    let from = |key: &str| settings.setting(key).map(|setting| setting.origin().to_string());
    let ports = role.ports.iter().filter_map(|port| {
        let listening = review.ports.iter().find(|listening| listening.name == port.name)?;
        let (published, setting) = (port.published, port.setting);
        Some(Listens { port: (*listening).into(), published, setting, from: from(setting) })
    });
    let given = settings.iter().filter(|setting| concerns(role, setting.key()));
    Explanation {
        role: role.name,
        serves: role.serves,
        node: application::node(own).ok(),
        arguments: heap
            .argument()
            .map(|argument| argument.to_string_lossy().into_owned())
            .into_iter()
            .chain([role.entrypoint.to_owned()])
            .collect(),
        heap: heap.told(role.heap),
        ports: ports.collect(),
        certificate: review.certificate.clone(),
        needs: role.needs.iter().map(|need| need_told(*need, settings)).collect(),
        ready: match role.readiness {
            Readiness::Message => "when it says so".to_owned(),
            Readiness::AliveFor(time) => {
                format!("when it says so, or has been alive for {} s", time.as_secs_f64())
            }
        },
        ready_within_seconds: times.ready_within.as_secs_f64(),
        need_within_seconds: times.need_within.as_secs_f64(),
        health: role.health.iter().map(ToString::to_string).collect(),
        stop_delay_seconds: times.stop_delay.as_secs_f64(),
        quiet_seconds: times.quiet.map(|quiet| quiet.as_secs_f64()),
        drain_seconds: times.drain.as_secs_f64(),
        grace_seconds: times.grace.as_secs_f64(),
        restart: own.restart.word(),
        missing: settings.missing().map(|(key, _)| key.to_owned()).collect(),
        settings: given
            .map(|setting| Given {
                key: setting.key().to_owned(),
                value: shown(setting.key(), setting.text()),
                from: setting.origin().to_string(),
            })
            .collect(),
        folder,
    }
}

/// The value, if it may be shown.
fn shown(key: &str, text: &str) -> String {
    let is_secret = known(key).is_none_or(|known| known.kind.is_secret());
    if is_secret && !text.is_empty() { "***".to_owned() } else { text.escape_debug().to_string() }
}

fn need_told(need: Need, settings: &Settings) -> NeedTold {
    let (what, setting) = match need.on {
        Upstream::Role(name) => (format!("role {name}"), name.to_owned()),
        Upstream::Documents(key) => ("document store".to_owned(), key.to_owned()),
        Upstream::KeyValue(prefix) => ("key-value store".to_owned(), format!("{prefix}HOST")),
    };
    let at = match needs::located(need.on, &|key| settings.get(key).map(str::to_owned)) {
        Ok(Some(needed)) => places(&needed.need),
        Ok(None) => format!("not needed: {setting} is empty"),
        Err(error) => error.to_string(),
    };
    NeedTold { need: what, hard: need.strength == Strength::Hard, at }
}

fn places(need: &Asked) -> String {
    let place = |host: &str, port: u16| format!("{host}:{port}");
    match need {
        Asked::Role { host, port, .. } => place(host, port.number),
        Asked::Documents { hosts, .. } => {
            hosts.iter().map(|at| place(&at.host, at.port)).collect::<Vec<_>>().join(", ")
        }
        Asked::KeyValue { host: at, .. } => place(&at.host, at.port),
    }
}

impl Explanation {
    fn page(&self) -> Vec<String> {
        let mut page = vec![format!("{}: {}", self.role, self.serves), String::new()];
        let mut item = |name: &str, what: String| page.push(format!("  {name:<12}{what}"));
        let node = self
            .node
            .as_ref()
            .map_or("node, which is not there".to_owned(), |node| node.display().to_string());
        item("runs", format!("{node} {}", self.arguments.join(" ")));
        item("heap", self.heap.line());
        item("in", self.folder.display().to_string());
        for listens in &self.ports {
            let Listens { port, published, setting, from } = listens;
            let tls = match port.tls {
                PortTls::None => "without TLS",
                PortTls::Starttls => "TLS when the client asks",
                PortTls::Implicit => "TLS from the first byte",
            };
            let by = from.as_ref().map_or("by itself".to_owned(), |from| format!("{setting} in {from}"));
            item(
                "listens",
                format!("{} ({}), {tls}; {by}; {published} to clients outside", port.number, port.name),
            );
        }
        if let Some(certificate) = &self.certificate {
            item("serves", certificate.display().to_string());
        }
        for NeedTold { need, hard, at } in &self.needs {
            item(if *hard { "needs" } else { "uses" }, format!("{need}: {at}"));
        }
        item("waits", format!("{} s at most for what it needs", self.need_within_seconds));
        item("ready", format!("{}, within {} s", self.ready, self.ready_within_seconds));
        let checks = if self.health.is_empty() { "it runs".to_owned() } else { self.health.join(", ") };
        item("healthy", format!("{checks}; and what it needs answers"));
        let delay = match self.stop_delay_seconds {
            0.0 => String::new(),
            delay => format!("after {delay} s "),
        };
        let quiet = match self.quiet_seconds {
            None => String::new(),
            Some(quiet) => format!("once no client is connected, after {quiet} s at most: "),
        };
        item(
            "stops",
            format!(
                "{delay}{quiet}TERM; to what it has started {} s later; KILL after {} s",
                self.drain_seconds, self.grace_seconds
            ),
        );
        item("restarts", self.restart.to_owned());
        if !self.missing.is_empty() {
            item("missing", self.missing.join(", "));
        }
        let width = |text: fn(&Given) -> &str| {
            self.settings.iter().map(|given| text(given).chars().count()).max().unwrap_or(0)
        };
        let (keys, values) = (width(|given| &given.key), width(|given| &given.value).min(40));
        page.extend(["", "Settings that concern it:", ""].map(str::to_owned));
        let settings = self.settings.iter();
        page.extend(
            settings.map(|Given { key, value, from }| format!("  {key:<keys$}  {value:<values$}  {from}")),
        );
        page
    }
}
