//! For which platforms compilers run under emulation, where they take ten times as long.

use anyhow::Result;
use serde_json::Value;

use crate::docker::Docker;
use crate::run::say;

/// Warns of each platform that no node of the builder is of. `rest` may name the builder, as buildx takes it.
pub fn warn(docker: &Docker, platforms: &[String], rest: &[String]) -> Result<()> {
    let variable = std::env::var("BUILDX_BUILDER").ok();
    let listed = docker.ask(["buildx", "ls", "--format", "json"]).unwrap_or_default();
    let mut native = native(&listed, named(rest).or(variable.as_deref()).filter(|name| !name.is_empty()));
    if native.is_empty() {
        native.push(docker.platform()?);
    }
    for platform in emulated(platforms, &native) {
        say(&format!(
            "warning: packages are compiled for {platform} under emulation, which is slow; on a builder of that platform it is not"
        ));
    }
    Ok(())
}

/// The builder that arguments of `docker buildx build` name.
fn named(rest: &[String]) -> Option<&str> {
    let after = |at: usize| rest.get(at + 1).map(String::as_str);
    let of = |(at, word): (usize, &'_ String)| (word == "--builder").then(|| after(at)).flatten();
    let joined = rest.iter().find_map(|word| word.strip_prefix("--builder="));
    joined.or_else(|| rest.iter().enumerate().find_map(of))
}

/// What each node of a builder, or of the current one, is itself, in what `docker buildx ls --format json` prints. A node
/// lists its own platform first, and what it emulates after it.
fn native(listed: &str, builder: Option<&str>) -> Vec<String> {
    let builders = listed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_used = |it: &Value| builder.map_or(it["Current"] == true, |name| it["Name"] == name);
    let nodes = builders.filter(is_used).filter_map(|it| it["Nodes"].as_array().cloned()).flatten();
    nodes.filter_map(|node| node["Platforms"][0].as_str().map(str::to_owned)).collect()
}

/// The platforms that none of these is. A variant of an architecture needs no emulation.
fn emulated<'a>(platforms: &'a [String], native: &[String]) -> Vec<&'a str> {
    let architecture = |platform: &'_ str| platform.split('/').take(2).map(str::to_owned).collect::<Vec<_>>();
    let is_native = |platform: &str| native.iter().any(|own| architecture(own) == architecture(platform));
    platforms.iter().map(String::as_str).filter(|platform| !is_native(platform)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILDERS: &str = r#"{"Current":true,"Name":"default","Nodes":[{"Platforms":["linux/amd64","linux/amd64/v2","linux/386"],"Status":"running"}]}
{"Current":false,"Name":"qemu","Nodes":[{"Platforms":["linux/amd64","linux/arm64"]}]}
{"Current":false,"Name":"both","Nodes":[{"Platforms":["linux/amd64","linux/arm64"]},{"Platforms":["linux/arm64/v8","linux/arm/v7"]}]}
{"Current":false,"Name":"away","Nodes":[{"Status":"inactive"}]}"#;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_platform_is_emulated_unless_a_node_of_the_builder_is_of_it() {
        let asked = words("linux/amd64 linux/arm64");
        for (builder, expected) in
            [(None, &["linux/arm64"][..]), (Some("qemu"), &["linux/arm64"]), (Some("both"), &[])]
        {
            assert_eq!(emulated(&asked, &native(BUILDERS, builder)), expected, "{builder:?}");
        }
        assert_eq!(emulated(&words("linux/arm64/v8"), &words("linux/arm64")), Vec::<&str>::new());
        assert_eq!(emulated(&words("linux/arm64"), &words("linux/arm")), ["linux/arm64"]);
    }

    #[test]
    fn of_a_builder_that_says_nothing_nothing_is_known() {
        for (listed, builder) in
            [("", None), ("no JSON", None), (BUILDERS, Some("away")), (BUILDERS, Some("x"))]
        {
            assert_eq!(native(listed, builder), Vec::<String>::new());
        }
    }

    #[test]
    fn the_builder_is_the_one_that_is_named() {
        assert_eq!(named(&words("--no-cache --builder both")), Some("both"));
        assert_eq!(named(&words("--builder=both --no-cache")), Some("both"));
        assert_eq!(named(&words("--no-cache --builder")), None);
    }
}
