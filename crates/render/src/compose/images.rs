//! The images that are not ours: which, by docker/bases.json.

use std::sync::LazyLock;

use serde::Deserialize;

const BASES: &str = include_str!("../../../../docker/bases.json");

/// What stands where no digest was read from a registry.
const UNPINNED: &str = "unpinned";

/// An image that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name in docker/bases.json, and in templates.
    pub name: &'static str,
    /// The variable that names another one.
    pub variable: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// Its reference, with its digest if that is known.
    pub reference: String,
}

const NAMES: [(&str, &str, &str); 8] = [
    ("mongo", "MONGODB_IMAGE", "the image of MongoDB"),
    ("redis", "REDIS_IMAGE", "the image of Redis"),
    ("nginx", "NGINX_IMAGE", "the image of the front, nginx"),
    ("ferretdb", "FERRETDB_IMAGE", "the image of FerretDB"),
    ("node", "NODE_IMAGE", "the image whose Node the roles get"),
    ("builder", "BUILDER_IMAGE", "the same Node with compilers, for packages that have to be compiled"),
    ("debian", "BASE_IMAGE", "the image that the roles' image is made from"),
    ("postgres-documentdb", "POSTGRESQL_IMAGE", "the image of PostgreSQL with DocumentDB, below FerretDB"),
];

/// A base image, as far as it matters here.
#[derive(Deserialize)]
struct Base {
    name: String,
    image: String,
    digest: String,
}

pub static IMAGES: LazyLock<Vec<Image>> = LazyLock::new(|| images(BASES));

fn images(bases: &str) -> Vec<Image> {
    let bases: Vec<Base> = serde_json::from_str(bases).expect("docker/bases.json was tested");
    let reference = |name: &str| {
        let base = bases.iter().find(|base| base.name == name).expect("docker/bases.json was tested");
        if base.digest == UNPINNED { base.image.clone() } else { format!("{}@{}", base.image, base.digest) }
    };
    NAMES
        .map(|(name, variable, meaning)| Image { name, variable, meaning, reference: reference(name) })
        .into()
}

/// A template with the references in it.
pub fn fill(template: &str) -> String {
    let fill =
        |text: String, image: &Image| text.replace(&format!("%image-{}%", image.name), &image.reference);
    IMAGES.iter().fold(template.to_owned(), fill)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_that_is_known_pins_the_image() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let pinned = BASES.replacen(UNPINNED, &digest, BASES.matches(UNPINNED).count());
        for image in images(&pinned) {
            assert!(image.reference.ends_with(&format!("@{digest}")), "{}", image.reference);
        }
        assert!(images(BASES).iter().all(|image| !image.reference.contains(UNPINNED)));
    }
}
