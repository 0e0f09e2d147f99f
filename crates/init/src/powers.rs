//! What the application could not do as the user that we are, told before Node fails at it: some roles neither end nor get
//! ready when they may not listen.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use berth_role::{Listening, Role, Volume};
use berth_settings::{Finding, Settings};
use berth_supervise::{has_capabilities, may_bind_service};
use nix::unistd::{AccessFlags, eaccess, geteuid};

use crate::application;
use crate::own::Own;

/// The ports on which it could not listen.
pub fn ports(role: &Role, settings: &Settings, ports: &[Listening], own: &Own) -> Vec<Finding> {
    let first = first_free_port();
    let low: Vec<_> = ports.iter().filter(|port| port.number < first).collect();
    if low.is_empty()
        || may_bind_service()
        || application::node(own).is_ok_and(|node| has_capabilities(&node))
    {
        return Vec::new();
    }
    let finding = |port: &Listening| {
        let declared = role.ports.iter().find(|declared| declared.name == port.name)?;
        let message = format!(
            "port {} is below {first}, and uid {} may not listen there: give it the capability NET_BIND_SERVICE, or lower \
             net.ipv4.ip_unprivileged_port_start",
            port.number,
            geteuid()
        );
        Some(settings.about(declared.setting, Finding::refused(message)))
    };
    low.into_iter().filter_map(finding).collect()
}

/// The folders in which it keeps something and could not, each with the setting that names it. In production only: elsewhere
/// the application takes the machine's folder for temporary files.
pub fn data(role: &Role, settings: &Settings, folder: &Path) -> Vec<Finding> {
    if settings.get("NODE_ENV") != Some("production") {
        return Vec::new();
    }
    let given = |key: &str| settings.get(key).filter(|text| !text.is_empty());
    let finding = |volume: &Volume| {
        // The sample keeps everything in a folder of its own choice.
        let top = folder.join(given("POSTBOX_STATE").unwrap_or(volume.path()));
        let path = given(volume.setting()).map_or(top.clone(), |inside| top.join(inside));
        Some(settings.about(volume.setting(), Finding::refused(not_writable(&path)?)))
    };
    role.place.volumes.iter().filter_map(finding).collect()
}

/// Whether the role listens where only CAP_NET_BIND_SERVICE lets it.
pub fn needs_bind_service(ports: &[Listening]) -> bool {
    let first = first_free_port();
    ports.iter().any(|port| port.number < first)
}

/// The first port on which anybody may listen (`ip_unprivileged_port_start`, ip(7)). Docker sets it to 0 in containers.
fn first_free_port() -> u16 {
    let start = fs_err::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    start.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(1024)
}

/// Why nothing can be made in a folder; where it is not there yet, in the nearest one above it.
fn not_writable(path: &Path) -> Option<String> {
    let there = path.ancestors().find(|folder| folder.exists())?;
    let error = eaccess(there, AccessFlags::W_OK | AccessFlags::X_OK).err()?;
    let whose = fs_err::metadata(there).map_or_else(
        |_| "it cannot be looked at".to_owned(),
        |about| format!("owner uid {}, mode {:04o}", about.uid(), about.mode() & 0o7777),
    );
    let shown = there.display();
    Some(format!("{shown} cannot be written: {}: {whose}, and we are uid {}", error.desc(), geteuid()))
}
