//! What can be reached from elsewhere, in the form of the service that keeps no mailboxes.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::installation::{Installation, ROLES, STORES, image};
use crate::stack::stack;

/// The services of `forward-only`.
const SERVICES: [&str; 10] =
    ["postgresql", "ferretdb", "redis", "web", "api", "smtp", "mx", "smtp-bree", "bree", "front"];

/// What anything in a container of the service may listen on.
const INSIDE: [u16; 14] = [25, 80, 443, 2465, 2525, 2993, 2995, 3000, 4000, 5000, 6000, 6379, 8080, 8443];

/// Of stores and of sqlite.
const PRIVATE: [u16; 5] = [3456, 5432, 6379, 8081, 27017];

/// Tries to connect to each `HOST:PORT` of its arguments, and prints those that answer.
const TRY: &str = "const { connect } = require('node:net');
for (const door of process.argv.slice(1)) {
  const [host, port] = door.split(':');
  const socket = connect({ host, port: Number(port), timeout: 3000 });
  socket.on('connect', () => { console.log(door); socket.destroy(); });
  socket.on('timeout', () => socket.destroy());
  socket.on('error', () => {});
}";

/// Talks to the stores as somebody without a password: the first answer of each.
const WITHOUT_PASSWORD: &str = "const { connect } = require('node:net');
const ask = (host, port, bytes) => new Promise((resolve, reject) => {
  const socket = connect({ host, port }, () => socket.write(bytes));
  socket.on('data', (data) => { socket.destroy(); resolve(data.toString('latin1')); });
  socket.on('error', reject);
});
const startup = Buffer.from('\\0\\0\\0\\0\\0\\x03\\0\\0user\\0berth\\0database\\0postgres\\0\\0', 'latin1');
startup.writeInt32BE(startup.length);
(async () => {
  console.log('redis ' + (await ask('redis', 6379, 'KEYS *\\r\\n')).trim());
  const postgres = await ask('postgresql', 5432, startup);
  console.log('postgresql ' + postgres[0] + postgres.includes('SCRAM-SHA-256'));
  const { MongoClient } = await import('mongodb');
  const client = new MongoClient('mongodb://mongodb:27017', { serverSelectionTimeoutMS: 5000 });
  try { await client.db('mail').collection('users').findOne(); console.log('mongodb answered'); }
  catch (error) { console.log('mongodb ' + error.message); }
  await client.close();
})();";

/// What could be connected to in the containers of these services, past what is published.
fn inside(mail: &Installation, services: &[&str]) -> Vec<String> {
    let mut doors = Vec::new();
    for service in services {
        let seen = mail.inspect(service);
        for network in seen["NetworkSettings"]["Networks"].as_object().unwrap().values() {
            let address = network["IPAddress"].as_str().unwrap();
            doors.extend(INSIDE.iter().chain(&PRIVATE).map(|port| format!("{address}:{port}")));
        }
    }
    doors
}

/// Which of these answer somebody in a container on a network that is none of the service's.
fn answer(installation: &Installation, doors: &[String]) -> BTreeSet<String> {
    let engine = &installation.engine;
    let (network, label) = (engine.name("elsewhere"), engine.label());
    engine.done(&["network", "create", "--label", &label, &network]);
    let image = image();
    let network = format!("--network={network}");
    let words = ["run", "--rm", "--label", &label, &network, "--entrypoint=node", &image, "-e", TRY];
    let doors: Vec<&str> = doors.iter().map(String::as_str).collect();
    engine.done(&[&words[..], &doors].concat()).lines().map(str::to_owned).collect()
}

#[test]
fn from_another_network_only_published_ports_answer_and_stores_want_a_password() {
    let Some(mail) = Installation::new() else { return };
    let bridge: Value = mail.engine.inspect("bridge");
    let host = bridge["IPAM"]["Config"][0]["Gateway"].as_str().unwrap();
    mail.bring_up(&["--no-prove", "--overlay", "sample,ferretdb,forward-only", "--listen", host]);
    let runs = mail.engine.done(&[
        "ps",
        "--filter",
        &format!("label=com.docker.compose.project={}", mail.project()),
        "--format",
        "{{.Label \"com.docker.compose.service\"}} {{.Status}}",
    ]);
    let healthy: BTreeSet<_> = runs
        .lines()
        .filter(|line| line.contains("(healthy)"))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(healthy, BTreeSet::from(SERVICES), "{runs}");

    let published: BTreeSet<String> = ["smtp", "mx", "http", "https"]
        .iter()
        .map(|name| format!("{host}:{}", mail.published(name)))
        .collect();
    let mut doors: Vec<String> = published.iter().cloned().collect();
    doors.extend(["imap", "pop3"].map(|name| format!("{host}:{}", mail.published(name))));
    doors.extend(inside(&mail, &SERVICES));
    assert_eq!(answer(&mail, &doors), published);

    let said = mail.exec("web", &["node", "-e", WITHOUT_PASSWORD]);
    let lines: Vec<_> = said.out.lines().collect();
    assert!(lines.len() == 3, "{said:#?}");
    assert!(lines[0].starts_with("redis -NOAUTH"), "{}", lines[0]);
    assert_eq!(lines[1], "postgresql Rtrue", "it asks for a password");
    assert!(lines[2].to_lowercase().contains("auth"), "{}", lines[2]);
}

#[test]
fn from_another_network_no_role_and_no_store_is_reached_in_its_container() {
    let Some(stack) = stack() else { return };
    let services = [&STORES[..], &ROLES, &["front"]].concat();
    let doors = inside(&stack, &services);
    assert!(doors.len() > services.len() * PRIVATE.len(), "{doors:?}");
    // As from the inside, where the same words find it.
    let found = stack.exec("web", &["node", "-e", TRY, "sqlite:3456"]);
    assert_eq!(found.out, "sqlite:3456\n");
    assert_eq!(answer(&stack, &doors), BTreeSet::new());
}
