//! `cargo xtask build-image`: from an application with traps, again from the same input, and after a change of code.

use std::path::Path;
use std::process::Command;

use berth_tests::{Case, Ran, root, tell, wait_until_within};
use serde_json::Value;

use crate::contributor;
use crate::engine::{Engine, PATIENCE, base, while_layers_stay};
use crate::image::{PUBLISHED, SAMPLE};
use crate::image_check::{check, findings};
use crate::registry::Registry;

/// The Node of the application with traps, as the package that stands in for its image. Another release than the sample's.
const OTHER_NODE: &str = "22.23.5";

/// Runs `cargo xtask build-image`.
fn build_image(engine: &Engine, words: &[&str]) -> Ran {
    let mut command = contributor::in_this_clone(engine);
    command.arg("build-image").args(words);
    let mut run = || Ran::run(&mut command);
    if words.contains(&"--from") { while_layers_stay(run) } else { run() }
}

/// The digest that a build said it had made.
fn digest(ran: &Ran) -> String {
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let start = ran.err.find("(sha256:").unwrap_or_else(|| panic!("no digest: {}", ran.err)) + 1;
    ran.err[start..start + "sha256:".len() + 64].to_owned()
}

/// The configuration of the image in an OCI layout.
fn configuration(case: &Case, file: &str) -> Value {
    let read = |path: &str| -> Value {
        let mut tar = case.command("tar");
        let output =
            tar.args(["--extract", "--to-stdout", "--file"]).arg(case.path(file)).arg(path).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let blob = |descriptor: &Value| {
        read(&format!("blobs/{}", descriptor["digest"].as_str().unwrap().replace(':', "/")))
    };
    blob(&blob(&read("index.json")["manifests"][0])["config"])
}

fn git(case: &Case, folder: &Path, words: &[&str]) {
    let mut git: Command = case.command("git");
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_AUTHOR_DATE", "@1700000000 +0000");
    git.env("GIT_COMMITTER_DATE", "@1700000000 +0000").args(["-C"]).arg(folder);
    git.args(["-c", "user.name=a", "-c", "user.email=a@example.test"]).args(words);
    let output = git.output().unwrap();
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A copy of a folder of the repository, in the test's own.
fn copy(case: &Case, folder: &str, name: &str) -> std::path::PathBuf {
    let target = case.path(name);
    let mut list = case.command("git");
    list.arg("-C").arg(root().join(folder)).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        ".",
    ]);
    let files = String::from_utf8(list.output().unwrap().stdout).unwrap();
    for file in files.lines().map(Path::new).filter(|file| root().join(folder).join(file).exists()) {
        let place = target.join(file);
        fs_err::create_dir_all(place.parent().unwrap()).unwrap();
        fs_err::copy(root().join(folder).join(file), place).unwrap();
    }
    target
}

/// An image of another Node, with compilers, from the npm registry.
fn other_node(engine: &Engine) -> String {
    let tag = engine.name("node");
    let dockerfile = format!(
        "FROM {}\nRUN --mount=type=secret,id=ca NODE_EXTRA_CA_CERTS=/run/secrets/ca \
         npm pack --silent node-linux-$(node -p process.arch)@{OTHER_NODE} > /name && \
         tar -x -z -f \"$(cat /name)\" -C /usr/local --strip-components=1 package/bin package/include && \
         rm \"$(cat /name)\" /name\n",
        base("builder")
    );
    let folder = engine.case.write("node/Dockerfile", &dockerfile);
    let label = engine.label();
    let mut words = vec!["build".to_owned(), "--quiet".to_owned(), "--tag".to_owned(), tag.clone()];
    words.extend(["--label".to_owned(), label]);
    if let Ok(authorities) = std::env::var("NODE_EXTRA_CA_CERTS") {
        words.extend(["--secret".to_owned(), format!("id=ca,src={authorities}")]);
    }
    words.push(folder.parent().unwrap().display().to_string());
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    engine.done(&words);
    tag
}

/// What no repository holds: a history, settings with secrets, packages that were installed on the host.
fn traps(case: &Case) -> std::path::PathBuf {
    let folder = copy(case, "tests/fixtures/application", "application");
    git(case, &folder, &["init", "--quiet"]);
    git(case, &folder, &["add", "--all"]);
    git(case, &folder, &["commit", "--quiet", "--message=application"]);
    for (path, text) in
        [(".env", "SRS_SECRET=of-an-installation\n"), ("node_modules/mustache/index.js", "throw 1\n")]
    {
        case.write(Path::new("application").join(path), text);
    }
    folder
}

