//! Whether there is room for the service: ports, memory, disk, files, a processor and a clock. What could not be seen is
//! not judged.

use std::time::Duration;

use super::memory::{self, Memory};
use super::{Finding, Verdict, bytes};
use crate::table::time;

/// What was measured of the engine's host, and what the service asks of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// The ports that are to be published.
    pub ports: Vec<Published>,
    /// What can be added to all of them, so that none is held; looked for when one is.
    pub free_offset: Option<u16>,
    pub memory: Memory,
    /// Where the engine keeps images and volumes, and how much is free there.
    pub disk: Option<(String, u64)>,
    pub cgroup: String,
    pub files: Files,
    /// Whether the processor can run MongoDB: nothing when that is not wanted, or not known.
    pub mongodb: Option<Mongodb>,
    pub clock: Clock,
    pub ipv6: bool,
    /// The folder of another installation that has a project of this name.
    pub other_folder: Option<String>,
    /// Volumes of this name that this installation did not make.
    pub old_volumes: Vec<String>,
    pub project: String,
}

/// A port that is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub service: String,
    pub number: u16,
    /// Who holds it, if it is held by others.
    pub holder: Option<String>,
    /// The variable that it is set by, if it is one of ours.
    pub variable: Option<&'static str>,
}

/// Open files of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Files {
    /// The most that a service asks for; nothing when none asks.
    pub wanted: Option<u64>,
    /// The most that the engine can give, where that could be seen.
    pub allowed: Option<u64>,
}

/// Whether a processor can run MongoDB, whose builds need AVX, or ARM's version 8.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mongodb {
    Runs,
    NoAvx,
    OldArm,
}

/// What was seen of the time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clock {
    /// How far the engine's clock is from ours.
    pub from_engine: Option<Duration>,
    /// By how much files are newer than now.
    pub behind_files: Option<Duration>,
}

/// The variables that an offset moves begin so.
pub const PUBLISHED: &str = "BERTH_PORT_";

/// Images, and the first weeks of mail.
const DISK_LEAST: u64 = 2_000_000_000;
const DISK_SMALL: u64 = 10_000_000_000;

/// What a busy IMAP server holds open; the engine's own default is more than enough.
const FILES_FEW: u64 = 4096;

/// What one notices of two clocks, and what makes logs useless and certificates invalid.
const APART_A_LITTLE: Duration = Duration::from_secs(2);
const APART: Duration = Duration::from_mins(1);

/// All that there is to say.
pub fn judge(host: &Host) -> Vec<Finding> {
    let mut findings = ports(&host.ports, host.free_offset);
    findings.extend(memory::judge(&host.memory));
    findings.extend(host.disk.as_ref().map(|(place, free)| disk(place, *free)));
    findings.push(cgroup(&host.cgroup));
    findings.extend(host.files.wanted.map(|wanted| files(wanted, host.files.allowed)));
    findings.extend(host.mongodb.map(mongodb));
    findings.push(clock(&host.clock));
    if !host.ipv6 {
        findings.push(Finding::warning(
            "IPv6",
            "the network of the services is without: clients that come over IPv6 are seen under the engine's own address",
            "give the host an IPv6 address and use Docker Engine 27 or newer, then take BERTH_IPV6 out of .env",
        ));
    }
    findings.extend(project(host));
    findings
}

fn ports(ports: &[Published], free_offset: Option<u16>) -> Vec<Finding> {
    let says = |Published { service, number, holder, .. }: &Published| {
        Some(format!("{number}, of {service}, is held by {}", holder.as_ref()?))
    };
    let held = ports.iter().filter_map(says);
    let mut held: Vec<Finding> =
        held.map(|says| Finding { about: "ports", verdict: Verdict::Refused, says, hint: None }).collect();
    if let Some(last) = held.last_mut() {
        last.hint = Some(other_ports(ports, free_offset));
        return held;
    }
    let all: Vec<String> = ports.iter().map(|port| port.number.to_string()).collect();
    vec![Finding::ok("ports", format!("{} are free, or ours", all.join(", ")))]
}

/// What can be done about ports that are held.
fn other_ports(ports: &[Published], free_offset: Option<u16>) -> String {
    let held: Vec<&Published> = ports.iter().filter(|port| port.holder.is_some()).collect();
    let mut variables: Vec<&str> = held.iter().filter_map(|port| port.variable).collect();
    variables.dedup();
    let moves = variables.len() == held.len() && variables.iter().all(|name| name.starts_with(PUBLISHED));
    let all =
        free_offset.filter(|_| moves).map(|offset| format!("; or move all ports: --port-offset {offset}"));
    let single =
        (!variables.is_empty()).then(|| format!("; or choose others in .env: {}", variables.join(", ")));
    format!(
        "stop what holds {}{}{}",
        if held.len() == 1 { "it" } else { "them" },
        all.unwrap_or_default(),
        single.unwrap_or_default()
    )
}

