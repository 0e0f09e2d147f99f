//! The engine that `cargo xtask` starts where there is none: alone in namespaces of its own, so that it disturbs no
//! other, and everything that it changes on a host can be seen.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use berth_tests::{Case, Process, is_root, wait_until};

/// A host of its own: process ids, network, mounts, and an empty /run.
struct Host {
    case: Case,
    holder: Child,
    /// Its first process.
    first: Process,
    /// `.tools/docker` of the real clone.
    tools: PathBuf,
}

impl Host {
    /// Nothing where the machine has an engine of its own, for which nothing was installed.
    fn new() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let tools = root.join(".tools/docker");
        if !is_root() || !tools.join("installed").exists() {
            eprintln!("the machine's own engine is used: nothing to test");
            return None;
        }
        let case = Case::new();
        // A clone that has Docker's programs from the real one, and data of its own.
        fs_err::create_dir_all(case.path("clone/xtask")).unwrap();
        fs_err::create_dir_all(case.path("clone/.tools/docker")).unwrap();
        for part in ["installed", "root", "bin", "config"] {
            fs_err::os::unix::fs::symlink(tools.join(part), case.path("clone/.tools/docker").join(part))
                .unwrap();
        }
        let mut holder = case.command("unshare");
        holder.args(["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c"]);
        // With a first process that reaps.
        let script = "mount -t tmpfs tmpfs /run && ip link set lo up && exec $0 -- sleep infinity";
        let holder = holder
            .arg(script)
            .arg(tools.join("root/usr/bin/tini-static"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let parent = Process::of(&holder);
        let first = wait_until("the namespaces are there", || {
            let is_it =
                |child: &Process| child.words().first().is_some_and(|word| word.ends_with("tini-static"));
            parent.children().into_iter().find(is_it)
        });
        Some(Self { case, holder, first, tools })
    }

    /// A command on this host.
    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = self.case.command("nsenter");
        command.args(["--all", "--target", &self.first.0.to_string(), "--", program]).args(words);
        command.env("LD_LIBRARY_PATH", self.libraries());
        command.env("XTABLES_LIBDIR", self.libraries().join("xtables"));
        command.env("CARGO_MANIFEST_DIR", self.case.path("clone/xtask")).stdin(Stdio::null());
        command
    }

    fn libraries(&self) -> PathBuf {
        self.tools.join(format!("root/usr/lib/{}-linux-gnu", std::env::consts::ARCH))
    }