#[test]
fn an_application_with_traps_is_built_and_runs() {
    let Some(engine) = Engine::new() else { return };
    let (node, folder, tag) = (other_node(&engine), traps(&engine.case), engine.name("traps"));
    let label = engine.label();
    let [node_image, builder_image] = ["NODE_IMAGE", "BUILDER_IMAGE"].map(|name| format!("{name}={node}"));
    let words = [
        "--app",
        folder.to_str().unwrap(),
        "--tag",
        &tag,
        "--build-arg",
        &node_image,
        "--build-arg",
        &builder_image,
    ];
    let with_label = ["--", "--label", &label];
    let refused = build_image(&engine, &[&words[..], &with_label].concat());
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.err.contains("LICENCES_OF=\"paypal-rest-sdk@1.8.1 "), "{}", refused.err);
    let words = [&words[..], &["--build-arg", "LICENCES_OF=paypal-rest-sdk"]].concat();
    let made = build_image(&engine, &[&words[..], &with_label].concat());
    assert_eq!(made.code, Some(0), "{made:#?}");
    assert!(made.err.contains("no secrets in any layer"), "{}", made.err);

    let run = |script: &[&str]| {
        engine.done(&[&["run", "--rm", "--network=none", "--label", &label, &tag, "--"], script].concat())
    };
    let told: Value = serde_json::from_str(&run(&["node", "web.js"])).unwrap();
    let expected = serde_json::json!({
        "node": format!("v{OTHER_NODE}"), "built": "mustache", "compiled": "function", "browser": false,
        "settings": false, "selfHosted": "true",
    });
    assert_eq!(told, expected);
    assert_eq!(run(&["cat", ".env.schema"]), "SRS_SECRET=\nWEB_PORT=");
    let left = run(&[
        "find",
        "/app",
        "-name",
        ".git",
        "-o",
        "-name",
        ".env",
        "-o",
        "-name",
        "mustache",
        "-o",
        "-name",
        "obj.target",
    ]);
    assert_eq!(left, "");
    let (_, report) = check(&engine, &tag);
    assert_eq!(findings(&report), Vec::<String>::new());

    // A key in the source gets as far as the check, where it is told without being shown.
    let mut key = engine.case.command("openssl");
    let key = key.args(["genrsa", "2048"]).output().unwrap().stdout;
    fs_err::write(folder.join("key.js"), [b"module.exports = `", &key[..], b"`;\n"].concat()).unwrap();
    let made = build_image(&engine, &[&words[..], &with_label].concat());
    assert_eq!(made.code, Some(1), "{made:#?}");
    assert!(made.err.contains("a secret: ") && made.err.contains("/app/key.js"), "{}", made.err);
    assert!(!made.err.contains("PRIVATE KEY-----"), "{}", made.err);
}

#[test]
fn the_same_input_is_the_same_image_and_a_change_of_code_is_a_layer_of_its_own() {
    let Some(engine) = Engine::new() else { return };
    let case = &engine.case;
    let folder = copy(case, "docker/app", "mail");
    git(case, &folder, &["init", "--quiet"]);
    git(case, &folder, &["add", "--all"]);
    git(case, &folder, &["commit", "--quiet", "--message=mail"]);
    let build = |file: &str, words: &[&str]| {
        let path = case.path(file).to_str().unwrap().to_owned();
        let common = ["--app", folder.to_str().unwrap(), "--tag", "mail:dev", "--no-check", "--oci", &path];
        let ran = build_image(&engine, &[&common[..], words].concat());
        (digest(&ran), check(&engine, &path).1)
    };
    let (first, before) = build("first.tar", &[]);
    // Another checkout has other times and modes, another builder has nothing in its cache, or what was made earlier: that
    // once had the time of another commit in it.
    for file in ["imap.js", "lib/tls.js"] {
        let path = folder.join(file);
        let text = fs_err::read(&path).unwrap();
        fs_err::remove_file(&path).unwrap();
        fs_err::write(&path, text).unwrap();
        fs_err::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o664)).unwrap();
    }
    let (second, again) = build("second.tar", &["--", "--no-cache"]);
    assert_eq!(before["layers"], again["layers"]);
    assert_eq!(configuration(case, "first.tar"), configuration(case, "second.tar"));
    assert_eq!(first, second);

    let text = fs_err::read_to_string(folder.join("imap.js")).unwrap();
    fs_err::write(folder.join("imap.js"), text + "// changed\n").unwrap();
    git(case, &folder, &["commit", "--quiet", "--all", "--message=change"]);
    let (third, after) = build("third.tar", &[]);
    assert_ne!(first, third);
    let digests = |report: &Value| -> Vec<String> {
        let layers = report["layers"].as_array().unwrap().iter();
        layers.map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
    };
    let known = digests(&before);
    let layers = after["layers"].as_array().unwrap().iter();
    let new: Vec<_> =
        layers.filter(|layer| !known.contains(&layer["digest"].as_str().unwrap().to_owned())).collect();
    assert_eq!(new.len(), 1, "{new:#?}");
    let sent = new[0]["compressed"].as_u64().unwrap();
    tell(&format!("a change of code sends {sent} of {} bytes", after["compressed"]));
    assert!(sent <= 5_000_000, "{sent}");
}

