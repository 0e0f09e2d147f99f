//! How much is done before the program is started, counted in system calls: what grows is seen.

use std::collections::BTreeMap;

use berth_tests::{Case, have};

use crate::running::{Init, Place, WITNESS};

/// So many of each, or fewer, and of any other none: as it is shipped, and as it is built for development, on two C libraries. In
/// Unix the same thing has many names, and they are counted as one.
type Bound = &'static [(&'static str, usize)];

/// What `--` does: it takes the signals, looks for the program, makes its loop and its control socket, and starts it.
const PLAIN: Bound = &[
    ("memory", 36),
    ("stat", 2),
    ("signals", 18),
    ("getpid", 4),
    ("poll", 1),
    ("random", 2),
    ("getcwd", 2),
    ("access", 1),
    ("open", 1),
    ("read", 3),
    ("close", 2),
    ("ioctl", 2),
    ("chdir", 1),
    ("limits", 2),
    ("epoll", 5),
    ("fcntl", 3),
    ("prctl", 1),
    ("wait4", 1),
    ("socket", 2),
    ("connect", 1),
    ("unlink", 1),
    ("bind", 1),
    ("listen", 1),
    ("socketpair", 1),
    ("fork", 1),
];

/// What a role does besides: it reads settings and its control group, makes Node's channel, and writes a line of its log. How often
/// it reads goes by how many mounts there are.
const ROLE: Bound = &[
    ("memory", 48),
    ("stat", 13),
    ("signals", 18),
    ("getpid", 4),
    ("poll", 2),
    ("random", 2),
    ("getcwd", 1),
    ("access", 1),
    ("open", 6),
    ("read", 32),
    ("close", 7),
    ("lseek", 2),
    ("ioctl", 3),
    ("chdir", 1),
    ("limits", 2),
    ("epoll", 6),
    ("fcntl", 9),
    ("prctl", 1),
    ("wait4", 1),
    ("write", 1),
    ("socket", 2),
    ("connect", 1),
    ("unlink", 1),
    ("bind", 1),
    ("listen", 1),
    ("socketpair", 2),
    ("fork", 1),
];

#[test]
fn a_program_is_started_after_few_system_calls() {
    let case = Case::new();
    is_within(&case, &Init::plain(&case, Place::Ordinary, &["exit=0"]), PLAIN);
}

#[test]
fn a_role_is_started_after_few_system_calls() {
    let case = Case::new();
    is_within(&case, &Init::role(&case, Place::Ordinary, "mx", "exit=0"), ROLE);
}

fn is_within(case: &Case, init: &Init, bound: Bound) {
    if !have(&["strace"]) {
        return;
    }
    let traced = case.path("trace");
    let mut command = case.command("strace");
    let init = init.command();
    command.arg("-o").arg(&traced).arg(init.get_program()).args(init.get_args()).env("WITNESS", WITNESS);
    let given = init.get_envs().filter_map(|(key, value)| Some((key, value?)));
    crate::running::run(command.envs(given));
    let trace = case.read("trace");
    let counted = counted(&trace).unwrap_or_else(|| panic!("not started, or not traced:\n{trace}"));
    let allowed =
        |name: &str| bound.iter().find(|(other, _)| *other == name).map_or(0, |(_, number)| *number);
    let grown: Vec<_> = counted
        .iter()
        .filter(|(name, number)| **number > allowed(name))
        .map(|(name, number)| format!("{name}: {number}, and not {}", allowed(name)))
        .collect();
    assert!(
        grown.is_empty(),
        "more is done before the program is started. If it has to be, raise the bound in {}:\n  {}\n{trace}",
        file!(),
        grown.join("\n  ")
    );
    let (sum, most): (usize, usize) = (counted.values().sum(), bound.iter().map(|(_, number)| number).sum());
    println!("{sum} system calls of at most {most}: {counted:?}");
}

/// The calls of a trace from the first that is ours to the one that makes the child. Before come those of whatever loads us.
fn counted(trace: &str) -> Option<BTreeMap<&str, usize>> {
    let calls: Vec<_> =
        trace.lines().filter_map(|line| line.split_once('(').map(|(name, _)| (name, line))).collect();
    let first = calls.iter().position(|(_, line)| line.starts_with("rt_sigaction(SIGPIPE, NULL"))?;
    let last = calls.iter().position(|(name, _)| kind(name) == "fork")?;
    let mut counted = BTreeMap::new();
    for (name, _) in calls.get(first..=last)? {
        *counted.entry(kind(name)).or_default() += 1;
    }
    Some(counted)
}

/// One name for what has many.
fn kind(name: &str) -> &str {
    match name {
        "mmap" | "munmap" | "mremap" | "mprotect" | "madvise" | "brk" => "memory",
        "stat" | "lstat" | "fstat" | "newfstatat" | "statx" => "stat",
        "openat" => "open",
        "faccessat" | "faccessat2" => "access",
        "readlinkat" => "readlink",
        "rt_sigaction" | "rt_sigprocmask" | "sigaltstack" | "signalfd4" | "gettid" => "signals",
        "ppoll" => "poll",
        "getrandom" => "random",
        "prlimit64" | "getrlimit" | "sched_getaffinity" => "limits",
        "epoll_create1" | "epoll_ctl" | "eventfd2" => "epoll",
        "clone" | "clone3" | "vfork" => "fork",
        other => other,
    }
}

#[test]
fn calls_are_counted_from_our_first_to_the_fork() {
    let trace = "mmap(1) = 0\nrt_sigaction(SIGPIPE, NULL, x) = 0\nmmap(2) = 0\nbrk(0) = 1\nclone(x) = 7\nread(3) = 1\n";
    let expected = BTreeMap::from([("signals", 1), ("memory", 2), ("fork", 1)]);
    assert_eq!(counted(trace), Some(expected));
    assert_eq!(counted("mmap(1) = 0\nexit_group(1) = ?\n"), None);
}
