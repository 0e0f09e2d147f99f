//! The images that roles are made from: which they are, which are there, and whether they start berth-init.

use std::collections::BTreeMap;

use berth_catalogue::find;
use berth_engine::compose::config::{Config, Service};
use berth_engine::compose::{Docker, Image};
use berth_engine::{EngineError, Wanted};

use super::pins::{self, Pins, Trust};
use crate::image::derive::default_tag;
use crate::preflight::Finding;

/// The label of an image in which each role has an entrypoint of ours.
const ROLES_LABEL: &str = "berth.roles";

/// The program that has to be the entrypoint.
const INIT: &str = "berth-init";

/// An image that roles are made from, and that is not built.
#[derive(Debug, Clone)]
struct RolesImage {
    reference: String,
    /// Whether its own entrypoint is what starts; else the Compose files name one.
    starts: bool,
    there: Option<Image>,
}

/// The images of the roles that are to run.
#[derive(Debug, Clone)]
pub struct Images(Vec<RolesImage>);

impl Images {
    /// Asks the engine for them.
    pub fn look(docker: &Docker, config: &Config, wanted: &Wanted) -> Result<Self, EngineError> {
        let built = |name: &str| {
            config.services.values().any(|it| it.build.is_some() && it.image.as_deref() == Some(name))
        };
        let mut used: BTreeMap<&str, bool> = BTreeMap::new();
        for instance in wanted.instances.iter().filter(|instance| find(&instance.name).is_some()) {
            let Some(Service { image: Some(image), entrypoint, .. }) = config.services.get(&instance.name)
            else {
                continue;
            };
            if !built(image) {
                *used.entry(image).or_default() |= entrypoint.is_none();
            }
        }
        if used.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let there = docker.images(used.keys().copied())?;
        let image = |(reference, starts): (&str, bool)| RolesImage {
            reference: reference.to_owned(),
            starts,
            there: there.iter().find(|image| image.is_called(reference)).cloned(),
        };
        Ok(Self(used.into_iter().map(image).collect()))
    }

    /// Those that have to be fetched.
    pub fn absent(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|image| image.there.is_none()).map(|image| image.reference.as_str())
    }

    /// What there is to say of them, and what their names mean from now on. `injected` is the list of overlays with which
    /// an image needs nothing of ours.
    pub fn judge(&self, injected: &str, trust: &Trust) -> (Vec<Finding>, Pins) {
        let (mut findings, mut meant) = (Vec::new(), Vec::new());
        for image in &self.0 {
            findings.extend(image.judge(injected));
            let Some(there) = &image.there else { continue };
            let (finding, pin) = pins::judge(&image.reference, there, trust);
            findings.extend(finding);
            meant.extend(pin.map(|pin| (image.reference.clone(), pin)));
        }
        (findings, pins::pins(meant))
    }
}

impl RolesImage {
    fn judge(&self, injected: &str) -> Option<Finding> {
        let name = &self.reference;
        let Some(image) = &self.there else {
            let says = format!("{name} is not here, and is fetched: whether it fits is seen then");
            return Some(Finding::warning("image", says, "is the name right? What is here: docker image ls"));
        };
        if !self.starts {
            return None;
        }
        if starts_init(image) {
            return Some(Finding::ok("image", format!("{name} starts berth-init")));
        }
        let entrypoint = match image.entrypoint() {
            [] => "it has no entrypoint".to_owned(),
            words => format!("its entrypoint is {}", words.join(" ")),
        };
        let tag = default_tag(name);
        let hint = format!(
            "is it the right one? Make one from it: berth image derive --from {name} --tag {tag}, then --image {tag}; \
             or --overlay {injected} --init PATH"
        );
        Some(Finding::refused("image", format!("{name} does not start berth-init: {entrypoint}"), hint))
    }
}

/// By either it says so: one that was made from ours may do something else first.
fn starts_init(image: &Image) -> bool {
    let is_init = |word: &String| word.rsplit('/').next() == Some(INIT);
    image.label(ROLES_LABEL).is_some() || image.entrypoint().iter().any(is_init)
}