#[test]
fn a_bake_file_makes_the_same_layers_as_xtask() {
    let Some(engine) = Engine::new() else { return };
    let prepared = build_image(&engine, &["--programs"]);
    assert_eq!(prepared.code, Some(0), "{prepared:#?}");
    // By digest where they have one, as the build of the sample took them.
    let bases = Ran::done(contributor::in_this_clone(&engine).arg("bases")).out;
    let bake = |tag: &str, output: &str| {
        let mut bake = engine.docker(&["buildx", "bake", "--file", "docker/docker-bake.hcl", output]);
        bake.args([
            "--allow=fs.read=/",
            "--set",
            &format!("*.labels.berth.test={}", engine.label().replace("berth.test=", "")),
        ]);
        bake.envs(std::env::var("NODE_EXTRA_CA_CERTS").map(|path| ("NODE_EXTRA_CA_CERTS", path)));
        for (variable, name) in [("NODE_IMAGE", "node"), ("BASE_IMAGE", "debian")] {
            let line = bases.lines().find(|line| line.starts_with(&format!("{name} "))).expect(&bases);
            bake.env(variable, line.split_whitespace().nth(1).unwrap());
        }
        Ran::done(bake.env("TAG", tag).current_dir(root()));
    };
    let tag = engine.name("baked");
    bake(&tag, "--load");
    let image = wait_until_within(PATIENCE, "the image is there", || {
        (engine.run(&["image", "inspect", &tag]).code == Some(0)).then(|| engine.inspect(&tag))
    });
    assert_eq!(image["Config"]["User"], "10001:10001");
    let built = engine.inspect(SAMPLE);
    assert_eq!(image["RootFS"]["Layers"], built["RootFS"]["Layers"]);
    let (code, report) = check(&engine, &tag);
    assert_eq!((code, findings(&report)), (Some(0), Vec::new()));

    let Some(registry) = Registry::of(contributor::in_a_clone(&engine)) else { return };
    let pushed = format!("{}/baked:1", registry.address);
    bake(&pushed, "--push");
    engine.done(&["pull", "--quiet", &pushed]);
    assert_eq!(engine.inspect(&pushed)["RootFS"]["Layers"], built["RootFS"]["Layers"]);
}

#[test]
fn an_image_is_pushed_where_its_tag_says() {
    let Some(engine) = Engine::new() else { return };
    let Some(registry) = Registry::of(contributor::in_a_clone(&engine)) else { return };
    let label = engine.label();
    let tag = |name: &str| format!("{}/{name}:1", registry.address);
    for (name, from) in [("derived", &["--from", PUBLISHED][..]), ("source", &[])] {
        let words = ["--tag", &tag(name), "--push", "--no-check", "--", "--label", &label];
        let made = build_image(&engine, &[from, &words].concat());
        assert!(made.err.contains(", pushed"), "{made:#?}");
        assert_eq!(digest(&made), registry.digest(&engine, name, "1"));
        // Nothing of it is left here but what the registry gives.
        engine.done(&["image", "rm", &tag(name)]);
        let listed = engine.done(&["run", "--rm", "--network=none", "--label", &label, &tag(name)]);
        assert!(listed.contains("\n  imap "), "{listed}");
    }
}
