//! Containers of Docker Compose: what the engine and its host have to have is judged first, then files and secrets are
//! written, and the engine brings up what they say. Containers belong to Docker: whoever has brought them up may leave.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use berth_catalogue::called;
use berth_engine::compose::{Docker, Draft, Image, PLACE, line};
use berth_engine::{Compose, Engine, EngineError, Event, Folder, Kind, Wanted, Watcher};
use berth_render::compose::{VARIABLES, files};
use berth_report::{Code, Problem};

use super::{Raising, domain};
use crate::arguments::Up;
use crate::compose::env::{Env, FILES, PROJECT};
use crate::compose::overlays::{INJECTED, Overlays};
use crate::compose::{certificates, secrets as files_of_secrets, wanted::wanted};
use crate::interrupts::INTERRUPTED;
use crate::preflight::measure::{self, Asked};
use crate::preflight::{self, Finding, Verdict};
use crate::stdout::print;
use crate::view::View;
use crate::{again, certificate, dkim, places, problem, secrets, service};

/// The label of an image that holds the sample application.
const SAMPLE_LABEL: &str = "berth.sample";

/// The project's name when nobody says so.
const PROJECT_NAME: &str = "berth";

/// The image of all roles, and what the variable of one begins with.
const IMAGE: &str = "BERTH_IMAGE";
const IMAGE_OF: &str = "BERTH_IMAGE_";

/// Where a client for ACME leaves its answers.
const ACME: &str = "acme";

pub fn run(path: &Path, arguments: &Up) -> anyhow::Result<ExitCode> {
    check(arguments)?;
    let would_be = Folder::would_be(path);
    let docker = Docker::new(&would_be.path(PLACE), []);
    let asked = measure::engine(&docker)?;
    let mut findings = preflight::engine::judge(&asked.engine, &asked.place);
    if preflight::verdict(&findings).is_err() {
        eprint!("{}", preflight::told(&findings));
    }
    preflight::verdict(&findings)?;

    let mut installation = Installation::plan(&would_be, arguments, &asked, &docker)?;
    findings.extend(installation.judge(&docker, &asked)?);
    if arguments.dry_run {
        eprint!("{}", preflight::told(&findings));
        print(&installation.dry_run()?);
        preflight::verdict(&findings)?;
        return Ok(ExitCode::SUCCESS);
    }
    tell(&findings);
    preflight::verdict(&findings)?;

    // Nothing was written until here.
    let folder = Folder::create(path).map_err(problem::of_folder)?;
    let mut view = View::on_stderr()?;
    let lock = folder.lock("up").map_err(problem::of_folder)?;
    if installation.image.is_none() && !installation.builds() {
        let image = installation.env.get(IMAGE).unwrap_or_default().to_owned();
        view.heard(Event::Fetching(image.clone()));
        let fetched = docker.show(&line::pull(&image), &mut || view.interrupts() > 0);
        match fetched {
            Err(EngineError::Interrupted) => return Ok(ExitCode::from(INTERRUPTED)),
            fetched => fetched.map_err(problem::of)?,
        }
    }
    // Which application is in it is known only now; the folder may have another name than the one that was given.
    if installation.image.is_none() || folder != would_be {
        installation = Installation::plan(&folder, arguments, &asked, &docker)?;
    }
    installation.prepare(&mut view)?;
    let alone =
        arguments.image.as_ref().filter(|_| !arguments.only.is_empty()).map(|_| arguments.only.clone());
    let engine = Compose::new(folder.clone()).drafted(installation.draft.clone());
    let mut engine = alone.into_iter().fold(engine, Compose::alone);
    let gate = folder.path("").join(files_of_secrets::place("AUTH_BASIC_PASSWORD"));
    let raising = Raising {
        folder: &folder,
        wanted: &installation.wanted,
        arguments,
        told: &problem::of,
        raised: &|| Ok(()),
        gate: Some(gate.as_path()).filter(|_| !installation.sample),
    };
    let proven = raising.bring_up(&mut engine, &mut view);
    drop(lock);
    if proven.is_err() && engine.has_acted() {
        for (role, image) in &installation.before {
            let back = again::berth(&format!("up --only {role} --image {image}"));
            view.say(&format!("{role} had another image before; back to it: {back}"));
        }
    }
    end(&folder, &mut engine, arguments, &mut view, proven)
}

