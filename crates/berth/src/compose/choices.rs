//! What can be chosen on the command line, as variables of the Compose files. What was chosen once stays.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, absolute};

use berth_catalogue::{ROLES, find};
use berth_engine::Wanted;
use berth_render::compose::{VARIABLES, Variable, image_variable};
use berth_report::{Code, Problem};

use super::env::{Env, PROJECT};
use crate::arguments::Up;
use crate::preflight::asked::Asked;
use crate::preflight::host::PUBLISHED;
use crate::{places, service};

/// The project's name when nobody says so.
const PROJECT_NAME: &str = "berth";

/// The image of all roles.
pub const IMAGE: &str = "BERTH_IMAGE";

/// The image that a role has.
fn image_of<'a>(env: &'a Env, role: &str) -> Option<&'a str> {
    env.get(&image_variable(role)).or(env.get(IMAGE))
}

/// The roles that are to get another image alone: those that are named with one, when they are not all that is up.
pub fn alone(arguments: &Up, env: &Env, up: Option<&Wanted>) -> anyhow::Result<Vec<String>> {
    let (Some(image), Some(up)) = (&arguments.containers.image, up) else { return Ok(Vec::new()) };
    if arguments.only.is_empty() {
        return Ok(Vec::new());
    }
    let (chosen, _) = service::choose(&arguments.only, |_| true)?;
    let chosen: BTreeSet<&str> = chosen.iter().map(|role| role.name).collect();
    let run: BTreeSet<&str> =
        up.instances.iter().filter_map(|it| find(&it.name)).map(|role| role.name).collect();
    let has = |role: &&str| image_of(env, role) == Some(image);
    let again = chosen == run && run.iter().all(has);
    Ok(if again { Vec::new() } else { arguments.only.clone() })
}

/// The images that these roles have.
pub fn images_of(env: &Env, roles: &[String]) -> Vec<(String, String)> {
    let image = |role: &String| Some((role.clone(), image_of(env, role)?.to_owned()));
    roles.iter().filter_map(image).collect()
}