    fn done(&self, program: &str, words: &[&str]) -> String {
        let output = self.command(program, words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {words:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn xtask(&self, words: &[&str]) -> String {
        self.done(&xtask(), &[&["docker"], words].concat())
    }

    /// A run that uses the engine until it is ended: it pulls from a registry that does not answer.
    fn endless_run(&self) -> (Child, Process) {
        let silence = "import socket; s = socket.create_server(('127.0.0.1', 5000)); open('/run/listens', 'w'); \
            [s.accept() for _ in iter(int, 1)]";
        let silence = self.command("setsid", &["--fork", "python3", "-c", silence]).status().unwrap();
        assert!(silence.success());
        self.done("sh", &["-c", "until [ -e /run/listens ]; do sleep 0.01; done; rm /run/listens"]);
        self.bases(
            r#"[{"name": "a", "image": "127.0.0.1:5000/a:1", "digest": "unpinned", "for": "nothing"}]"#,
        );
        let run = self.command(&xtask(), &["bases"]).spawn().unwrap();
        let pull = self.case.process("docker", "pull");
        (run, Process(pull.status("PPid").unwrap().parse().unwrap()))
    }

    fn bases(&self, list: &str) {
        self.case.write("clone/docker/bases.json", list);
    }

    fn engine_runs(&self) -> bool {
        self.command("test", &["-S", "/run/berth-docker/docker.sock"]).status().unwrap().success()
    }

    fn docker(&self, words: &[&str]) -> String {
        self.xtask(&[&["--"], words].concat())
    }

    /// All that an engine may change on a host.
    fn state(&self) -> String {
        let script = "PATH=$1:$PATH
            for family in iptables ip6tables; do $family-save | grep -E '^(-A|:DOCKER)'; done
            ip -oneline address | sed 's/ valid_lft.*//'
            cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding /proc/self/mounts
            find /run
            ps -e -o comm= | grep -vE '^(ps|sh|grep)$'";
        self.done("sh", &["-c", script, "sh", self.tools.join("bin").to_str().unwrap()])
    }

    /// Waits until it has this state again: whoever ends an engine need not have seen the end of all that it ran.
    fn until_as_it_was(&self, before: &str) {
        wait_until("the host is as it was", || (self.state() == before).then_some(()));
    }

    /// A container with a published port on a network of its own, from an image that borrows the host's programs.
    fn run_a_container(&self) {
        self.case.write("image/etc/hostname", "");
        for name in ["bin", "lib", "lib64"] {
            fs_err::os::unix::fs::symlink(format!("usr/{name}"), self.case.path("image").join(name)).unwrap();
        }
        fs_err::create_dir_all(self.case.path("image/usr")).unwrap();
        let (archive, folder) = (self.case.path("image.tar"), self.case.path("image"));
        let (archive, folder) = (archive.to_str().unwrap(), folder.to_str().unwrap());
        self.done("tar", &["-c", "-f", archive, "-C", folder, "."]);
        self.docker(&["import", archive, "borrowed"]);
        self.docker(&["network", "create", "--ipv6", "outside"]);
        self.docker(&[
            "run",
            "--detach",
            "--network=outside",
            "--publish=127.0.0.1:8080:80",
            "--volume=/usr:/usr:ro",
            "borrowed",
            "sleep",
            "infinity",
        ]);
    }
}

fn xtask() -> String {
    let here = std::env::current_exe().unwrap();
    let there = here.ancestors().map(|folder| folder.join("xtask")).find(|path| path.is_file());
    there.expect("cargo xtask built itself").to_str().unwrap().to_owned()
}

impl Drop for Host {
    fn drop(&mut self) {
        // Everything in its process namespace ends with its first process.
        let _ = self.first.signal(nix::libc::SIGKILL);
        let _ = self.holder.wait();
    }
}

#[test]
fn an_engine_that_is_stopped_leaves_the_host_as_it_was() {
    let Some(host) = Host::new() else { return };
    let before = host.state();
    host.run_a_container();
    assert_ne!(host.state(), before);
    host.xtask(&["--stop"]);
    host.until_as_it_was(&before);
}

#[test]
fn what_a_killed_engine_leaves_is_cleared_up_and_its_images_are_still_there() {
    let Some(host) = Host::new() else { return };
    let before = host.state();
    host.run_a_container();
    let kill = "kill -KILL $(cat /run/berth-docker/pid)";
    host.done("sh", &["-c", kill]);
    // The next use starts it anew.
    assert!(host.docker(&["image", "ls"]).contains("borrowed"));
    assert_eq!(host.docker(&["ps", "--quiet"]), "");
    host.done("sh", &["-c", kill]);
    host.xtask(&["--stop"]);
    host.until_as_it_was(&before);
}

#[test]
fn what_an_engine_left_that_nobody_cleared_up_after_keeps_no_packet_from_the_next_one() {
    let Some(host) = Host::new() else { return };
    let iptables = |words: &str| {
        let script = format!("PATH=$1:$PATH; iptables {words}");
        host.done("sh", &["-c", &script, "sh", host.tools.join("bin").to_str().unwrap()])
    };
    iptables("-t raw -A PREROUTING -d 172.17.0.2/32 ! -i br-0123456789ab -j DROP");
    host.docker(&["image", "ls"]);
    let left = iptables("-t raw -S");
    assert!(!left.contains("br-0123456789ab"), "{left}");
}

#[test]
fn the_last_user_stops_the_engine_though_it_is_interrupted() {
    let Some(host) = Host::new() else { return };
    let before = host.state();
    let (mut run, user) = host.endless_run();
    host.bases("[]");
    host.done(&xtask(), &["bases"]);
    assert!(host.engine_runs(), "another one uses it");
    user.signal(nix::libc::SIGINT).unwrap();
    assert!(!run.wait().unwrap().success());
    assert!(!host.engine_runs());
    host.case.process("python3", "-c").signal(nix::libc::SIGTERM).unwrap();
    host.until_as_it_was(&before);
}

#[test]
fn an_engine_whose_user_was_killed_is_stopped_by_the_next_one() {
    let Some(host) = Host::new() else { return };
    let before = host.state();
    let (mut run, user) = host.endless_run();
    user.signal(nix::libc::SIGKILL).unwrap();
    run.wait().unwrap();
    assert!(host.engine_runs());
    host.bases("[]");
    host.done(&xtask(), &["bases"]);
    assert!(!host.engine_runs());
    host.case.process("python3", "-c").signal(nix::libc::SIGTERM).unwrap();
    host.until_as_it_was(&before);
}
