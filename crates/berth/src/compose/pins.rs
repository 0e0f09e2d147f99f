//! Which image each role's name meant when it was first used, and who had signed it. A name can mean another image
//! tomorrow: images of a release are held to their signature, and all others to what they were.

use std::collections::BTreeMap;

use anyhow::Context;
use berth_engine::Folder;
use berth_engine::compose::Image;
use serde::{Deserialize, Serialize};

use crate::preflight::Finding;
use crate::verify::{self, Release};

const FILE: &str = "images.json";

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The engine's id of the image.
    pub id: String,
    /// Who signed it; nobody, where it is of no release.
    pub signed_by: Option<String>,
    /// The version of the release.
    pub version: Option<String>,
}

/// Each name with what it means.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins(BTreeMap<String, Pin>);

impl Pins {
    /// Those of the last `up`.
    pub fn kept(folder: &Folder) -> anyhow::Result<Self> {
        let text = folder.read(FILE)?;
        let kept = text.map(|text| serde_json::from_str(&text)).transpose();
        Ok(kept.with_context(|| format!("{FILE} in the state folder cannot be read"))?.unwrap_or_default())
    }

    pub fn keep(&self, folder: &Folder) -> anyhow::Result<()> {
        Ok(folder.write(FILE, &serde_json::to_vec_pretty(self)?)?)
    }

    /// Each name with its pin.
    pub fn all(&self) -> impl Iterator<Item = (&String, &Pin)> {
        self.0.iter()
    }
}

/// By what images are judged.
#[derive(Debug, Clone)]
pub struct Trust {
    pub release: Release,
    pub pins: Pins,
    /// Where what was signed of images is kept.
    pub folder: Folder,
    /// The name that was given this time: what it means now is what is wanted.
    pub chosen: Option<String>,
}

/// Whether this is an image to run, and what its name means from now on.
pub fn judge(name: &str, image: &Image, trust: &Trust) -> (Option<Finding>, Option<Pin>) {
    let before = trust.pins.0.get(name);
    if trust.release.is_name_of(name) {
        return signed(name, image, trust, before);
    }
    let pin = Pin { id: image.id.clone(), signed_by: None, version: None };
    let finding = before.and_then(|before| moved(name, image, before, trust.chosen.as_deref() == Some(name)));
    (finding, Some(pin))
}

/// What there is to say of a name that means another image than before.
fn moved(name: &str, image: &Image, before: &Pin, is_chosen: bool) -> Option<Finding> {
    if before.id == image.id {
        return None;
    }
    let says = format!(
        "{name} is another image than when it was first used: {}, and it was {}",
        image.id, before.id
    );
    Some(if is_chosen {
        Finding::warning("image", says, "it is taken, because it was named; nobody has signed it")
    } else {
        Finding::refused("image", says, format!("did you change it? --image {name} takes it"))
    })
}

fn signed(name: &str, image: &Image, trust: &Trust, before: Option<&Pin>) -> (Option<Finding>, Option<Pin>) {
    let Some(digest) = image.digest(name) else {
        let says = format!("{name} has the name of a release, and was built on this host");
        let hint = "give it another name, or fetch what was released: docker pull";
        return (Some(Finding::refused("signature", says, hint)), None);
    };
    match verified(name, digest, trust) {
        Ok(verified) => {
            let says = format!("{name} is version {}, signed by {}", verified.version, verified.signed_by);
            let pin = Pin {
                id: image.id.clone(),
                signed_by: Some(verified.signed_by),
                version: Some(verified.version),
            };
            (Some(Finding::ok("signature", says)), Some(pin))
        }
        // It was verified before, and is the same: a registry that is away changes nothing.
        Err(error)
            if verify::is_out_of_reach(&error) && before.is_some_and(|pin| pin.is_signed_as(&image.id)) =>
        {
            let says = format!("{name} was verified before; its registry cannot be asked");
            (Some(Finding::ok("signature", says)), before.cloned())
        }
        Err(error) => {
            let says = format!("{name} has the name of a release, and is not verified: {}", root(&error));
            (Some(Finding::refused("signature", says, format!("berth verify {name} says more"))), None)
        }
    }
}

/// By what came with the image in a file, else by what its registry has.
fn verified(name: &str, digest: &str, trust: &Trust) -> anyhow::Result<verify::Verified> {
    if let Some(evidence) = verify::kept(&trust.folder, digest)? {
        let verified = verify::judge(&trust.release, name, &evidence)?;
        if verified.digest == digest {
            return Ok(verified);
        }
    }
    verify::image(&trust.release, name, digest)
}

impl Pin {
    fn is_signed_as(&self, id: &str) -> bool {
        self.signed_by.is_some() && self.id == id
    }

    /// In a few words, for a person.
    pub fn told(&self) -> String {
        let short: String = self.id.chars().take("sha256:".len() + 12).collect();
        match (&self.signed_by, &self.version) {
            (Some(by), Some(version)) => format!("{short}, version {version}, signed by {by}"),
            _ => format!("{short}, unsigned"),
        }
    }
}

/// The causes, without the first words, which whoever tells it has said.
fn root(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Pins for these images.
pub fn pins(pins: impl IntoIterator<Item = (String, Pin)>) -> Pins {
    Pins(pins.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Verdict;

    fn image(id: &str) -> Image {
        let told = format!(r#"[{{"Id": "{id}", "RepoTags": ["berth/postbox:dev"]}}]"#);
        serde_json::from_str::<Vec<Image>>(&told).unwrap().remove(0)
    }

    #[test]
    fn a_name_that_means_another_image_is_refused_unless_it_was_named_again() {
        let name = "berth/postbox:dev";
        let folder = Folder::would_be(std::path::Path::new("/nowhere"));
        let mut trust = Trust { release: Release::own(), pins: Pins::default(), folder, chosen: None };
        let (said, pin) = judge(name, &image("sha256:1"), &trust);
        assert_eq!((said, &pin.as_ref().unwrap().signed_by), (None, &None));
        trust.pins = pins([(name.to_owned(), pin.unwrap())]);
        assert_eq!(judge(name, &image("sha256:1"), &trust).0, None);
        assert_eq!(judge(name, &image("sha256:2"), &trust).0.unwrap().verdict, Verdict::Refused);
        trust.chosen = Some(name.to_owned());
        let (said, pin) = judge(name, &image("sha256:2"), &trust);
        assert_eq!(said.unwrap().verdict, Verdict::Warning);
        assert_eq!(pin.unwrap().id, "sha256:2");
    }
}
