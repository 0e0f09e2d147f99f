//! What can be chosen on the command line, as variables of the Compose files. What was chosen once stays.

use std::net::IpAddr;

use berth_render::compose::VARIABLES;
use berth_report::{Code, Problem};

use super::env::{Env, PROJECT};
use crate::arguments::Up;
use crate::preflight::measure::{self, Asked};

/// The project's name when nobody says so.
const PROJECT_NAME: &str = "berth";

/// The image of all roles, and what the variable of one begins with.
pub const IMAGE: &str = "BERTH_IMAGE";
const IMAGE_OF: &str = "BERTH_IMAGE_";

/// The variable that names the image of a role alone.
fn image_of(role: &str) -> String {
    format!("{IMAGE_OF}{}", role.replace('-', "_").to_uppercase())
}

/// The images of the roles that are to be updated alone.
pub fn images_of(env: &Env, arguments: &Up) -> Vec<(String, String)> {
    let roles = arguments.only.iter().filter(|_| arguments.containers.image.is_some());
    let image = |role: &String| Some((role.clone(), env.get(&image_of(role)).or(env.get(IMAGE))?.to_owned()));
    roles.filter_map(image).collect()
}

/// The image of all roles, or of some alone.
pub fn set_image(env: &mut Env, arguments: &Up) -> anyhow::Result<()> {
    match &arguments.containers.image {
        Some(image) if arguments.only.is_empty() => {
            env.set(IMAGE, image);
            // All are of one image again.
            VARIABLES
                .iter()
                .filter(|variable| variable.name.starts_with(IMAGE_OF))
                .for_each(|variable| env.unset(&variable.name));
        }
        Some(image) if env.get(IMAGE).is_some() => {
            let same = env.get(IMAGE) == Some(image.as_str());
            for name in arguments.only.iter().map(|role| image_of(role)) {
                if same { env.unset(&name) } else { env.set(&name, image) }
            }
        }
        Some(_) => {
            let problem = Problem::new(Code::Usage, "one role alone can be updated when the others are up");
            return Err(problem.hint("bring all up first: leave --only out").into());
        }
        None => {}
    }
    if env.get(IMAGE).is_none() {
        let problem = Problem::new(Code::Usage, "which image the roles are to run is not known yet");
        return Err(problem.hint("name it: --image REF").into());
    }
    Ok(())
}

/// Volumes go by the project's name, so it stays what it was at the first start.
pub fn set_project(env: &mut Env, arguments: &Up) -> anyhow::Result<()> {
    match (arguments.containers.project.as_deref(), env.get(PROJECT)) {
        (Some(asked), Some(had)) if asked != had => {
            let problem =
                Problem::new(Code::Usage, format!("this installation's project is {had}, not {asked}"));
            Err(problem.hint("a second installation has a state folder of its own: --state DIR").into())
        }
        (asked, _) => {
            env.set_first(PROJECT, asked.unwrap_or(PROJECT_NAME));
            Ok(())
        }
    }
}

/// The address and the numbers that are published. The sample is for this host alone, unless somebody says otherwise.
pub fn set_listening(env: &mut Env, arguments: &Up, sample: bool) -> anyhow::Result<()> {
    const BIND: &str = "BERTH_BIND";
    let text = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    match &arguments.listen[..] {
        [] if sample => env.set_first(BIND, "127.0.0.1"),
        [] => {}
        all if all.iter().all(IpAddr::is_unspecified) => env.set(BIND, ""),
        [one] => env.set(BIND, &text(one)),
        _ => {
            let problem = Problem::new(Code::Usage, "Compose publishes on one address, or on all");
            return Err(problem.hint("--listen ADDR, or for all --listen 0.0.0.0,::").into());
        }
    }
    let Some(offset) = arguments.port_offset else { return Ok(()) };
    for variable in VARIABLES.iter().filter(|variable| variable.name.starts_with("BERTH_PORT_")) {
        let Some(number) = variable.default.as_deref().and_then(|text| text.parse::<u16>().ok()) else {
            continue;
        };
        let Some(number) = number.checked_add(offset) else {
            let problem = format!("port {number} and the offset {offset} make no port number");
            return Err(Problem::new(Code::Usage, problem).into());
        };
        if offset == 0 { env.unset(&variable.name) } else { env.set(&variable.name, &number.to_string()) }
    }
    Ok(())
}

/// What this host and its engine cannot have is not asked for, unless the owner has said so.
pub fn set_what_the_host_has(env: &mut Env, asked: &Asked) {
    let default = |name: &str| VARIABLES.iter().find(|variable| variable.name == name)?.default.clone();
    if let Some(wanted) = default("NOFILE").and_then(|text| text.parse().ok()) {
        let files = measure::files_within(asked, wanted);
        if files < wanted {
            env.set_first("NOFILE", &files.to_string());
        }
    }
    if !measure::has_ipv6(asked) {
        env.set_first("BERTH_IPV6", "false");
    }
}
