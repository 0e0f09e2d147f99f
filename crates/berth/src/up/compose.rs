//! Containers of Docker Compose: what the engine and its host have to have is judged first, then files and secrets are
//! written, and the engine brings up what they say. Containers belong to Docker: whoever has brought them up may leave.

use std::path::Path;
use std::process::ExitCode;

use berth_catalogue::called;
use berth_engine::compose::{Docker, PLACE, line};
use berth_engine::{Compose, Engine, EngineError, Event, Folder, Watcher};
use berth_report::{Code, Problem};

use super::Raising;
use crate::arguments::Up;
use crate::compose::installation::Installation;
use crate::compose::secrets;
use crate::interrupts::INTERRUPTED;
use crate::preflight::{self, Finding, Verdict, asked};
use crate::stdout::print;
use crate::view::View;
use crate::{again, down, open, problem};

pub fn run(path: &Path, arguments: &Up) -> anyhow::Result<ExitCode> {
    check(arguments)?;
    let would_be = Folder::would_be(path);
    let docker = Docker::new(&would_be.path(PLACE), []);
    let asked = asked::ask(&docker)?;
    let mut findings = preflight::engine::judge(&asked.engine, &asked.place);
    preflight::verdict(&findings).inspect_err(|_| eprint!("{}", preflight::told(&findings)))?;

    let mut installation = Installation::plan(&would_be, arguments, &asked, &docker)?;
    findings.extend(installation.judge(&docker, &asked)?);
    let first = !would_be.is_there();
    if arguments.containers.dry_run {
        eprint!("{}", preflight::told(&findings));
        if !would_be.path("").exists() {
            eprintln!("{} is not there yet: berth up makes it first", would_be.path("").display());
        }
        print(&installation.dry_run()?);
        preflight::verdict(&findings)?;
        return Ok(ExitCode::SUCCESS);
    }
    tell(&findings);
    preflight::verdict(&findings)?;

    // Nothing was written until here.
    let folder = Folder::create(path).map_err(problem::of_folder)?;
    let mut view = View::on_stderr()?;
    let lock = open::lock(&folder, "up", &mut view)?;
    if folder == would_be && !installation.is_current(&folder)? {
        let problem =
            Problem::new(Code::Unavailable, "another berth has changed this installation meanwhile");
        return Err(problem.hint("the same command again takes that into account").into());
    }
    let untouched = if first { made_alone(&folder) } else { "nothing was changed".to_owned() };
    let fetched = match fetch(&docker, &installation, &mut view) {
        Err(EngineError::Interrupted) => {
            view.say(&untouched);
            return Ok(ExitCode::from(INTERRUPTED));
        }
        Err(error) => {
            view.say(&untouched);
            return Err(problem::of(error));
        }
        Ok(fetched) => fetched,
    };
    // The folder may have another name than the one that was given.
    if fetched || folder != would_be {
        installation = Installation::plan(&folder, arguments, &asked, &docker)?;
    }
    // What is in an image is known only now.
    if fetched {
        let findings = installation.judge(&docker, &asked)?;
        preflight::verdict(&findings).inspect_err(|_| {
            eprint!("{}", preflight::told(&findings));
            view.say(&untouched);
        })?;
    }
    installation.prepare(&mut view)?;
    let mut engine = installation.engine();
    let gate = folder.path("").join(secrets::place("AUTH_BASIC_PASSWORD"));
    let raising = Raising {
        folder: &folder,
        wanted: &installation.wanted,
        arguments,
        told: &problem::of,
        raised: &|| Ok(()),
        gate: Some(gate.as_path()).filter(|_| !installation.sample),
    };
    let proven = raising.start(&mut engine, &mut view).and_then(|()| {
        // What was not touched is as well as it was.
        let changed = engine.has_acted() || arguments.once;
        if !changed && !arguments.no_prove {
            view.say(&format!("nothing had to be done, and so nothing is proved: {}", again::berth("prove")));
        }
        raising.finish(&mut engine, changed && !arguments.no_prove, &mut view)
    });
    // What is taken down again at once is nobody else's until then.
    if !arguments.once {
        drop(lock);
    }
    if proven.is_err() && engine.has_acted() {
        for (role, image) in &installation.before {
            let back = again::berth(&format!("up --only {role} --image {image}"));
            view.say(&format!("{role} had another image before; back to it: {back}"));
        }
    }
    let untouched = if first { made_alone(&folder) } else { "no container was changed".to_owned() };
    end(&mut engine, arguments, &mut view, proven, &untouched)
}

/// What a first `up` has done that comes to its end before there is any container.
fn made_alone(folder: &Folder) -> String {
    format!(
        "no container was made; the state folder {} was, and the next up goes on with it",
        folder.path("").display()
    )
}

/// Fetches the roles' images that are not there, and answers whether there were any.
fn fetch(docker: &Docker, installation: &Installation, view: &mut View) -> Result<bool, EngineError> {
    let mut fetched = false;
    for image in installation.images.absent() {
        view.heard(Event::Fetching(image.to_owned()));
        docker.show(&line::pull(image), &mut || view.interrupts() > 0)?;
        fetched = true;
    }
    Ok(fetched)
}

/// What is left running, and how it is told.
fn end(
    engine: &mut Compose,
    arguments: &Up,
    view: &mut View,
    proven: anyhow::Result<bool>,
    untouched: &str,
) -> anyhow::Result<ExitCode> {
    let interrupted = view.interrupts() > 0;
    if arguments.once {
        view.settle();
        view.say(if interrupted { "interrupted: taking it down" } else { "taking it down" });
        let down = match engine.down(view) {
            Err(EngineError::Interrupted) => return Ok(down::not_waited_for(view)),
            down => down.map_err(problem::of),
        };
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
            view.say(untouched);
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
    match arguments.containers.project.as_deref().filter(|name| !is_good(name)) {
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
