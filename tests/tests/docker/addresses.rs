//! Whose address the roles see when a client comes from another host, over IPv4 and IPv6.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Child, Command, Stdio};

use berth_tests::{Case, Ran, Served, have, is_root, skip, wait_until};
use serde_json::{Value, json};

use crate::installation::Installation;

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docker/addresses.py");

/// Gives this host (`$2`, `$4`) and the other (`$3`, `$5`), whose network namespace is of the process `$1`, a cable
/// between them.
const CABLE: &str = "set -e
ip link delete \"$0\" 2>/dev/null || true
ip link add \"$0\" type veth peer name cable netns \"$1\"
ip address add \"$2\"/30 dev \"$0\"
ip address add \"$4\"/64 dev \"$0\" nodad
ip link set \"$0\" up
other=$1
there() { nsenter --net --target \"$other\" ip \"$@\"; }
there address add \"$3\"/30 dev cable
there address add \"$5\"/64 dev cable nodad
there link set cable up";

/// Another host, beside this one: none of the engine's networks, whose clients the engine would stand in for.
struct Elsewhere {
    holder: Child,
    /// For each version of IP the address of this host and of the other.
    addresses: [[String; 2]; 2],
}

impl Elsewhere {
    /// Addresses and names are those of an offset, which no other test has.
    fn new(case: &Case, offset: u16) -> Self {
        let holder = case.command("unshare").args(["--net", "sleep", "infinity"]).spawn().unwrap();
        let [high, low] = offset.to_be_bytes();
        let addresses = [
            [1, 2].map(|host| format!("10.213.{high}.{}", (low & !3) + host)),
            [1, 2].map(|host| format!("fd00:be:{offset:x}:1::{host}")),
        ];
        let elsewhere = Self { holder, addresses };
        let network = |process: &str| fs_err::read_link(format!("/proc/{process}/ns/net")).unwrap();
        let pid = elsewhere.holder.id().to_string();
        wait_until("it has a network of its own", || (network(&pid) != network("self")).then_some(()));
        let mut cable = case.command("sh");
        cable.args(["-c", CABLE, &format!("berth{offset}"), &pid]);
        Ran::done(cable.args(elsewhere.addresses.as_flattened()));
        elsewhere
    }

    /// A command on that host.
    fn command(&self, case: &Case, program: &str) -> Command {
        let mut command = case.command("nsenter");
        command.args(["--net", "--target", &self.holder.id().to_string(), "--", program]);
        command
    }
}

impl Drop for Elsewhere {
    /// The cable goes with the network that one of its ends is in.
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// The clients whose wrong passwords are in a role's log; of IPv6 their network.
fn guessers(mail: &Installation, role: &str) -> BTreeSet<String> {
    let log = mail.engine.run(&["logs", &mail.container(role)]);
    let events = log.err.lines().chain(log.out.lines()).filter_map(|line| serde_json::from_str(line).ok());
    let failed = events.filter(|event: &Value| event["message"] == "login failed");
    failed.map(|event| event["client"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn roles_see_the_address_of_a_client_from_another_host_over_ipv4_and_ipv6() {
    if !is_root() {
        skip("another host is a network namespace, which wants root");
        return;
    }
    if !have(&["ip", "unshare", "nsenter", "python3"]) {
        return;
    }
    let Some(mail) = Installation::new() else { return };
    let elsewhere = Elsewhere::new(mail.case(), mail.offset.number);
    let mut user = None;
    for (number, [here, there]) in elsewhere.addresses.iter().enumerate() {
        // At this end of the cable alone, where nobody else can come from.
        let words = ["--overlay", "sample,ferretdb", "--listen", here, "--no-prove"];
        mail.bring_up(&[&words[..], &["--only", "sqlite,mx,smtp,imap,pop3,api,caldav"]].concat());
        let user = user.get_or_insert_with(|| mail.user("guest"));
        let ports = ["mx", "smtp", "imap", "pop3", "https"];
        let ports = ports.map(|name| (name.to_owned(), json!(mail.published(name))));
        let plan = json!({
            "host": here, "user": user.address, "password": user.password,
            "ports": serde_json::Map::from_iter(ports), "mails": number + 1,
        });
        let mut client = elsewhere.command(mail.case(), "python3");
        client.arg(CLIENT).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = client.spawn().unwrap();
        writeln!(client.stdin.take().unwrap(), "{plan}").unwrap();
        let ran = Ran::of(&client.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{ran:#?}");

        let received: Vec<String> = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(received.len(), number + 1, "{received:#?}");
        assert!(received[number].contains(&format!("([{there}])")), "{there}: {received:#?}");
        let named =
            there.strip_suffix("::2").map_or_else(|| there.clone(), |network| format!("{network}::/64"));
        for role in ["smtp", "imap", "pop3", "api", "caldav"] {
            wait_until(&format!("{named} in the log of {role}"), || {
                guessers(&mail, role).contains(&named).then_some(())
            });
        }
    }
}
