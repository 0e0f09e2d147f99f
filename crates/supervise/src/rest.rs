//! How an init rests: how it waits, and what it does not keep.
//!
//! Reading settings, checking a certificate and asking needs over TLS run through a good part of our code once, and its
//! pages then count as ours for as long as the program lives. They are given back when it is ready, and a moment after
//! whatever else has run through them: what is needed later comes from the page cache again, at the cost of a minor fault.

use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MmapAdvise, madvise};
use tokio::time::Instant;

/// Whoever asks most likely asks again at once: a health check does so up to three times, over a tenth of a second.
pub(crate) const LINGER: Duration = Duration::from_millis(250);

/// What else there is for an init, before it waits for what comes next.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Occupied {
    /// Somebody is connected, and may ask.
    pub by_callers: bool,
    /// Something is under way, or due at some time.
    pub by_itself: bool,
}

/// How it waits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// For signals and for what knocks, in one system call; else for everything, with the runtime.
    pub rests: bool,
    /// The code that it has run through is given back first.
    pub gives_back: bool,
    /// When that is due.
    pub gives_back_at: Option<Instant>,
}

impl Wait {
    /// With what was run through since the last time to be given back at `gives_back_at`.
    pub fn decide(now: Instant, gives_back_at: Option<Instant>, occupied: Occupied) -> Self {
        let attends = |gives_back_at| Self { rests: false, gives_back: false, gives_back_at };
        match gives_back_at {
            Some(at) if at > now => attends(gives_back_at),
            Some(_) if occupied.by_callers => attends(Some(now + LINGER)),
            None if occupied.by_callers => attends(None),
            due => Self { rests: !occupied.by_itself, gives_back: due.is_some(), gives_back_at: None },
        }
    }
}

/// The pages of our own code and constants.
#[derive(Debug, Default)]
pub(crate) struct Code(Vec<Range<usize>>);

impl Code {
    /// Ours; none without /proc.
    pub fn ours() -> Self {
        // On the stack, whose pages the start has touched: on the heap it would be a page more that stays. Our file is mapped
        // before all others; where its name is hundreds of bytes long nothing is given back.
        let mut maps = [0; 1024];
        let length =
            fs_err::File::open("/proc/self/maps").and_then(|file| filled(file, &mut maps)).unwrap_or(0);
        // The path of a file may be any bytes.
        let maps = String::from_utf8_lossy(&maps[..length]);
        // Called right here, so the mapping that holds this function is our program's.
        Self(unwritten(&maps, Self::ours as *const () as usize))
    }

    /// Gives them back; when the kernel declines, they stay.
    #[expect(unsafe_code, reason = "madvise(2) on what is mapped is memory under our feet, to every crate")]
    pub fn give_back(&self) {
        for range in &self.0 {
            let Some(start) = std::ptr::NonNull::new(std::ptr::without_provenance_mut(range.start)) else {
                return;
            };
            // SAFETY: a private mapping of a file that was never writable, see `unwritten`: every page in it is as the file
            // has it, so dropping them changes no byte that anybody can read (madvise(2), MADV_DONTNEED).
            let _ = unsafe { madvise(start, range.len(), MmapAdvise::MADV_DONTNEED) };
        }
    }
}

/// How much of the buffer a file fills: all of it, but for its end.
fn filled(mut file: impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..])? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

/// Gives code back and waits until something can be read from one of these, or one was closed by the other side. Both in one
/// place: what lies between would be fetched again, and stay as long as the rest lasts.
pub(crate) fn until_readable<'a>(
    code: &Code,
    files: impl Iterator<Item = BorrowedFd<'a>>,
) -> nix::Result<()> {
    let mut files: Vec<_> = files.map(|file| PollFd::new(file, PollFlags::POLLIN)).collect();
    code.give_back();
    loop {
        match poll(&mut files, PollTimeout::NONE) {
            // Stopped and continued (signal(7)).
            Err(Errno::EINTR) => {}
            waited => return waited.map(drop),
        }
    }
}

/// What the file that holds the code at `address` has mapped and nobody ever wrote to: its code, and the constants
/// before it. What lies behind the code may look the same, and was written by the loader and made read-only since
/// (RELRO).
fn unwritten(maps: &str, address: usize) -> Vec<Range<usize>> {
    let mappings: Vec<_> = maps.lines().filter_map(Mapping::of).collect();
    let Some(code) = mappings.iter().find(|mapping| mapping.range.contains(&address)) else {
        return Vec::new();
    };
    if code.permissions != "r-xp" || code.inode == "0" {
        return Vec::new();
    }
    let before = |mapping: &&Mapping| {
        mapping.inode == code.inode && mapping.permissions == "r--p" && mapping.range.end <= code.range.start
    };
    mappings.iter().filter(before).chain([code]).map(|mapping| mapping.range.clone()).collect()
}

