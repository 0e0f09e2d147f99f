//! What the kernel's process table says of one process (proc_pid_stat(5), proc_pid_status(5)).
//!
//! Invariants: reads only; a program may call itself by any bytes, brackets, blanks and line ends among them, and that
//! changes nothing of what is told of it; what cannot be read or understood is not known, and never a failure.
//!
//! ```
//! use berth_process::{Stat, resident, time};
//! if let Some(stat) = Stat::of(1) {
//!     println!("{} of {}: {:?}, {:?} bytes", stat.state, stat.parent, time(stat.cpu), resident(1));
//! }
//! ```

use std::time::Duration;

use fs_err as fs;
use nix::unistd::{SysconfVar, sysconf};

/// What of /proc/PID/stat matters to anybody here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// `R`, `S`, `T` and so on.
    pub state: char,
    /// The parent's number, in the namespace of whoever asks; 0 for none.
    pub parent: i32,
    /// The number of the session's leader.
    pub session: u32,
    /// What it took on processors, in clock ticks: see [`time`].
    pub cpu: u64,
    /// When it was started, in clock ticks from the machine's start.
    pub started: u64,
}

impl Stat {
    /// That of the process which has this number now.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Reads the fields 3, 4, 6, 14 with 15, and 22. The second one is the command in brackets.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let command_ends = bytes.iter().rposition(|byte| *byte == b')')?;
        let fields: Vec<_> =
            str::from_utf8(&bytes[command_ends + 1..]).ok()?.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        let ticks = |number| field(number)?.parse::<u64>().ok();
        Some(Self {
            state: field(3)?.chars().next()?,
            parent: field(4)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            cpu: ticks(14)?.checked_add(ticks(15)?)?,
            started: ticks(22)?,
        })
    }

    /// It has ended, and nobody has waited for it yet.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Clock ticks as a time.
#[must_use]
pub fn time(ticks: u64) -> Option<Duration> {
    time_of(ticks, u32::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?)
}

fn time_of(ticks: u64, a_second: u32) -> Option<Duration> {
    Duration::from_millis(ticks.checked_mul(1000)?).checked_div(a_second)
}

/// The memory of a process that is in RAM, in bytes.
#[must_use]
pub fn resident(pid: u32) -> Option<u64> {
    resident_in(&fs::read(format!("/proc/{pid}/status")).ok()?)
}

/// The line VmRSS, which no kernel thread has.
fn resident_in(status: &[u8]) -> Option<u64> {
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"VmRSS:"))?;
    let kibibytes: u64 = str::from_utf8(line).ok()?.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_command_cannot_fake_what_is_told_of_it() {
        let stat =
            Stat::parse(b"7 (a) S 1 (b) S 3 7 8 0 -1 4194560 900 0 0 0 250 50 9 9 20 0 11 0 12345 1 2");
        let expected = Stat { state: 'S', parent: 3, session: 8, cpu: 300, started: 12345 };
        assert_eq!(stat, Some(expected));
        assert_eq!(Stat::parse(b"7 (a) S 1"), None);
        assert_eq!(resident_in(b"Name:\ta\nVmHWM:\t  9 kB\nVmRSS:\t   84 kB\n"), Some(84 * 1024));
        assert_eq!(resident_in(b"Name:\tkthreadd\n"), None);
    }

    #[test]
    fn who_has_ended_is_told_from_who_sleeps() {
        let of = |state| Stat { state, parent: 1, session: 1, cpu: 0, started: 0 };
        assert_eq!("RSDTtIZX".chars().filter(|state| of(*state).has_ended()).collect::<String>(), "ZX");
    }

    #[test]
    fn ticks_are_hundredths_of_a_second_on_most_machines() {
        assert_eq!(time_of(250, 100), Some(Duration::from_millis(2500)));
        assert_eq!((time_of(u64::MAX, 100), time_of(1, 0)), (None, None));
    }

    #[test]
    fn we_are_in_the_table() {
        let (pid, us) = (std::process::id(), Stat::of(std::process::id()).unwrap());
        assert!(
            !us.has_ended() && us.parent > 0 && time(us.cpu).unwrap() < Duration::from_hours(1),
            "{us:?}"
        );
        assert!(resident(pid).unwrap() > 1 << 20);
        assert_eq!(Stat::of(u32::MAX), None);
    }

    proptest! {
        /// A command of bytes that are no UTF-8 once hid a process, and all below it, from the KILL at the end of the grace.
        #[test]
        fn whatever_a_command_holds_the_fields_are_found(
            command in prop::collection::vec(1u8.., 0..16),
            parent in 0..i32::MAX,
            session: u32,
            user: u64,
            system: u64,
            started: u64,
        ) {
            let rest = format!(") S {parent} 7 {session} 0 -1 4194560 900 0 0 0 {user} {system} 9 9 20 0 11 0 {started} 1\n");
            let stat = Stat::parse(&[b"7 (", &command[..], rest.as_bytes()].concat());
            let told = user.checked_add(system).map(|cpu| Stat { state: 'S', parent, session, cpu, started });
            prop_assert_eq!(stat, told);
        }

        #[test]
        fn the_memory_is_exact_or_missing(kibibytes: u64, cut in 0..60usize) {
            let status = format!("Name:\ta\nVmRSS:\t{kibibytes:8} kB\nRssAnon: 1 kB\n");
            let exact = kibibytes.checked_mul(1024);
            prop_assert_eq!(resident_in(status.as_bytes()), exact);
            let cut = &status[..cut.min(status.len())];
            prop_assert_eq!(resident_in(cut.as_bytes()), exact.filter(|_| cut.contains(" kB")));
        }

        #[test]
        fn a_line_without_one_of_its_fields_tells_nothing(fields in prop::collection::vec("[0-9]{1,9}|-1|[a-z]?", 0..22)) {
            let line = format!("7 (a) S {}", fields.join(" "));
            let words: Vec<_> = line.split_ascii_whitespace().skip(2).collect();
            let is_number = |index: usize| words.get(index).is_some_and(|word| word.parse::<u64>().is_ok());
            let parent = words.get(1).is_some_and(|word| word.parse::<i32>().is_ok());
            let whole = parent && [3, 11, 12, 19].into_iter().all(is_number);
            prop_assert_eq!(Stat::parse(line.as_bytes()).is_some(), whole);
        }

        #[test]
        fn rubbish_is_harmless(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Stat::parse(&bytes), resident_in(&bytes));
        }
    }
}
