//! An installation on Docker Compose as it is to be, from what is asked for, what was, and what the host has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use berth_engine::compose::{Docker, Draft, ENV, PLACE, line};
use berth_engine::{Compose, Engine, Folder, Kind, Wanted};
use berth_render::compose::{FOLDER, files};

use super::choices::{self, IMAGE};
use super::env::{Env, FILES, PROJECT};
use super::images::Images;
use super::overlays::{BUILD, INJECTED, Overlays};
use super::pins::{Pins, Trust};
use super::project;
use super::{certificates, mistaken, other_settings, secrets as files_of_secrets, stores, wanted::wanted};
use crate::arguments::Up;
use crate::preflight::asked::Asked;
use crate::preflight::{self, Finding, measure};
use crate::verify::Release;
use crate::view::View;
use crate::{certificate, dkim, problem, secrets, service};

/// The label of an image that holds the sample application. An image that is built from ours can only empty it.
const SAMPLE_LABEL: &str = "berth.sample";

/// Where a client for ACME leaves its answers.
const ACME: &str = "acme";

/// An installation as it is to be. Nothing of it is written yet.
pub struct Installation {
    folder: Folder,
    domain: String,
    env: Env,
    overlays: Overlays,
    pub sample: bool,
    /// The images of the roles, as far as they are not built.
    pub images: Images,
    trust: Trust,
    /// What the names of images mean, once they were judged.
    pins: Pins,
    /// Whether the application is known: the image of all roles is there, or the files say that it is the sample.
    known: bool,
    /// That another store of documents is asked for than there was.
    store: Option<Finding>,
    /// The images of the roles that are updated alone, as they were.
    pub before: Vec<(String, String)>,
    draft: Draft,
    pub wanted: Wanted,
    /// The `.env` that all this follows from.
    there: Option<String>,
}

impl Installation {
    /// Nothing of it is written, and whatever can be told of the command line is told.
    pub fn plan(folder: &Folder, arguments: &Up, asked: &Asked, docker: &Docker) -> anyhow::Result<Self> {
        let kept = secrets::kept_for_up(folder)?;
        let domain = service::domain(arguments.domain.as_deref(), kept.get("DOMAIN").map(String::as_str))?;
        project::check(folder)?;
        let there = folder.read(ENV)?;
        let mut env = Env::read(there.as_deref().unwrap_or_default());
        let chosen = Overlays::choose(&arguments.containers.overlay, env.get(FILES))?;
        let up = Compose::new(folder.clone()).wanted().map_err(problem::of)?;
        let alone = choices::alone(arguments, &env, up.as_ref())?;
        let before = choices::images_of(&env, &alone);
        choices::set_image(&mut env, arguments, &alone)?;
        let image = env.get(IMAGE).unwrap_or_default();
        let image =
            docker.images([image]).map_err(problem::of)?.into_iter().find(|found| found.is_called(image));
        let labelled =
            image.as_ref().and_then(|image| image.label(SAMPLE_LABEL)).is_some_and(|label| !label.is_empty());
        let sample = labelled || chosen.sample();
        let overlays = chosen.for_sample(sample);
        let store = store(&env, &overlays, arguments, up.is_some(), docker)?;
        files_of_secrets::check(folder, &overlays, &kept)?;
        env.set("DOMAIN", &domain);
        set(&mut env, &overlays, arguments, asked)?;
        let texts = texts(&env, sample);
        let place = folder.path(PLACE);
        let draft =
            Draft::read(&place, &texts).map_err(|error| mistaken::told(error, &place, there.as_deref()))?;
        let inputs = certificates::inputs(folder, &env);
        // What is updated alone is some of what was up.
        let only: Vec<String> = match up.filter(|_| !alone.is_empty()) {
            Some(up) => up.instances.into_iter().map(|instance| instance.name).collect(),
            None => arguments.only.clone(),
        };
        let wanted = wanted(&draft.config, &env, texts, inputs, &only, sample);
        let images = Images::look(docker, &draft.config, &wanted).map_err(problem::of)?;
        let trust = Trust {
            release: Release::of(folder, arguments.containers.release.as_deref())?,
            pins: Pins::kept(folder)?,
            folder: folder.clone(),
            chosen: arguments.containers.image.clone(),
        };
        let known = image.is_some() || sample || images.absent().next().is_none();
        Ok(Self {
            folder: folder.clone(),
            domain,
            env,
            overlays,
            sample,
            images,
            trust,
            pins: Pins::default(),
            known,
            store,
            before,
            draft,
            wanted,
            there,
        })
    }