fn disk(place: &str, free: u64) -> Finding {
    let says = format!("{} free in {place}", bytes(free));
    match free {
        0..DISK_LEAST => Finding::refused(
            "disk",
            says + ": images and mail have no room",
            "docker system df says what takes it",
        ),
        DISK_LEAST..DISK_SMALL => {
            Finding::warning("disk", says, "mail grows; docker system df says what takes the rest")
        }
        _ => Finding::ok("disk", says),
    }
}

fn cgroup(version: &str) -> Finding {
    let says = format!("cgroup version {version}");
    if version == "1" {
        return Finding::warning(
            "cgroup",
            says + ": when a role is out of memory, one of its processes may be killed and the rest left",
            "a system with cgroup version 2 ends it as a whole",
        );
    }
    Finding::ok("cgroup", says)
}

fn files(wanted: u64, allowed: Option<u64>) -> Finding {
    match allowed {
        Some(allowed) if allowed < wanted => Finding::refused(
            "files",
            format!("{wanted} open files are wanted, and the engine may give {allowed}"),
            format!("set NOFILE={allowed} in .env, or raise the limit of dockerd (LimitNOFILE=)"),
        ),
        _ if wanted < FILES_FEW => Finding::warning(
            "files",
            format!("{wanted} open files a process: as many clients as that and no more"),
            "raise the limit of dockerd (LimitNOFILE=), and take NOFILE out of .env",
        ),
        _ => Finding::ok("files", format!("{wanted} open files a process")),
    }
}

fn mongodb(mongodb: Mongodb) -> Finding {
    let hint = "use FerretDB in its place, which is experimental: --overlay ferretdb";
    match mongodb {
        Mongodb::Runs => Finding::ok("processor", "it can run MongoDB"),
        Mongodb::NoAvx => Finding::refused("processor", "it has no AVX, which MongoDB needs", hint),
        Mongodb::OldArm => {
            Finding::refused("processor", "it is older than ARMv8.2, which MongoDB needs", hint)
        }
    }
}

fn clock(clock: &Clock) -> Finding {
    let hint = "set the clock: timedatectl set-ntp true";
    if let Some(behind) = clock.behind_files.filter(|behind| *behind > APART) {
        let says = format!(
            "it is {} behind files that are here already: certificates would not be valid yet",
            time(behind)
        );
        return Finding::refused("clock", says, hint);
    }
    match clock.from_engine {
        Some(by) if by > APART => {
            let says =
                format!("it is {} apart from the engine's: certificates and logs would not agree", time(by));
            Finding::refused("clock", says, hint)
        }
        Some(by) if by > APART_A_LITTLE => {
            Finding::warning("clock", format!("it is {} apart from the engine's", time(by)), hint)
        }
        _ => Finding::ok("clock", "as the engine's"),
    }
}

