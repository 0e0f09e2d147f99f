//! The settings of `berth-init` itself, for its manual and for those who mistype one, and the times that are the same for
//! every role.

use std::fmt;
use std::time::Duration;

/// A need that does not answer for this long is not coming: an operator has to look.
pub const NEED_WITHIN: Duration = Duration::from_mins(5);

/// A role whose event loop is busy this long, say with a large mailbox, still lives.
pub const LIVE_WITHIN: Duration = Duration::from_mins(1);

/// Half of what [`LIVE_WITHIN`] is: less often finds little later what takes so long to find, more often is work.
pub const LIVE_EVERY: Duration = Duration::from_secs(30);

/// A setting of `berth-init`, from the environment only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnSetting {
    /// Its name.
    pub key: &'static str,
    /// What counts when it is not given.
    pub default: Unset,
    /// What it is for, in Markdown.
    pub meaning: &'static str,
}

/// What counts when a setting is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// In Markdown.
    Told(&'static str),
    /// In seconds, as such settings are.
    Time(Duration),
}

impl fmt::Display for Unset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(text) => f.write_str(text),
            Self::Time(time) => write!(f, "{}", time.as_secs()),
        }
    }
}

const fn own(key: &'static str, default: &'static str, meaning: &'static str) -> OwnSetting {
    OwnSetting { key, default: Unset::Told(default), meaning }
}

const fn time(key: &'static str, default: Duration, meaning: &'static str) -> OwnSetting {
    OwnSetting { key, default: Unset::Time(default), meaning }
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
    time(
        "BERTH_STOP_DELAY",
        Duration::ZERO,
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
    time("BERTH_NEED_WITHIN", NEED_WITHIN, "how long a role's needs may take to answer"),
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
    time(
        "BERTH_LIVE_WITHIN",
        LIVE_WITHIN,
        "how long `health --live` waits for a sign of life, and so does `BERTH_RESTART=on-wedged`",
    ),
    time(
        "BERTH_LIVE_EVERY",
        LIVE_EVERY,
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