    /// Whether nobody has changed the installation since this was planned.
    pub fn is_current(&self, folder: &Folder) -> anyhow::Result<bool> {
        Ok(folder.read(ENV)? == self.there)
    }

    fn project(&self) -> &str {
        self.env.get(PROJECT).unwrap_or_default()
    }

    /// The engine that brings it up, and touches no more than it is to.
    pub fn engine(&self) -> Compose {
        let engine = Compose::new(self.folder.clone()).drafted(self.draft.clone());
        let alone: Vec<String> = self.before.iter().map(|(role, _)| role.clone()).collect();
        if alone.is_empty() { engine } else { engine.alone(alone) }
    }

    /// What the engine's host has to have.
    pub fn judge(&mut self, docker: &Docker, asked: &Asked) -> anyhow::Result<Vec<Finding>> {
        let engine = Compose::new(self.folder.clone());
        let first = Kind::of(&self.folder).map_err(problem::of)?.is_none();
        let old = if first { engine.volumes(self.project()).map_err(problem::of)? } else { Vec::new() };
        let service = measure::Service {
            folder: Some(&self.folder),
            env: &self.env,
            config: &self.draft.config,
            wanted: &self.wanted,
            // What has to be fetched first may be the sample: not before that is there is memory refused for it.
            sample: self.sample || !self.known,
            project: self.project(),
            other_folder: engine.made_elsewhere(self.project()).map_err(problem::of)?,
            old_volumes: old,
        };
        let injected = self.overlays.asked_with(Some(INJECTED), &[BUILD]);
        let (mut findings, pins) = self.images.judge(&injected, &self.trust);
        findings.extend(self.store.clone());
        findings.extend(other_settings::judge(&self.folder, &self.env));
        findings.extend(preflight::host::judge(&measure::host(docker, asked, &service)?));
        self.pins = pins;
        Ok(findings)
    }

    /// The commands, as they would be typed.
    pub fn dry_run(&self) -> anyhow::Result<String> {
        let place = self.folder.path(PLACE);
        let mut text = format!("cd {}\n", line::quoted(&place.to_string_lossy()));
        for line in self.engine().lines(&self.wanted).map_err(problem::of)? {
            text += &(line.to_string() + "\n");
        }
        Ok(text)
    }

    /// Makes what the state folder has to hold; the engine writes what is its own.
    pub fn prepare(&self, view: &mut View) -> anyhow::Result<()> {
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
        self.trust.release.keep(folder)?;
        self.pins.keep(folder)?;
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

/// What there is to say of the store of documents, where there may be some: it is up, or its volumes are kept.
fn store(
    env: &Env,
    overlays: &Overlays,
    arguments: &Up,
    up: bool,
    docker: &Docker,
) -> anyhow::Result<Option<Finding>> {
    let Some(files) = env.get(FILES) else { return Ok(None) };
    let had = Overlays::choose(&[], Some(files))?;
    let Some(finding) = stores::judge(&had, overlays, arguments.containers.change_stores) else {
        return Ok(None);
    };
    let project = env.get(PROJECT).unwrap_or_default();
    let has_data = up || !docker.ask(&line::volumes(project)).map_err(problem::of)?.trim().is_empty();
    Ok(Some(finding).filter(|_| has_data))
}

/// Sets what was chosen, and what the host has, where nobody has set it before.
fn set(env: &mut Env, overlays: &Overlays, arguments: &Up, asked: &Asked) -> anyhow::Result<()> {
    choices::set_project(env, arguments)?;
    env.set(FILES, &overlays.files());
    choices::set_listening(env, arguments, overlays.sample())?;
    if overlays.has(BUILD) {
        choices::set_source(env, arguments.app.as_deref())?;
    }
    if overlays.has(INJECTED) {
        choices::set_init(env, arguments.init.as_deref())?;
    }
    choices::set_what_the_host_has(env, asked);
    Ok(())
}

/// The files of the project, by their paths in its folder. An example of `.env` has nothing to say beside it.
fn texts(env: &Env, sample: bool) -> BTreeMap<PathBuf, String> {
    let files = files().into_iter().filter(|file| !file.path.ends_with(".example"));
    let inside = |path: &str| Path::new(path).strip_prefix(FOLDER).unwrap_or(Path::new(path)).to_owned();
    let files = files.map(|file| (inside(file.path), file.text));
    files.chain([(PathBuf::from(".env"), env.text(sample))]).collect()
}