/// A line of /proc/self/maps (proc_pid_maps(5)).
struct Mapping<'a> {
    range: Range<usize>,
    permissions: &'a str,
    inode: &'a str,
}

impl<'a> Mapping<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (range, permissions) = (words.next()?, words.next()?);
        let inode = words.nth(2)?;
        let (start, end) = range.split_once('-')?;
        let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        Some(Self { range, permissions, inode })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAPS: &str = "\
7f00-7f10 r--p 00000000 08:01 1234   /usr/local/bin/berth-init
7f10-7f20 r-xp 00001000 08:01 1234   /usr/local/bin/berth-init
7f20-7f30 r--p 00002000 08:01 1234   /usr/local/bin/berth-init
7f30-7f40 rw-p 00003000 08:01 1234   /usr/local/bin/berth-init
7f40-7f50 r--p 00000000 08:01 99     /usr/share/other
8000-8010 rwxp 00000000 08:01 77     /odd
9000-9010 r-xp 00000000 00:00 0      [vdso]

";

    #[test]
    fn only_what_nobody_ever_wrote_to_is_given_back() {
        assert_eq!(unwritten(MAPS, 0x7f18), [0x7f00..0x7f10, 0x7f10..0x7f20]);
        for elsewhere in [0x7f00, 0x7f28, 0x7f30, 0x8000, 0x9000, 0x1] {
            assert_eq!(unwritten(MAPS, elsewhere), [], "{elsewhere:x}");
        }
    }

    proptest! {
        /// Mappings in any order, lines that were cut among them: nothing is given back but what a line of the program's own file says
        /// is only read, and nothing at all where it is not known which file that is.
        #[test]
        fn nothing_that_was_written_to_is_ever_given_back(
            lines in prop::collection::vec((
                0..8usize,
                prop::sample::select(&["r--p", "r-xp", "rw-p", "rwxp", "---p"][..]),
                prop::sample::select(&["0", "99", "1234"][..]),
                prop::option::weighted(0.2, 0..30usize),
            ), 0..12),
            at in 0..8usize,
        ) {
            let (start, address) = (|at: usize| 0x7f00 + at * 0x10, 0x7f08 + at * 0x10);
            let lines: Vec<String> = lines.into_iter().map(|(at, permissions, inode, cut)| {
                let line = format!("{:x}-{:x} {permissions} 00001000 08:01 {inode}  /a", start(at), start(at + 1));
                line[..cut.unwrap_or(line.len())].to_owned()
            }).collect();
            let mappings: Vec<_> = lines.iter().filter_map(|line| Mapping::of(line)).collect();
            let code = mappings.iter().find(|mapping| mapping.range.contains(&address));
            for range in unwritten(&lines.join("\n"), address) {
                let is_said = mappings.iter().any(|mapping| {
                    mapping.range == range
                        && ["r--p", "r-xp"].contains(&mapping.permissions)
                        && mapping.inode != "0"
                        && code.is_some_and(|code| code.inode == mapping.inode && code.permissions == "r-xp")
                });
                prop_assert!(is_said, "{range:x?}");
            }
        }
    }

    #[test]
    fn what_was_run_through_is_given_back_whether_or_not_something_is_due() {
        let now = Instant::now();
        let [past, later] = [now.checked_sub(LINGER).unwrap(), now + LINGER];
        let nobody = Occupied::default();
        let caller = Occupied { by_callers: true, ..nobody };
        let question = Occupied { by_itself: true, ..nobody };
        let both = Occupied { by_callers: true, by_itself: true };
        let wait = |rests, gives_back, gives_back_at| Wait { rests, gives_back, gives_back_at };
        for (gives_back_at, occupied, expected) in [
            (None, nobody, wait(true, false, None)),
            (None, caller, wait(false, false, None)),
            (None, question, wait(false, false, None)),
            (None, both, wait(false, false, None)),
            (Some(past), nobody, wait(true, true, None)),
            (Some(now), nobody, wait(true, true, None)),
            (Some(past), caller, wait(false, false, Some(later))),
            (Some(past), question, wait(false, true, None)),
            (Some(past), both, wait(false, false, Some(later))),
            (Some(later), nobody, wait(false, false, Some(later))),
            (Some(later), caller, wait(false, false, Some(later))),
            (Some(later), question, wait(false, false, Some(later))),
            (Some(later), both, wait(false, false, Some(later))),
        ] {
            assert_eq!(
                Wait::decide(now, gives_back_at, occupied),
                expected,
                "{gives_back_at:?} {occupied:?}"
            );
        }
    }

    #[test]
    fn the_program_goes_on_after_its_code_was_given_back() {
        Code::ours().give_back();
        assert_eq!((1..=100).sum::<u32>(), 5050);
    }
}
