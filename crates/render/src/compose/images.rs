//! The images of the stores and of the front.

/// An image that is not ours.
pub struct Image {
    /// Its name in docker/bases.toml, and in templates.
    pub name: &'static str,
    /// The variable that names another.
    pub variable: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    pub reference: &'static str,
}

pub static IMAGES: &[Image] = &[
    Image { name: "mongo", variable: "MONGODB_IMAGE", meaning: "MongoDB", reference: "mongo:8.0.4" },
    Image { name: "redis", variable: "REDIS_IMAGE", meaning: "Redis", reference: "redis:7.4-bookworm" },
    Image {
        name: "nginx",
        variable: "NGINX_IMAGE",
        meaning: "nginx, the front",
        reference: "nginx:1.28-bookworm",
    },
    Image {
        name: "ferretdb",
        variable: "FERRETDB_IMAGE",
        meaning: "FerretDB",
        reference: "ghcr.io/ferretdb/ferretdb:2.7.0",
    },
    Image {
        name: "postgres-documentdb",
        variable: "POSTGRESQL_IMAGE",
        meaning: "PostgreSQL with DocumentDB, below FerretDB",
        reference: "ghcr.io/ferretdb/postgres-documentdb:17-0.107.0-ferretdb-2.7.0",
    },
];

/// A template with the references in it.
pub fn fill(template: &str) -> String {
    let fill =
        |text: String, image: &Image| text.replace(&format!("%image-{}%", image.name), image.reference);
    IMAGES.iter().fold(template.to_owned(), fill)
}