/// What is left running, and how it is told.
fn end(
    folder: &Folder,
    engine: &mut Compose,
    arguments: &Up,
    view: &mut View,
    proven: anyhow::Result<bool>,
) -> anyhow::Result<ExitCode> {
    let interrupted = view.interrupts() > 0;
    if arguments.once {
        view.settle();
        view.say(if interrupted { "interrupted: taking it down" } else { "taking it down" });
        let _lock = folder.lock("up").map_err(problem::of_folder)?;
        let down = engine.down(view).map_err(problem::of);
        // What went wrong first counts.
        let well = if interrupted { true } else { proven? };
        down?;
        return Ok(match (interrupted, well) {
            (true, _) => ExitCode::from(INTERRUPTED),
            (false, true) => ExitCode::SUCCESS,
            (false, false) => ExitCode::FAILURE,
        });
    }
    let verbs = ["status", "logs", "down"].map(again::berth).join(", ");
    match proven {
        Err(_) if interrupted => {
            view.settle();
            view.say(&format!("not waited for any longer: what was started goes on in Docker; {verbs}"));
            Ok(ExitCode::from(INTERRUPTED))
        }
        Err(error) if !engine.has_acted() => {
            view.say("nothing was changed");
            Err(error)
        }
        Err(error) => {
            view.say(&format!("what was started goes on in Docker; {verbs}"));
            Err(error)
        }
        Ok(well) => {
            view.say(&format!("it goes on running in Docker; {verbs}"));
            Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

/// What can be told of the command line alone.
fn check(arguments: &Up) -> anyhow::Result<()> {
    if arguments.at_once.is_some() {
        let problem =
            Problem::new(Code::Usage, "--at-once is for processes of this host, and this engine is compose");
        return Err(problem.hint("Compose starts what needs nobody at once").into());
    }
    for name in &arguments.only {
        called(name)?;
    }
    let is_good = |name: &str| {
        let letters = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c));
        letters && name.starts_with(|c: char| c.is_ascii_alphanumeric())
    };
    match arguments.project.as_deref().filter(|name| !is_good(name)) {
        None => Ok(()),
        Some(name) => Err(Problem::new(Code::Usage, format!("{name:?} is no name for a project"))
            .hint("small letters, digits, - and _, and a letter or digit first")
            .into()),
    }
}

/// Says what somebody should know, and how much is well; all of it when something is refused.
fn tell(findings: &[Finding]) {
    let refused = preflight::verdict(findings).is_err();
    let told: Vec<Finding> =
        findings.iter().filter(|finding| refused || finding.verdict != Verdict::Ok).cloned().collect();
    eprint!("{}", preflight::told(&told));
    if !refused {
        eprintln!("{}", preflight::sum(findings));
    }
}

/// An installation as it is to be. Nothing of it is written yet.
struct Installation {
    folder: Folder,
    domain: String,
    env: Env,
    overlays: Overlays,
    sample: bool,
    /// The image of the roles, if it is there.
    image: Option<Image>,
    /// The images of the roles that are updated alone, as they were.
    before: Vec<(String, String)>,
    draft: Draft,
    wanted: Wanted,
}

impl Installation {
    fn plan(folder: &Folder, arguments: &Up, asked: &Asked, docker: &Docker) -> anyhow::Result<Self> {
        let kept = secrets::kept(folder)?;
        let domain = domain(arguments.domain.as_deref(), kept.get("DOMAIN").map(String::as_str))?;
        let mut env = Env::read(&folder.read(&format!("{PLACE}/.env"))?.unwrap_or_default());
        let had = Overlays::choose(&arguments.overlay, env.get(FILES))?;
        let before = images_of(&env, arguments);
        set_image(&mut env, arguments)?;
        let image = env.get(IMAGE).unwrap_or_default();
        let image =
            docker.images([image]).map_err(problem::of)?.into_iter().find(|found| found.is_called(image));
        let labelled = image.as_ref().is_some_and(|image| image.label(SAMPLE_LABEL).is_some());
        let sample = labelled || had.sample();
        let overlays = had.for_sample(sample);
        files_of_secrets::check(folder, &overlays, &kept)?;
        set_project(&mut env, arguments)?;
        env.set(FILES, &overlays.files());
        env.set("DOMAIN", &domain);
        set_listening(&mut env, arguments, sample)?;
        if overlays.has(INJECTED) {
            env.set("BERTH_INIT_FILE", &places::init(arguments.init.as_deref())?.to_string_lossy());
        }
        set_what_the_host_has(&mut env, asked);

        let mut texts: BTreeMap<PathBuf, String> = BTreeMap::new();
        for file in files() {
            let inside = file.path.strip_prefix("compose/").unwrap_or(file.path);
            texts.insert(inside.into(), file.text);
        }
        texts.insert(".env".into(), env.text(sample));
        let draft = Draft::read(&folder.path(PLACE), &texts).map_err(problem::of)?;
        let inputs = certificates::inputs(folder, &env);
        // One that is updated alone is one of all.
        let only = if arguments.image.is_some() { &[][..] } else { &arguments.only };
        let wanted = wanted(&draft.config, &env, texts, inputs, only, sample);
        Ok(Self { folder: folder.clone(), domain, env, overlays, sample, image, before, draft, wanted })
    }

    /// Whether the roles' image is built and not fetched.
    fn builds(&self) -> bool {
        self.draft
            .config
            .services
            .values()
            .any(|service| service.image.as_deref() == self.env.get(IMAGE) && service.build.is_some())
    }

    fn project(&self) -> &str {
        self.env.get(PROJECT).unwrap_or(PROJECT_NAME)
    }

    /// What the engine's host has to have.
    fn judge(&self, docker: &Docker, asked: &Asked) -> anyhow::Result<Vec<Finding>> {
        let engine = Compose::new(self.folder.clone());
        let first = Kind::of(&self.folder).map_err(problem::of)?.is_none();
        let old = if first { engine.volumes(self.project()).map_err(problem::of)? } else { Vec::new() };
        let service = measure::Service {
            folder: Some(&self.folder),
            env: &self.env,
            config: &self.draft.config,
            wanted: &self.wanted,
            sample: self.sample,
            project: self.project(),
            other_folder: engine.made_elsewhere(self.project()).map_err(problem::of)?,
            old_volumes: old,
        };
        Ok(preflight::host::judge(&measure::host(docker, asked, &service)?))
    }

    /// The commands, as they would be typed.
    fn dry_run(&self) -> anyhow::Result<String> {
        let place = self.folder.path(PLACE);
        let mut text = format!("cd {}\n", line::quoted(&place.to_string_lossy()));
        let engine = Compose::new(self.folder.clone()).drafted(self.draft.clone());
        for line in engine.lines(&self.wanted).map_err(problem::of)? {
            text += &format!("{line}\n");
        }
        Ok(text)
    }

    /// Makes what the state folder has to hold; the engine writes what is its own.
    fn prepare(&self, view: &mut View) -> anyhow::Result<()> {
        let folder = &self.folder;
        let made = |secret: &_| files_of_secrets::is_made(&self.overlays, secret);
        let kept = secrets::complete(folder, secrets::kept(folder)?, &self.domain, made)?;
        dkim::ensure(folder)?;
        let reverse = self.env.get("REVERSE_NAME").map(ToOwned::to_owned);
        certificate::ensure(
            folder,
            &service::names(&self.domain).into_iter().chain(reverse).collect::<Vec<_>>(),
        )?;
        files_of_secrets::write(folder, &self.overlays, &kept)?;
        folder.make(&[PLACE, ACME].iter().collect::<PathBuf>(), 0o755).map_err(problem::of_folder)?;
        if certificates::write(folder, &self.env)? == certificates::Whose::Others {
            let place = certificates::folder(folder, &self.env);
            view.say(&format!("the certificate in {} is its owner's, and left alone", place.display()));
        }
        let names: Vec<&str> = self.wanted.instances.iter().map(|instance| instance.name.as_str()).collect();
        view.say(&format!("{} in {}: {}", self.domain, folder.path("").display(), names.join(", ")));
        Ok(())
    }
}

/// The variable that names the image of a role alone.
fn image_of(role: &str) -> String {
    format!("{IMAGE_OF}{}", role.replace('-', "_").to_uppercase())
}

/// The images of the roles that are to be updated alone.
fn images_of(env: &Env, arguments: &Up) -> Vec<(String, String)> {
    let roles = arguments.only.iter().filter(|_| arguments.image.is_some());
    let image = |role: &String| Some((role.clone(), env.get(&image_of(role)).or(env.get(IMAGE))?.to_owned()));
    roles.filter_map(image).collect()
}

/// The image of all roles, or of some alone.
fn set_image(env: &mut Env, arguments: &Up) -> anyhow::Result<()> {
    match &arguments.image {
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
fn set_project(env: &mut Env, arguments: &Up) -> anyhow::Result<()> {
    match (arguments.project.as_deref(), env.get(PROJECT)) {
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
fn set_listening(env: &mut Env, arguments: &Up, sample: bool) -> anyhow::Result<()> {
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
fn set_what_the_host_has(env: &mut Env, asked: &Asked) {
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
