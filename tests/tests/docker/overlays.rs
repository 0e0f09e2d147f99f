//! Installations in other forms than the one that most tests share.

use std::path::Path;
use std::process::Stdio;

use berth_tests::{Ran, Served, init, skip, wait_until_within};
use serde_json::json;

use crate::engine::{PATIENCE, base};
use crate::image::{PUBLISHED, derive};
use crate::installation::{Installation, image};
use crate::stack::stack;

/// Where nothing runs yet, with a stand-in for the published image; else the test is skipped.
fn beside_what_is_published() -> Option<Installation> {
    let mail = Installation::new()?;
    if mail.engine.run(&["image", "inspect", PUBLISHED]).code != Some(0) {
        skip("no stand-in for the published image: `cargo xtask build-image --standin` makes it");
        return None;
    }
    Some(mail)
}

#[test]
fn a_published_image_is_run_untouched_with_berth_init_from_the_host_and_without_a_front() {
    let Some(mail) = beside_what_is_published() else { return };
    let init = init().display().to_string();
    let overlays = "sample,ferretdb,injected,no-front";
    mail.bring_up_from(PUBLISHED, &["--no-prove", "--overlay", overlays, "--init", &init, "--only", "mx"]);
    // Where the proxy finds the pages, as the owner of the installation says it.
    let port = mail.offset.number + 3000;
    let settings = mail.state("compose/.env");
    let text = fs_err::read_to_string(&settings).unwrap();
    fs_err::write(&settings, format!("{text}BERTH_PROXIED_WEB={port}\n")).unwrap();
    mail.done(&["up", "--detach", "--no-prove", "--init", &init, "--only", "mx,web"]);
    for role in ["mx", "web"] {
        assert_eq!(mail.becomes(role, "healthy")["Running"], true);
        let seen = mail.inspect(role);
        assert_eq!(seen["Config"]["Image"], PUBLISHED, "{role}");
        assert_eq!(seen["Config"]["Entrypoint"], json!(["/usr/local/bin/berth-init"]), "{role}");
        let mounts = seen["Mounts"].as_array().unwrap();
        let ours = mounts.iter().find(|mount| mount["Destination"] == "/usr/local/bin/berth-init").unwrap();
        assert_eq!((&ours["Source"], &ours["RW"]), (&json!(init), &json!(false)), "{role}");
        // Whose user it is says the image.
        let program = mail.main(role);
        assert_ne!(program.status("Uid").unwrap().split('\t').next(), Some("0"), "{role}");
        assert_eq!(program.status("CapEff").unwrap(), "0000000000000000", "{role}");
    }
    let bound = mail.inspect("web")["HostConfig"]["PortBindings"]["3000/tcp"].clone();
    assert_eq!(
        bound,
        json!([{ "HostIp": "127.0.0.1", "HostPort": port.to_string() }]),
        "for the proxy of this host"
    );
    assert_ne!(mail.engine.run(&["inspect", &mail.container("front")]).code, Some(0), "there is no front");
}

#[test]
fn a_derived_image_keeps_mail_as_the_user_of_the_published_one() {
    let Some(mail) = beside_what_is_published() else { return };
    let derived = mail.engine.name("derived");
    let made = derive(&mail.engine, &["--from", PUBLISHED, "--tag", &derived]);
    assert_eq!(made.code, Some(0), "{made:#?}");
    let words = ["--no-prove", "--overlay", "sample,ferretdb", "--only", "sqlite,imap,mx"];
    mail.bring_up_from(&derived, &words);
    for role in ["sqlite", "imap", "mx"] {
        let seen = mail.inspect(role);
        assert_eq!(seen["State"]["Health"]["Status"], "healthy", "{role}");
        assert_eq!(seen["Config"]["Image"], derived.as_str(), "{role}");
        assert_eq!(mail.main(role).status("Uid").unwrap().split('\t').next(), Some("999"), "{role}");
    }
    // The volume of the mailboxes is that user's to write, and what is written is read again.
    let user = mail.user("guest");
    let text = mail.engine.case.write("mail", "Subject: kept\r\n\r\nhello\r\n");
    let curl = |url: &str, words: &[&str]| {
        let mut curl = mail.engine.case.command("curl");
        Ran::run(curl.args(["--silent", "--show-error", "--insecure", "--max-time", "20", url]).args(words))
    };
    let mx = format!("smtp://127.0.0.1:{}", mail.published("mx"));
    let sent = ["--mail-from", "someone@outside.invalid", "--mail-rcpt", &user.address, "--upload-file"];
    let sent = curl(&mx, &[&sent[..], &[text.to_str().unwrap()]].concat());
    assert_eq!(sent.code, Some(0), "{sent:#?}");
    let inbox = format!("imaps://127.0.0.1:{}/INBOX;MAILINDEX=1", mail.published("imap"));
    wait_until_within(PATIENCE, "the mail is there", || {
        curl(&inbox, &["--user", &user.credentials()]).out.contains("Subject: kept").then_some(())
    });
}

