use std::io;
use std::process::Child;

use nix::libc;

/// A process, looked at through /proc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process(pub i32);

impl Process {
    /// One that was started, and is not waited for yet.
    #[must_use]
    pub fn of(child: &Child) -> Self {
        Self(i32::try_from(child.id()).expect("pid_t has 31 bits"))
    }

    /// All that there are.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let entries = fs_err::read_dir("/proc").expect("Linux has /proc").flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Self)).collect()
    }

    /// A file of it, unless it has ended or is not to be read.
    #[must_use]
    pub fn file(self, name: &str) -> Option<String> {
        let bytes = fs_err::read(format!("/proc/{}/{name}", self.0)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Its state, a letter (proc_pid_stat(5)), and its parent.
    fn stat(self) -> Option<(char, Self)> {
        let stat = self.file("stat")?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        Some((fields.next()?.chars().next()?, Self(fields.next()?.parse().ok()?)))
    }

    /// Its state: `T` for stopped, `Z` for a zombie; nothing when it is gone.
    #[must_use]
    pub fn state(self) -> Option<char> {
        self.stat().map(|(state, _)| state)
    }

    /// It is there, and more than a zombie.
    #[must_use]
    pub fn lives(self) -> bool {
        self.state().is_some_and(|state| state != 'Z')
    }

    /// Its children, zombies too.
    #[must_use]
    pub fn children(self) -> Vec<Self> {
        let is_child = |process: &Self| process.stat().is_some_and(|(_, parent)| parent == self);
        Self::all().into_iter().filter(is_child).collect()
    }

    /// The words of its command line.
    #[must_use]
    pub fn words(self) -> Vec<String> {
        self.file("cmdline").unwrap_or_default().split_terminator('\0').map(str::to_owned).collect()
    }

    /// A line of its status file: `SigBlk`, `voluntary_ctxt_switches`.
    #[must_use]
    pub fn status(self, key: &str) -> Option<String> {
        let status = self.file("status")?;
        let mut pairs = status.lines().filter_map(|line| line.split_once(':'));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value.trim().to_owned())
    }

    /// Its memory that is in RAM, in KiB.
    #[must_use]
    pub fn resident(self) -> Option<u64> {
        self.status("VmRSS")?.trim_end_matches(" kB").parse().ok()
    }

    /// Sends it a signal; real-time ones too, which nix does not know.
    #[expect(unsafe_code, reason = "nix's kill knows no real-time signal")]
    pub fn signal(self, number: i32) -> io::Result<()> {
        // 0, -1 and the like are many processes, none of them ours to signal.
        assert!(self.0 > 1, "no test signals {}", self.0);
        // SAFETY: no memory is passed.
        if unsafe { libc::kill(self.0, number) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Sends a signal with a value (sigqueue(3)).
    #[expect(unsafe_code, reason = "nix has no sigqueue(3)")]
    pub fn queue(self, number: i32, value: usize) -> io::Result<()> {
        assert!(self.0 > 1, "no test signals {}", self.0);
        let value = libc::sigval { sival_ptr: std::ptr::without_provenance_mut(value) };
        // SAFETY: the pointer is a number that nobody follows.
        if unsafe { libc::sigqueue(self.0, number, value) } == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}
