//! An init under test: ours or another, where it runs, and as whom.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Mutex, OnceLock};

use berth_tests::{Case, at_exit, init, peers};
use tempfile::TempDir;

use crate::running::{Init, Place, WITNESS};

/// The inits, in the order of the table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// `berth-init --`
    Plain,
    /// `berth-init --stop=role --`
    Role,
    Tini,
    TiniGroup,
    DumbInit,
    DumbInitChild,
    Catatonit,
    /// No init: the program itself.
    Bare,
}

impl Column {
    pub const ALL: [Self; 8] = [
        Self::Plain,
        Self::Role,
        Self::Tini,
        Self::TiniGroup,
        Self::DumbInit,
        Self::DumbInitChild,
        Self::Catatonit,
        Self::Bare,
    ];

    /// Ours.
    pub const OURS: [Self; 2] = [Self::Plain, Self::Role];

    /// What heads the column.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Plain => "`berth-init --`",
            Self::Role => "`berth-init --stop=role`",
            Self::Tini => "`tini`",
            Self::TiniGroup => "`tini -g`",
            Self::DumbInit => "`dumb-init`",
            Self::DumbInitChild => "`dumb-init -c`",
            Self::Catatonit => "`catatonit`",
            Self::Bare => "no init",
        }
    }

    /// What it says when it is asked with an option. Each is a process of a namespace of its own, lest it take that for a program.
    pub fn asked(self, case: &Case, option: &str) -> Output {
        let file = self.file().expect("somebody who can be asked");
        Init::of(case, Place::First, file, &[option]).output()
    }

    fn file(self) -> Option<PathBuf> {
        let peer = |name: &str| {
            let folder = peers().expect("who asks for a peer has looked whether it is there");
            Some(folder.join("usr/bin").join(name))
        };
        match self {
            Self::Plain | Self::Role => Some(shared().join("berth-init")),
            Self::Tini | Self::TiniGroup => peer("tini"),
            Self::DumbInit | Self::DumbInitChild => peer("dumb-init"),
            Self::Catatonit => peer("catatonit"),
            Self::Bare => None,
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Role => &["--stop=role"],
            Self::TiniGroup => &["-g"],
            Self::DumbInitChild => &["-c"],
            _ => &[],
        }
    }
}

/// Who runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// Whoever runs the tests.
    Same,
    /// One that owns nothing: 10001, as in the image.
    Other,
}

/// An init, where it runs, and as whom.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    pub column: Column,
    pub place: Place,
    pub user: User,
}

impl Trial {
    /// A folder that the init's user can write.
    pub fn case(self) -> Case {
        let case = Case::new();
        if self.user == User::Other {
            std::os::unix::fs::chown(case.folder(), Some(10001), Some(10001)).unwrap();
        }
        case
    }

    /// The init over a program.
    pub fn over<'a>(self, case: &'a Case, program: &[&str]) -> Init<'a> {
        self.with(case, &[], program)
    }

    /// The init over a witness.
    pub fn witness<'a>(self, case: &'a Case, words: &[&str]) -> Init<'a> {
        self.over(case, &[&[witness()], words].concat())
    }

    /// The init over a script of bash, to which a witness is `$WITNESS`.
    pub fn script<'a>(self, case: &'a Case, script: &str) -> Init<'a> {
        self.over(case, &["bash", "-c", script]).set("WITNESS", witness())
    }

    /// The same, where a stop leaves little time.
    pub fn hurried_script<'a>(self, case: &'a Case, script: &str) -> Init<'a> {
        let times: &[&str] =
            if self.column == Column::Role { &["--drain", "0.2", "--grace", "1"] } else { &[] };
        self.with(case, times, &["bash", "-c", script]).set("WITNESS", witness())
    }

    /// The init over a program, below a shell with a script of its own, in which `"$@"` is the init. The shell is PID 1 where we
    /// may make a namespace.
    pub fn below<'a>(self, case: &'a Case, shell: &str, program: &[&str]) -> Init<'a> {
        let place = if berth_tests::is_root() { Place::First } else { Place::Ordinary };
        let init = Self { place, ..self }.over(case, program);
        init.through(&["bash", "-c", shell, "bash"])
    }

    /// The same over a script.
    pub fn below_script<'a>(self, case: &'a Case, shell: &str, script: &str) -> Init<'a> {
        self.below(case, shell, &["bash", "-c", script]).set("WITNESS", witness())
    }

    /// The init's own words, to which those of a program may be added.
    pub fn words(self) -> Vec<String> {
        let file = self.column.file().expect("an init").to_str().unwrap().to_owned();
        let options = self.column.options().iter().copied().chain(["--"]);
        std::iter::once(file).chain(options.map(str::to_owned)).collect()
    }

    fn with<'a>(self, case: &'a Case, options: &[&str], program: &[&str]) -> Init<'a> {
        let init = match self.column.file() {
            Some(file) => {
                let words = [self.column.options(), options, &["--"], program].concat();
                Init::of(case, self.place, file, &words)
            }
            None => Init::of(case, self.place, program[0].into(), &program[1..]).becoming(witness()),
        };
        let init = if Column::OURS.contains(&self.column) { init } else { init.apart() };
        match self.user {
            User::Same => init,
            User::Other => init.through(&["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups"]),
        }
    }
}

/// The witness that every user can run.
pub fn witness() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| shared().join("witness").to_str().unwrap().to_owned())
}

/// A folder with our programs for every user, since a clone may be in a folder that is closed to others. It is removed at the end.
fn shared() -> &'static Path {
    static KEPT: Mutex<Option<TempDir>> = Mutex::new(None);
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    extern "C" fn remove() {
        drop(KEPT.lock().map(|mut kept| kept.take()));
    }
    FOLDER.get_or_init(|| {
        let folder = tempfile::Builder::new().prefix("berth-test-programs-").tempdir().unwrap();
        fs_err::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        for (name, program) in [("berth-init", init()), ("witness", WITNESS.into())] {
            // Not by us: what other tests start meanwhile would have the copy open for writing, and nobody could run it
            // (ETXTBSY, execve(2)).
            let case = Case::new();
            let mut copy = case.command("cp");
            assert!(copy.arg(program).arg(folder.path().join(name)).status().unwrap().success());
        }
        let path = folder.path().to_owned();
        *KEPT.lock().unwrap() = Some(folder);
        at_exit(remove);
        path
    })
}
