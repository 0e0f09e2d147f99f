//! Where an image comes from, for machines: SLSA provenance 1.0 (<https://slsa.dev/spec/v1.0/provenance>).

use serde_json::{Value, json};

use super::notes::Built;

/// What is told of how it was built: a command of this repository.
const BUILD_TYPE: &str = "https://slsa.dev/container-based-build/v0.1?draft";

/// The predicate for these, which are of one commit. `repository` and `run` are known where a workflow builds.
pub fn predicate(platforms: &[Built], repository: Option<&str>, run: Option<&str>) -> Option<Value> {
    let first = platforms.first()?;
    let repository = repository.unwrap_or("local clone");
    let mut materials =
        vec![json!({"uri": format!("git+{repository}"), "digest": {"gitCommit": first.commit}})];
    if first.application != first.commit {
        materials.push(json!({"name": "application", "digest": {"gitCommit": first.application}}));
    }
    for (image, digest) in &first.bases {
        // One that nobody has pinned has no digest to name.
        let digest = digest.strip_prefix("sha256:").map_or(json!({}), |digest| json!({"sha256": digest}));
        materials.push(json!({"uri": format!("docker://{image}"), "digest": digest}));
    }
    let names: Vec<_> = platforms.iter().map(|built| built.platform.as_str()).collect();
    Some(json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "source": {"uri": format!("git+{repository}"), "digest": {"gitCommit": first.commit}},
                "command": ["cargo", "xtask", "release", "build", "--app", first.app, "--platform", names.join(",")],
                "version": first.version,
            },
            "resolvedDependencies": materials,
        },
        "runDetails": {
            "builder": {"id": run.map_or("https://localhost/", |run| run)},
            "metadata": run.map_or(json!({}), |run| json!({"invocationId": run})),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_the_command_and_the_bases_are_named() {
        let built = Built {
            platform: "linux/amd64".to_owned(),
            version: "1.0.0".to_owned(),
            commit: "c0".to_owned(),
            app: "../mail".to_owned(),
            application: "a9".to_owned(),
            bases: [("a:1".to_owned(), "sha256:12".to_owned()), ("b:1".to_owned(), "unpinned".to_owned())]
                .into(),
            booted: false,
        };
        let told =
            predicate(&[built], Some("https://host.test/o/r"), Some("https://host.test/run/1")).unwrap();
        let definition = &told["buildDefinition"];
        assert_eq!(definition["externalParameters"]["source"]["digest"]["gitCommit"], "c0");
        assert_eq!(
            definition["externalParameters"]["command"],
            json!(["cargo", "xtask", "release", "build", "--app", "../mail", "--platform", "linux/amd64"])
        );
        assert_eq!(definition["resolvedDependencies"][1]["digest"]["gitCommit"], "a9");
        assert_eq!(
            definition["resolvedDependencies"][2],
            json!({"uri": "docker://a:1", "digest": {"sha256": "12"}})
        );
        assert_eq!(definition["resolvedDependencies"][3]["digest"], json!({}));
        assert_eq!(told["runDetails"]["builder"]["id"], "https://host.test/run/1");
    }
}
