//! What an init at rest does not keep.
//!
//! Reading settings, checking a certificate and asking needs over TLS run through a good part of our code once, and its
//! pages then count as ours for as long as the program lives. They are given back when it is ready: whatever is needed
//! later comes from the page cache again, at the cost of a minor fault.

use std::ops::Range;

use nix::sys::mman::{MmapAdvise, madvise};

/// Gives back the pages of our own code; without /proc, or when the kernel declines, they stay.
pub(crate) fn give_back_code() {
    let Ok(maps) = fs_err::read_to_string("/proc/self/maps") else { return };
    // Called right here, so the mapping that holds this function is our program's.
    let here = give_back_code as *const () as usize;
    let Some(code) = maps.lines().filter_map(executable).find(|range| range.contains(&here)) else { return };
    let Some(start) = std::ptr::NonNull::new(std::ptr::without_provenance_mut(code.start)) else { return };
    // SAFETY: executable and never writable, private and of a file: every page in it is as the file has it, so dropping
    // them changes no byte that anybody can read (madvise(2), MADV_DONTNEED).
    let _ = unsafe { madvise(start, code.len(), MmapAdvise::MADV_DONTNEED) };
}

/// The range of a line of /proc/self/maps (proc_pid_maps(5)) that maps code of a file and cannot be written.
fn executable(line: &str) -> Option<Range<usize>> {
    let mut words = line.split_ascii_whitespace();
    let (range, permissions) = (words.next()?, words.next()?);
    let inode = words.nth(2)?;
    if permissions != "r-xp" || inode == "0" {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_a_file_that_nobody_can_write_is_taken() {
        let code = "7f10-7f20 r-xp 00001000 08:01 1234   /usr/local/bin/berth-init";
        assert_eq!(executable(code), Some(0x7f10..0x7f20));
        for other in [
            "7f10-7f20 rwxp 00001000 08:01 1234 /a",
            "7f10-7f20 r--p 00001000 08:01 1234 /a",
            "7ffc1000-7ffc3000 r-xp 00000000 00:00 0 [vdso]",
            "",
        ] {
            assert_eq!(executable(other), None, "{other}");
        }
    }

    #[test]
    fn the_program_goes_on_after_its_code_was_given_back() {
        give_back_code();
        assert_eq!((1..=100).sum::<u32>(), 5050);
    }
}
