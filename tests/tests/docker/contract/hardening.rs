//! What a container may do, as the engine says and as it finds itself.

use std::collections::BTreeSet;

use berth_tests::Process;
use serde_json::{Value, json};

use crate::image::SAMPLE;
use crate::installation::{Installation, ROLES, image};
use crate::stack::stack;

/// Where roles may write besides /tmp.
const KEEPERS: [&str; 2] = ["sqlite", "sqlite-bree"];

/// The user and the group of a process, which are nobody's who may do more: real, effective, saved, and for files.
fn unprivileged(process: Process) -> [String; 2] {
    ["Uid", "Gid"].map(|key| {
        let ids = process.status(key).unwrap();
        let (first, rest) = ids.split_once('\t').unwrap();
        assert!(first != "0" && rest.split('\t').all(|id| id == first), "{:?}: {key} {ids}", process.words());
        first.to_owned()
    })
}

/// The paths that a container has mounted, which of them for writing.
fn mounts(seen: &Value) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let all = seen["Mounts"].as_array().unwrap();
    let paths = |writable: bool| {
        let these = all.iter().filter(move |mount| mount["RW"] == writable);
        these.map(|mount| mount["Destination"].as_str().unwrap()).collect()
    };
    (paths(false), paths(true))
}

#[test]
fn the_engine_gives_every_container_the_least_that_it_needs() {
    let Some(stack) = stack() else { return };
    for service in &stack.services() {
        let service = service.as_str();
        let seen = stack.inspect(service);
        let (host, config) = (&seen["HostConfig"], &seen["Config"]);
        assert_eq!(host["ReadonlyRootfs"], true, "{service}");
        assert_eq!(host["Privileged"], false, "{service}");
        assert_eq!(host["CapDrop"], json!(["ALL"]), "{service}");
        assert!(host["CapAdd"].as_array().is_none_or(Vec::is_empty), "{service}: {}", host["CapAdd"]);
        assert_eq!(host["SecurityOpt"], json!(["no-new-privileges=true"]), "{service}");
        assert_eq!(host["PidsLimit"], 512, "{service}");
        assert!(host["Memory"].as_u64().unwrap() > 0, "{service} has a limit");
        assert_eq!(host["RestartPolicy"]["Name"], "unless-stopped", "{service}");
        assert_eq!(host["LogConfig"]["Type"], "json-file", "{service}");
        assert_eq!(host["LogConfig"]["Config"], json!({"max-size": "10m", "max-file": "5"}), "{service}");
        assert_eq!(host["Ulimits"].as_array().unwrap().len(), 1, "{service}: {}", host["Ulimits"]);
        unprivileged(stack.init(service));
        let (read, written) = mounts(&seen);
        assert!(!read.iter().chain(&written).any(|path| path.contains("docker.sock")), "{service}");
        // What they start themselves is reaped: where berth-init is not PID 1, the engine's init is.
        let is_role = ROLES.contains(&service);
        let store = !is_role && service != "front";
        assert_eq!(host["Init"] == true, store, "{service}: {}", host["Init"]);
        if !is_role {
            continue;
        }
        // What sends mail is called as its address is (RFC 1912 2.1); and nobody as the web server, whose name roles ask for.
        let hostname = config["Hostname"].as_str().unwrap();
        let named = if ["mx", "smtp-bree", "bree"].contains(&service) { "mx" } else { service };
        assert_eq!(hostname, format!("{named}.example.test"), "{service}");
        let grace = match service {
            "sqlite" => 80,
            "bree" => 65,
            _ => 20,
        };
        assert_eq!(config["StopTimeout"], grace, "{service}");
        let others: Vec<_> = read.iter().filter(|path| !path.starts_with("/run/secrets/")).collect();
        assert_eq!(others, [&"/certificates"], "{service}");
        let volumes: &[&str] = if KEEPERS.contains(&service) { &["/mnt"] } else { &[] };
        assert_eq!(written.into_iter().collect::<Vec<_>>(), volumes, "{service}");
        let tmpfs = host["Tmpfs"].as_object().unwrap();
        assert_eq!(tmpfs.keys().collect::<Vec<_>>(), ["/tmp"], "{service}");
    }
}

