//! Whom a program runs as, and what it may do: looked at in /proc, and tried.

use std::os::unix::fs::{PermissionsExt, chown};

use berth_tests::{Case, Process, is_root, skip, wait_until};
use nix::libc::{SIGHUP, SIGKILL};
use serde_json::Value;

use crate::running::{Init, Place, places, run, stderr, stdout};

/// A case whose folder anybody may enter and write; nothing where we are not root, who alone can become another user.
fn open_case() -> Option<Case> {
    if !is_root() {
        skip("only root becomes another user");
        return None;
    }
    let case = Case::new();
    std::fs::set_permissions(case.folder(), std::fs::Permissions::from_mode(0o777)).unwrap();
    Some(case)
}

/// Started as another user than root, with these capabilities.
fn as_user<'a>(init: Init<'a>, capabilities: &str) -> Init<'a> {
    let capabilities = [format!("--inh-caps={capabilities}"), format!("--ambient-caps={capabilities}")];
    let user = ["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups"];
    init.through(&[&user[..], &capabilities.each_ref().map(String::as_str)].concat())
}

/// A network of its own, where no port is taken and low ports are root's.
const ALONE: [&str; 2] = ["unshare", "-n"];

/// One line of a process's status each.
fn status<const N: usize>(process: Process, keys: [&str; N]) -> [String; N] {
    keys.map(|key| process.status(key).unwrap().replace('\t', " "))
}

const USER: [&str; 4] = ["Uid", "Gid", "Groups", "NoNewPrivs"];
const CAPABILITIES: [&str; 4] = ["CapInh", "CapPrm", "CapEff", "CapAmb"];
const NONE: &str = "0000000000000000";
const BIND_SERVICE: &str = "0000000000000400";

#[test]
fn root_becomes_the_user_and_so_does_the_init_itself() {
    for place in places() {
        let Some(case) = open_case() else { return };
        let init = Init::role(&case, place, "mx", "ready on=15:0 catch").set("BERTH_USER", "10001:10002");
        // In groups that it has to leave.
        let mut init = init.through(&["setpriv", "--groups=4,6"]).start();
        init.until_ready();
        for process in [init.pid, init.main()] {
            let expected = ["10001 10001 10001 10001", "10002 10002 10002 10002", "", "1"];
            assert_eq!(status(process, USER), expected);
        }
        // Permitted, without effect: for a program that may need it after a restart.
        assert_eq!(status(init.pid, CAPABILITIES), [NONE, BIND_SERVICE, NONE, NONE]);
        assert_eq!(status(init.main(), CAPABILITIES), [NONE; 4]);
        // It may still signal what it has started.
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn a_user_is_looked_up_by_name_with_its_groups_and_its_folder() {
    let passwd = fs_err::read_to_string("/etc/passwd").unwrap_or_default();
    let mail =
        passwd.lines().find(|line| line.starts_with("mail:")).map(|line| line.split(':').collect::<Vec<_>>());
    let (Some(mail), Some(case)) = (mail, open_case()) else { return };
    // A list of groups that it alone sees.
    let group =
        case.write("group", "mail:x:8:\nfirst:x:4001:mail\nother:x:4002:daemon\nlast:x:4003:daemon,mail\n");
    let listed = format!("mount --bind {} /etc/group && exec \"$@\"", group.display());
    let words = ["--", "sh", "-c", "id -u; id -g; echo $HOME; id -G"];
    let init = Init::new(&case, Place::Ordinary, &words).set("BERTH_USER", "mail");
    let output = init.through(&["unshare", "--mount", "sh", "-c", &listed, "-"]).output();
    let expected = format!("{uid}\n{gid}\n{}\n{gid} 4001 4003\n", mail[5], uid = mail[2], gid = mail[3]);
    assert_eq!(stdout(&output), expected, "{}", stderr(&output));
}

#[test]
fn whoever_is_no_user_is_named_and_nothing_is_started() {
    let Some(case) = open_case() else { return };
    for (user, told) in
        [("no-such-user", "no-such-user"), ("4711", "its group"), ("0:no-such-group", "no-such-group")]
    {
        let output =
            Init::new(&case, Place::Ordinary, &["--", "echo", "started"]).set("BERTH_USER", user).output();
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(78), ""), "{user}");
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    }
}

/// An image that names a user may be started as another one: then the engine has had its say.
#[test]
fn whoever_is_not_root_stays_who_he_is() {
    let Some(case) = open_case() else { return };
    let init = Init::new(&case, Place::Ordinary, &["--", "id", "-u"]).set("BERTH_USER", "4711:4711");
    assert_eq!(stdout(&as_user(init, "-all").output()), "10001\n");
}

/// Listens on port 25 and says so.
const LISTEN: &str = "exec python3 -c 'import socket; socket.create_server((\"\", 25)); print(\"listens\")'";

#[test]
fn only_a_role_with_a_low_port_is_handed_the_capability_to_listen_there() {
    for place in places() {
        let Some(case) = open_case() else { return };
        let low = |port: &str, script: &str| {
            let init = Init::script(&case, place, "mx", script).set("MX_PORT", port);
            init.set("BERTH_USER", "10001:10001").through(&ALONE)
        };
        let output = low("25", LISTEN).output();
        assert_eq!(stdout(&output), "listens\n", "{}", stderr(&output));
        let output = low("2525", LISTEN).output();
        assert_eq!(stdout(&output), "", "{}", stderr(&output));

        let script = "exec $WITNESS name=main ready on=15:0 catch";
        let mut init = low("25", script).start();
        // Not asked over its socket, whose name belongs to that network.
        init.until_said("main catching");
        assert_eq!(status(init.main(), CAPABILITIES), [BIND_SERVICE; 4]);
        assert_eq!(status(init.pid, CAPABILITIES), [NONE, BIND_SERVICE, NONE, NONE]);
        // Nor is it lost with the first program.
        init.signal(SIGHUP);
        init.until_said_times("main catching", 2);
        assert_eq!(status(init.main(), CAPABILITIES), [BIND_SERVICE; 4]);
        assert_eq!(init.stop(), 0);
    }
}

