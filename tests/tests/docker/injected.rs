//! The published image as it is, with berth-init from the host, behind somebody else's proxy.

use berth_tests::{init, skip};
use serde_json::json;

use crate::image::PUBLISHED;
use crate::installation::Installation;

#[test]
fn a_published_image_is_run_untouched_with_berth_init_from_the_host_and_without_a_front() {
    let Some(mail) = Installation::new() else { return };
    if mail.engine.run(&["image", "inspect", PUBLISHED]).code != Some(0) {
        skip("no stand-in for the published image: `cargo xtask build-image --standin` makes it");
        return;
    }
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