/// Whoever may ask the engine may read all; but a secret is to be in no list of processes and no `docker inspect`.
#[test]
fn no_secret_is_in_what_the_engine_tells_of_a_container() {
    let Some(stack) = stack() else { return };
    let folder = fs_err::read_dir(stack.state("compose/secrets")).unwrap();
    let secrets: Vec<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(secrets.len() > 8, "{secrets:?}");
    for service in stack.services() {
        let seen = stack.inspect(&service).to_string();
        let processes = stack.engine.done(&["top", &stack.container(&service), "-eo", "pid,args"]);
        for secret in &secrets {
            let value = stack.secret(secret);
            let value = value.trim();
            assert!(!seen.contains(value) && !processes.contains(value), "{service} shows {secret}");
        }
    }
}

/// A line of /proc/self/status as the container's own shell reads it.
fn inside(stack: &Installation, role: &str, script: &str) -> String {
    let ran = stack.exec(role, &["sh", "-c", script]);
    assert_eq!(ran.code, Some(0), "{role}: {ran:#?}");
    ran.out
}

#[test]
fn a_role_finds_itself_without_rights_and_writes_only_where_it_may() {
    let Some(stack) = stack() else { return };
    let none = "0000000000000000";
    for role in stack.roles() {
        // Of PID 1, of the application, and of what a shell in the container gets.
        let ours = image() == SAMPLE;
        let own = unprivileged(stack.init(role));
        assert_eq!(unprivileged(stack.main(role)), own, "{role}");
        assert!(!ours || own == ["10001", "10001"], "{role}: {own:?}");
        for process in [stack.init(role), stack.main(role)] {
            let line = |key| process.status(key).unwrap();
            for key in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                assert_eq!(line(key), none, "{role}: {key} of {:?}", process.words());
            }
            assert_eq!(line("NoNewPrivs"), "1", "{role}");
            assert_eq!(line("Seccomp"), "2", "{role}: the engine's filter");
        }
        let script =
            "grep -E '^(CapEff|CapBnd|NoNewPrivs):' /proc/self/status | tr -s '\\t' ' '; id -u; id -g
            for file in /a /app/a /usr/local/bin/a /etc/a /certificates/a /run/secrets/a; do
                touch $file 2>/dev/null && echo wrote $file; done
            touch /tmp/.a && rm /tmp/.a && echo wrote /tmp
            for folder in /mnt /mnt/sqlite_storage; do
                touch $folder/.a 2>/dev/null && rm $folder/.a && echo wrote mailboxes && break; done
            cp /bin/true /tmp/.a && /tmp/.a 2>/dev/null && echo ran /tmp/.a; rm /tmp/.a
            true";
        let seen = inside(&stack, role, script);
        let [user, group] = own;
        let mut expected =
            format!("NoNewPrivs: 1\nCapEff: {none}\nCapBnd: {none}\n{user}\n{group}\nwrote /tmp\n");
        if KEEPERS.contains(&role) {
            expected += "wrote mailboxes\n";
        }
        let sorted = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(sorted(&seen), sorted(&expected), "{role}");
        // What others have published may have some, which the engine takes the effect from.
        if ours {
            assert_eq!(
                inside(&stack, role, "find / -xdev -perm /6000 -type f 2>/dev/null; true"),
                "",
                "{role}"
            );
        }
    }
}

#[test]
fn a_role_sees_no_more_memory_than_its_limit_and_its_files_are_private() {
    let Some(stack) = stack() else { return };
    for role in stack.roles() {
        let limit = stack.inspect(role)["HostConfig"]["Memory"].as_u64().unwrap();
        let script =
            "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes";
        assert_eq!(inside(&stack, role, script).trim(), limit.to_string(), "{role}");
    }
    let mode = |path: &str| {
        let metadata = fs_err::metadata(stack.state(path)).unwrap();
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777
    };
    assert_eq!((mode("compose/secrets"), mode("compose/secrets/REDIS_PASSWORD")), (0o700, 0o444));
}
