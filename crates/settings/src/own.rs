//! The settings of `berth-init` itself, for its manual and for those who mistype one.

/// A setting of `berth-init`, from the environment only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnSetting {
    /// Its name.
    pub key: &'static str,
    /// What counts when it is not given, in Markdown.
    pub default: &'static str,
    /// What it is for, in Markdown.
    pub meaning: &'static str,
}

const fn own(key: &'static str, default: &'static str, meaning: &'static str) -> OwnSetting {
    OwnSetting { key, default, meaning }
}

/// All settings of `berth-init`. A test of `berth-init` holds the names to those that it reads.
pub static OWN: &[OwnSetting] = &[
    own(
        "BERTH_APP_DIR",
        "`/app` if the role's entrypoint is there, else the current folder",
        "the application's folder",
    ),
    own("BERTH_NODE", "`node` on `PATH`", "the Node that runs roles"),
    own(
        "BERTH_CONTROL",
        "as PID 1, or as a child of PID 1 in a container, the abstract socket of the PID namespace; else none",
        "the path of the [control socket](berth-init.md#control-socket), for the one who listens and for the one who asks",
    ),
    own(
        "BERTH_RESTART",
        "`no`",
        "`no`: end with the program, and leave restarts to the container's engine. `on-failure`: start it again. `on-wedged`: \
         the same, and watch whether it lives. See [Restarts](berth-init.md#restarts). Roles and `--stop=role` only.",
    ),
    own(
        "BERTH_STOP_DELAY",
        "0",
        "from the moment that a role is no longer ready until its TERM, for load balancers to notice",
    ),
    own(
        "BERTH_QUIET",
        "the role's",
        "how long a role's TERM may wait for a [moment in which no client is connected](berth-init.md#quiet-moment); 0: it does \
         not wait. The grace keeps room for the drain: what is longer counts for as much as that leaves.",
    ),
    own(
        "BERTH_DRAIN",
        "the role's",
        "from TERM until the program's own children get TERM too. With `--stop=role` the option counts instead.",
    ),
    own(
        "BERTH_GRACE",
        "the role's",
        "from the end of `BERTH_STOP_DELAY` until KILL. With `--stop=role` the option counts instead.",
    ),
    own("BERTH_READY_WITHIN", "the role's", "how long a role may take from its start until it is ready"),
    own("BERTH_NEED_WITHIN", "300", "how long a role's needs may take to answer"),
    own(
        "BERTH_HEAP",
        "the role's share of the memory limit",
        "what V8's old space may take in each thread of a role, in MiB; 0 leaves it to V8. See [Heap](berth-init.md#heap).",
    ),
    own(
        "BERTH_USER",
        "none: it stays who it is",
        "started as root, whom `berth-init` becomes before it reads anything: a name, `uid`, `name:group` or `uid:gid`. See \
         [Privileges](berth-init.md#privileges).",
    ),
    own(
        "BERTH_LIVE_WITHIN",
        "60",
        "how long `health --live` waits for a sign of life, and so does `BERTH_RESTART=on-wedged`",
    ),
    own(
        "BERTH_LIVE_EVERY",
        "30",
        "with `BERTH_RESTART=on-wedged`: from a role being ready, and from each answer, until it is asked again whether it lives",
    ),
    own("BERTH_FORWARD_USR1", "`false`", "`true` passes USR1 on; see [Signals](berth-init.md#signals)"),
    own(
        "BERTH_LOG",
        "`info`",
        "which log lines: a level, or a list of `target=level`. What cannot be read counts as `info`.",
    ),
    own("BERTH_LOG_FORMAT", "`text` on a terminal, else `json`", "how log lines look"),
];