/// The image of all roles, or of these alone.
pub fn set_image(env: &mut Env, arguments: &Up, alone: &[String]) -> Result<(), Problem> {
    let Some(image) = &arguments.containers.image else {
        let problem = Problem::new(Code::Usage, "which image the roles are to run is not known yet");
        return env.get(IMAGE).map(|_| ()).ok_or_else(|| problem.hint("name it: --image REF"));
    };
    let same = env.get(IMAGE) == Some(image.as_str());
    for name in alone.iter().map(|role| image_variable(role)) {
        // What all have needs no word of its own.
        if same { env.unset(&name) } else { env.set(&name, image) }
    }
    if alone.is_empty() {
        env.set(IMAGE, image);
        for role in ROLES {
            env.unset(&image_variable(role.name));
        }
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
    for variable in VARIABLES.iter().filter(|variable| variable.name.starts_with(PUBLISHED)) {
        let Some(number) = variable.default.as_deref().and_then(|text| text.parse::<u16>().ok()) else {
            continue;
        };
        let number = service::moved(number, offset)?;
        if offset == 0 { env.unset(&variable.name) } else { env.set(&variable.name, &number.to_string()) }
    }
    Ok(())
}

/// By this a clone of berth's repository is known.
const DOCKERFILE: &str = "docker/Dockerfile";

/// What is built is in a clone of berth's repository, at first in the one that we are in; its sample, unless another
/// folder is named.
pub fn set_source(env: &mut Env, app: Option<&Path>) -> anyhow::Result<()> {
    const REPOSITORY: &str = "BERTH_REPOSITORY";
    const SOURCE: &str = "BERTH_SOURCE";
    if env.get(REPOSITORY).is_none() {
        let here = std::env::current_dir()?;
        let Some(clone) = here.ancestors().find(|folder| folder.join(DOCKERFILE).is_file()) else {
            let problem = Problem::new(
                Code::Usage,
                "the image is built in a clone of berth's repository, and here is none",
            );
            return Err(problem
                .hint("change into it; or build elsewhere, and leave the overlay build out")
                .into());
        };
        env.set(REPOSITORY, &clone.to_string_lossy());
        env.set("BERTH_DOCKERFILE", &clone.join(DOCKERFILE).to_string_lossy());
        env.set_first(SOURCE, &clone.join("docker/app").to_string_lossy());
    }
    if let Some(app) = app {
        env.set(SOURCE, &absolute(app)?.to_string_lossy());
    }
    Ok(())
}

/// What is put into each container is the berth-init of this host: that of the last time while it is there, else the one
/// beside us. It has to be static.
pub fn set_init(env: &mut Env, asked: Option<&Path>) -> anyhow::Result<()> {
    const INIT: &str = "BERTH_INIT_FILE";
    let had = env.get(INIT).map(Path::new).filter(|path| path.is_file());
    let (init, _) = places::static_init(asked.or(had))?;
    env.set(INIT, &init.to_string_lossy());
    Ok(())
}

/// What this host and its engine cannot have is not asked for, unless the owner has said so.
pub fn set_what_the_host_has(env: &mut Env, asked: &Asked) {
    let default = Variable::named("NOFILE").and_then(|variable| variable.default.as_deref());
    if let Some(wanted) = default.and_then(|text| text.parse().ok()) {
        let files = asked.files_within(wanted);
        if files < wanted {
            env.set_first("NOFILE", &files.to_string());
        }
    }
    if !asked.has_ipv6() {
        env.set_first("BERTH_IPV6", "false");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Verb};
    use crate::image::elf;
    use berth_engine::{Containers, Instance, Means};
    use clap::Parser;

    fn up(words: &str) -> Up {
        let words = ["berth", "up"].into_iter().chain(words.split_whitespace());
        let Verb::Up(up) = Arguments::try_parse_from(words).unwrap().verb else { panic!("it is up") };
        up
    }

    fn running(names: &[&str]) -> Wanted {
        let instance = |name: &&str| Instance { name: (*name).to_owned(), ..Instance::default() };
        let instances = names.iter().map(instance).collect();
        Wanted { instances, listen: Vec::new(), means: Means::Containers(Containers::default()) }
    }

    #[test]
    fn one_role_gets_an_image_alone_when_others_run_and_the_same_command_twice_is_the_same() {
        let env = Env::read("BERTH_IMAGE=mail:1\n");
        let alone = |words: &str, up: Option<&Wanted>| self::alone(&self::up(words), &env, up).unwrap();
        let all = running(&["mongodb", "sqlite", "imap", "pop3", "front"]);
        assert_eq!(alone("--only imap --image mail:2", Some(&all)), ["imap"]);
        assert_eq!(alone("--only imap --image mail:1", Some(&all)), ["imap"], "back to what all have");
        assert!(alone("--only imap --image mail:1", None).is_empty(), "nothing is up yet");
        assert!(
            alone("--only imap", Some(&all)).is_empty() && alone("--image mail:2", Some(&all)).is_empty()
        );
        let some = running(&["mongodb", "sqlite", "imap"]);
        assert!(alone("--only imap --image mail:1", Some(&some)).is_empty(), "they are all that is up");
        assert_eq!(alone("--only imap --image mail:2", Some(&some)), ["imap"], "sqlite keeps its own");
        let other = Env::read("BERTH_IMAGE=mail:1\nBERTH_IMAGE_IMAP=mail:2\n");
        let back = self::alone(&up("--only imap --image mail:1"), &other, Some(&some)).unwrap();
        assert_eq!(back, ["imap"], "it has another one now");
    }

    #[test]
    fn an_image_for_all_takes_back_those_of_single_roles() {
        let mut env = Env::read("BERTH_IMAGE=mail:1\n");
        let imap = ["imap".to_owned()];
        set_image(&mut env, &up("--only imap --image mail:2"), &imap).unwrap();
        assert_eq!((env.get("BERTH_IMAGE"), env.get("BERTH_IMAGE_IMAP")), (Some("mail:1"), Some("mail:2")));
        assert_eq!(images_of(&env, &imap), [("imap".to_owned(), "mail:2".to_owned())]);
        set_image(&mut env, &up("--only imap --image mail:1"), &imap).unwrap();
        assert_eq!(env.get("BERTH_IMAGE_IMAP"), None);
        set_image(&mut env, &up("--only smtp-bree --image mail:2"), &["smtp-bree".to_owned()]).unwrap();
        set_image(&mut env, &up("--image mail:3"), &[]).unwrap();
        assert_eq!((env.get("BERTH_IMAGE"), env.get("BERTH_IMAGE_SMTP_BREE")), (Some("mail:3"), None));
        set_image(&mut env, &up(""), &[]).unwrap();
        assert!(set_image(&mut Env::default(), &up(""), &[]).is_err());
    }

    #[test]
    fn ports_move_by_the_offset_and_addresses_are_as_compose_takes_them() {
        let mut env = Env::default();
        let mut set = |words: &str, sample| set_listening(&mut env, &up(words), sample).map(|()| env.clone());
        let of = |env: &Env, name: &str| env.get(name).map(str::to_owned);
        let first = set("--port-offset 4000", true).unwrap();
        assert_eq!(
            (of(&first, "BERTH_PORT_SMTP"), of(&first, "BERTH_PORT_HTTPS")),
            (Some("4025".into()), Some("4443".into()))
        );
        assert_eq!(of(&first, "BERTH_BIND"), Some("127.0.0.1".into()), "a sample is for this host");
        assert_eq!(of(&set("--listen ::1", true).unwrap(), "BERTH_BIND"), Some("[::1]".into()));
        let all = set("--listen 0.0.0.0,:: --port-offset 0", true).unwrap();
        assert_eq!((of(&all, "BERTH_BIND"), of(&all, "BERTH_PORT_SMTP")), (None, None));
        assert_eq!(of(&set("", true).unwrap(), "BERTH_BIND"), None, "it was said once");
        assert!(set("--listen 10.0.0.1,10.0.0.2", false).is_err());
        assert!(set("--port-offset 65000", false).is_err());
    }

    #[test]
    fn the_folder_of_the_source_and_berth_init_are_those_of_the_last_time_until_others_are_named() {
        let mut env = Env::default();
        set_source(&mut env, None).unwrap();
        let clone = env.get("BERTH_REPOSITORY").unwrap().to_owned();
        assert_eq!(env.get("BERTH_SOURCE"), Some(&*format!("{clone}/docker/app")));
        set_source(&mut env, Some(Path::new("/srv/mail"))).unwrap();
        set_source(&mut env, None).unwrap();
        assert_eq!(env.get("BERTH_SOURCE"), Some("/srv/mail"));
        assert_eq!(env.get("BERTH_REPOSITORY"), Some(&*clone));

        let init = tempfile::NamedTempFile::new().unwrap();
        let path = init.path().canonicalize().unwrap();
        assert!(set_init(&mut env, Some(&path)).is_err(), "it is no program");
        fs_err::write(&path, elf::tests::program(62)).unwrap();
        set_init(&mut env, Some(&path)).unwrap();
        set_init(&mut env, None).unwrap();
        assert_eq!(env.get("BERTH_INIT_FILE"), path.to_str());
        drop(init);
        assert!(set_init(&mut env, None).is_err(), "it is gone");
    }
}