fn project(host: &Host) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(folder) = &host.other_folder {
        findings.push(Finding::refused(
            "project",
            format!("a project {} is there already, made in {folder}", host.project),
            "a second installation has a name of its own: --project NAME",
        ));
    } else if !host.old_volumes.is_empty() {
        let volumes = host.old_volumes.join(", ");
        findings.push(Finding::refused(
            "project",
            format!("there are volumes of an earlier installation, whose secrets are not in this state folder: {volumes}"),
            "use its state folder (--state DIR), another name (--project NAME), or remove them: docker volume rm",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    fn port(service: &str, number: u16, holder: Option<&str>) -> Published {
        Published { service: service.to_owned(), number, holder: holder.map(str::to_owned), variable: None }
    }

    fn asks(wanted: u64, allowed: Option<u64>) -> Files {
        Files { wanted: Some(wanted), allowed }
    }

    fn well() -> Host {
        Host {
            ports: vec![port("smtp", 465, None), port("front", 443, None)],
            memory: Memory { total: 32 * GB, limits_swap: true, ..Memory::default() },
            disk: Some(("/var/lib/docker".into(), 63 * GB)),
            cgroup: "2".into(),
            files: asks(65536, Some(1_048_576)),
            mongodb: Some(Mongodb::Runs),
            clock: Clock { from_engine: Some(Duration::from_millis(3)), behind_files: None },
            ipv6: true,
            ..Host::default()
        }
    }

    /// What is not well.
    fn found(host: &Host) -> Vec<Finding> {
        judge(host).into_iter().filter(|finding| finding.verdict != Verdict::Ok).collect()
    }

    fn only(host: &Host) -> Finding {
        let mut found = found(host);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    #[test]
    fn a_host_with_room_for_all_is_well() {
        assert_eq!(found(&well()), []);
        let says: Vec<_> = judge(&well()).into_iter().map(|finding| finding.says).collect();
        assert_eq!(says[0], "465, 443 are free, or ours");
        assert_eq!(says[1], "32.0 GB and 0 MB of swap");
    }

    #[test]
    fn each_port_that_is_held_is_told_with_who_holds_it() {
        let mut host = well();
        host.ports = vec![
            port("mx", 25, Some("process 812 (exim4)")),
            port("smtp", 465, None),
            port("front", 443, Some("container caddy")),
        ];
        let says: Vec<_> = found(&host).into_iter().map(|finding| finding.says).collect();
        assert_eq!(
            says,
            ["25, of mx, is held by process 812 (exim4)", "443, of front, is held by container caddy"]
        );
    }

    /// The hint said 4000, whoever held a port there.
    #[test]
    fn other_ports_are_offered_where_they_help() {
        let mut host = well();
        host.ports = vec![port("mx", 25, Some("exim4"))];
        host.free_offset = Some(8000);
        assert_eq!(only(&host).hint.unwrap(), "stop what holds it", "nobody knows what sets it");
        host.ports[0].variable = Some("BERTH_PORT_SMTP");
        let expected = "stop what holds it; or move all ports: --port-offset 8000; or choose others in .env: BERTH_PORT_SMTP";
        assert_eq!(only(&host).hint.unwrap(), expected);
        host.ports.push(Published { variable: Some("BERTH_PROXIED_WEB"), ..port("web", 3000, Some("a")) });
        let expected = "stop what holds them; or choose others in .env: BERTH_PORT_SMTP, BERTH_PROXIED_WEB";
        assert_eq!(found(&host)[1].hint.as_deref(), Some(expected), "an offset does not move the last");
    }

    #[test]
    fn disk_files_and_control_groups_are_judged() {
        let mut host = well();
        host.disk = Some(("/var/lib/docker".into(), GB));
        assert_eq!(only(&host).verdict, Verdict::Refused);
        host.disk = Some(("/var/lib/docker".into(), 5 * GB));
        assert_eq!(only(&host).verdict, Verdict::Warning);
        host.disk = None;
        assert_eq!(found(&host), [], "what was not seen is not judged");
        host.files = asks(65536, Some(20000));
        assert_eq!(only(&host).says, "65536 open files are wanted, and the engine may give 20000");
        host.files = asks(20000, Some(20000));
        assert_eq!(found(&host), []);
        host.files = asks(1024, None);
        assert_eq!(only(&host).verdict, Verdict::Warning);
        host.files = asks(65536, None);
        host.cgroup = "1".into();
        assert_eq!((only(&host).about, only(&host).verdict), ("cgroup", Verdict::Warning));
    }

    #[test]
    fn a_processor_that_cannot_run_mongodb_is_offered_ferretdb() {
        let mut host = well();
        for mongodb in [Mongodb::NoAvx, Mongodb::OldArm] {
            host.mongodb = Some(mongodb);
            assert!(only(&host).hint.unwrap().contains("--overlay ferretdb"));
        }
        host.mongodb = None;
        assert_eq!(found(&host), []);
    }

    #[test]
    fn a_clock_is_compared_with_the_engine_and_with_files() {
        let mut host = well();
        host.clock.from_engine = Some(Duration::from_secs(5));
        assert_eq!(only(&host).verdict, Verdict::Warning);
        host.clock.from_engine = Some(Duration::from_hours(1));
        assert_eq!(
            only(&host).says,
            "it is 60 min apart from the engine's: certificates and logs would not agree"
        );
        host.clock = Clock { from_engine: None, behind_files: Some(Duration::from_hours(3)) };
        assert_eq!(only(&host).verdict, Verdict::Refused);
        host.clock.behind_files = Some(Duration::from_secs(1));
        assert_eq!(found(&host), [], "file systems round");
    }

    #[test]
    fn another_installation_of_the_name_is_not_taken_over() {
        let mut host = well();
        host.project = "berth".into();
        host.old_volumes = vec!["berth_mailboxes".into(), "berth_mongodb".into()];
        let refused = only(&host);
        assert!(refused.says.ends_with("berth_mailboxes, berth_mongodb"), "{}", refused.says);
        host.other_folder = Some("/srv/mail/compose".into());
        assert_eq!(only(&host).says, "a project berth is there already, made in /srv/mail/compose");
        host = Host { ipv6: false, ..well() };
        assert_eq!((only(&host).about, only(&host).verdict), ("IPv6", Verdict::Warning));
    }
}