/// The kernel forgets a parent-death signal when credentials change (PR_SET_PDEATHSIG(2const)).
#[test]
fn an_init_that_has_left_root_and_is_killed_leaves_no_program_behind() {
    let Some(case) = open_case() else { return };
    let init =
        Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").set("BERTH_USER", "10001:10002");
    // With the capability, which is one more change.
    let init = init.set("MX_PORT", "25");
    let mut init = init.start();
    init.until_ready();
    let main = init.main();
    init.signal(SIGKILL);
    assert_eq!(init.end(), -SIGKILL);
    wait_until("the program has ended", || (!main.lives()).then_some(()));
}

#[test]
fn a_port_where_the_user_may_not_listen_is_told_before_the_program_is_started() {
    let Some(case) = open_case() else { return };
    let script = |capabilities: &str| {
        // The network first: making one takes root.
        let init = Init::script(&case, Place::Ordinary, "mx", LISTEN).set("MX_PORT", "25");
        as_user(init, capabilities).before(&ALONE)
    };
    let output = script("-all").output();
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(78), ""));
    let told = stderr(&output);
    assert!(told.contains("MX_PORT") && told.contains("port 25 is below 1024"), "{told}");
    assert!(told.contains("uid 10001 may not listen there"), "{told}");

    let check = script("-all").words(&["check", "mx", "--json"]);
    let check = serde_json::from_str::<Value>(&stdout(&run(&mut check.command()))).unwrap();
    let findings = check["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|finding| finding["key"] == "MX_PORT" && finding["severity"] == "refused"),
        "{check}"
    );

    // With the capability it may, whoever gave it.
    let output = script("+net_bind_service").output();
    assert_eq!(stdout(&output), "listens\n", "{}", stderr(&output));
}

/// `setcap cap_net_bind_service=ep`, which is not everywhere: struct vfs_cap_data (linux/capability.h).
const SETCAP: &str = "import os, struct, sys; \
                      os.setxattr(sys.argv[1], 'security.capability', struct.pack('<5I', 0x2000001, 0x400, 0, 0, 0))";

#[test]
fn a_node_that_brings_the_capability_itself_is_not_refused() {
    let Some(case) = open_case() else { return };
    let node = case.path("node");
    // Not by us, or what other tests start meanwhile would have it open for writing (ETXTBSY, execve(2)).
    assert!(run(case.command("cp").arg("/bin/bash").arg(&node)).status.success());
    let node_text = node.to_str().unwrap();
    assert!(run(case.command("python3").args(["-c", SETCAP, node_text])).status.success());
    let init = |node: &str| {
        let init = Init::script(&case, Place::Ordinary, "mx", "echo started").set("MX_PORT", "25");
        as_user(init.set("BERTH_NODE", node), "-all").before(&ALONE).output()
    };
    assert_eq!(stdout(&init(node_text)), "started\n");
    assert_eq!(init("/bin/bash").status.code(), Some(78));
}

#[test]
fn a_folder_that_the_user_may_not_write_is_told_before_the_program_is_started() {
    let Some(case) = open_case() else { return };
    let data = case.path("data");
    fs_err::create_dir_all(data.join("mailboxes")).unwrap();
    let init = || {
        let init = Init::role(&case, Place::Ordinary, "sqlite", "exit=0").set("BERTH_USER", "10001:10001");
        let init = init.set("NODE_ENV", "production").set("POSTBOX_STATE", &data);
        init.set("SQLITE_STORAGE_PATH", "mailboxes").output()
    };
    let output = init();
    assert_eq!(output.status.code(), Some(78));
    let told = stderr(&output);
    let whose =
        "mailboxes cannot be written: Permission denied: owner uid 0, mode 0755, and we are uid 10001";
    assert!(told.contains("SQLITE_STORAGE_PATH") && told.contains(whose), "{told}");
    chown(data.join("mailboxes"), Some(10001), None).unwrap();
    let output = init();
    assert!(!stderr(&output).contains("cannot be written"), "{}", stderr(&output));
}

#[test]
fn a_key_that_the_user_may_not_read_is_told_though_root_could() {
    let Some(case) = open_case() else { return };
    let key = case.write("app/dkim.key", "no key, but that is found out later");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let init = Init::role(&case, Place::Ordinary, "mx", "exit=0").set("BERTH_USER", "10001:10001");
    let output = init.set("DKIM_PRIVATE_KEY_PATH", "dkim.key").output();
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("may not be read: owner uid 0, mode 0600, and we are uid 10001"));
}

#[test]
fn a_role_may_open_as_many_files_as_it_could_allow_itself() {
    let case = Case::new();
    let few = ["prlimit", "--nofile=256:1024"];
    let output = Init::script(&case, Place::Ordinary, "mx", "ulimit -Sn; ulimit -Hn").through(&few).output();
    assert_eq!(stdout(&output), "1024\n1024\n");
    // As under tini.
    let plain = Init::new(&case, Place::Ordinary, &["--", "sh", "-c", "ulimit -Sn"]).through(&few).output();
    assert_eq!(stdout(&plain), "256\n");
}