#[test]
fn roles_use_stores_that_are_elsewhere() {
    let Some(mail) = Installation::new() else { return };
    let Some(stack) = stack() else { return };
    let words = ["--overlay", "sample,stores-elsewhere", "--only", "smtp,smtp-bree", "--no-prove"];
    let unnamed = Ran::run(&mut mail.up(&image(), &words));
    assert_eq!(unnamed.code, Some(78), "{unnamed:#?}");
    assert!(unnamed.err.contains("MONGO_URI") && unnamed.err.contains("settings.env"), "{}", unnamed.err);

    // The stores of another installation, on databases of their own.
    let uri = stack.secret("MONGO_URI");
    let (server, _) = uri.split_once("@mongodb:27017/").expect(&uri);
    let query = uri.split_once('?').map_or(String::new(), |(_, query)| format!("?{query}"));
    let mut settings: Vec<_> = ["MONGO_URI", "EMAILS_MONGO_URI", "LOGS_MONGO_URI", "JOURNALS_MONGO_URI"]
        .iter()
        .map(|name| format!("{name}={server}@documents.elsewhere:27017/elsewhere_{name}{query}\n"))
        .collect();
    settings.push(format!("REDIS_PASSWORD={}\n", stack.secret("REDIS_PASSWORD")));
    fs_err::create_dir_all(mail.state("compose")).unwrap();
    let file = mail.state("settings.env");
    let kept = fs_err::read_to_string(&file).unwrap_or_default();
    fs_err::write(&file, kept + &settings.concat()).unwrap();
    fs_err::write(mail.state("compose/.env"), "REDIS_HOST=keys.elsewhere\n").unwrap();
    let up = mail.up(&image(), &words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let up = up.unwrap();
    let network = format!("{}_outside", mail.project());
    let join = |service: &str, name: &str| {
        let words = ["network", "connect", "--alias", name, &network, &stack.container(service)];
        wait_until_within(PATIENCE, "the network is there", || {
            (stack.engine.run(&words).code == Some(0)).then_some(())
        });
    };
    join("ferretdb", "documents.elsewhere");
    join("redis", "keys.elsewhere");
    let ran = Ran::of(&up.wait_with_output().unwrap());
    for service in ["ferretdb", "redis"] {
        stack.engine.done(&["network", "disconnect", &network, &stack.container(service)]);
    }
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let left = mail.left();
    assert!(!left.iter().any(|left| left.contains("mongodb") || left.contains("redis")), "{left:?}");
    // Now that they are gone, each role that cannot do without them says so.
    let told = wait_until_within(PATIENCE, "smtp misses a store", || {
        let health = mail.exec("smtp", &["berth-init", "health"]);
        (health.code == Some(1)).then_some(health.out)
    });
    // The role's own greeting says it, or berth-init after it.
    assert!(told.contains("421 ") || told.contains("MONGO_URI"), "{told}");
}

#[test]
fn compose_builds_the_image_from_source() {
    let Some(mail) = Installation::new() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let app = root.join("docker/app");
    let built = format!("{}:1", mail.engine.name("built"));
    // Of the bases, what the tests have; nothing in the sample has to be compiled.
    let bases = format!("NODE_IMAGE={}\nBASE_IMAGE={}\nCOMPILE=no\n", base("node"), base("debian"));
    fs_err::create_dir_all(mail.state("compose")).unwrap();
    fs_err::write(mail.state("compose/.env"), bases).unwrap();
    let words =
        ["--overlay", "build,sample,ferretdb", "--app", app.to_str().unwrap(), "--no-prove", "--only", "mx"];
    Ran::done(mail.up(&built, &words).current_dir(root));
    assert_eq!(mail.becomes("mx", "healthy")["Running"], true);
    let seen = mail.inspect("mx");
    assert_eq!(seen["Config"]["Image"], built.as_str());
    assert_eq!(seen["Config"]["User"], "10001:10001");
    mail.done(&["down", "--volumes", "--yes"]);
    mail.engine.done(&["image", "rm", &built]);
}
