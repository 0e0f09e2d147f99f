//! The log files of instances: appended to, put aside when they are too long, read from their end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err::OpenOptions;
use fs_err::os::unix::fs::OpenOptionsExt;
use nix::sys::statvfs::{Statvfs, statvfs};
use serde::Deserialize;

/// A log that is longer than this is put aside.
const LONGEST: u64 = 10 * 1024 * 1024;

/// So many logs that were put aside are kept.
const KEPT: u32 = 5;

/// How far back from its end a log is read for its last lines.
const TAIL: u64 = 1024 * 1024;

/// Opens a log to be appended to, after putting it aside when it is too long.
pub fn open(path: &Path) -> io::Result<File> {
    // One that stays too long is told of by whoever tends the logs, and no reason not to start what writes it.
    let _ = rotate(path, LONGEST);
    Ok(OpenOptions::new().append(true).create(true).mode(0o600).open(path)?.into_parts().0)
}

fn rotate(path: &Path, longest: u64) -> io::Result<()> {
    if !path.metadata().is_ok_and(|log| log.len() > longest) {
        return Ok(());
    }
    make_room(path)?;
    fs_err::rename(path, aside(path, 1))
}

/// Puts a log aside that somebody writes to: its text is copied and the file made empty, because its writers have it
/// open and would follow a new name. They append, so that they go on at its start. What is written between the end of
/// the copy and the cut, microseconds, is lost; the log of a service that fills the disk loses more.
pub fn put_aside_while_written(path: &Path) -> io::Result<()> {
    copy_aside(path, LONGEST)
}

fn copy_aside(path: &Path, longest: u64) -> io::Result<()> {
    if !path.metadata().is_ok_and(|log| log.len() > longest) {
        return Ok(());
    }
    let mut log = OpenOptions::new().read(true).write(true).open(path)?;
    // Another berth may do it in this moment, or have done it.
    if log.file().try_lock().is_err() || log.metadata()?.len() <= longest {
        return Ok(());
    }
    let beside = aside(path, 0);
    if let Err(error) = copy(&mut log, &beside).and_then(|()| log.set_len(0)) {
        // Half a copy is of no use, and may have taken the last room.
        let _ = fs_err::remove_file(beside);
        return Err(error);
    }
    // Named last: by that a follower knows that the log begins anew, and where its rest is.
    make_room(path)?;
    fs_err::rename(beside, aside(path, 1))
}

/// Copies a log to its end.
fn copy(log: &mut fs_err::File, beside: &Path) -> io::Result<()> {
    has_room(beside, log.metadata()?.len())?;
    let mut copy = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(beside)?;
    io::copy(log, &mut copy).map(drop)
}

/// Fails where there is no room for so many bytes: whoever finds out by writing takes the last room from the service.
fn has_room(path: &Path, bytes: u64) -> io::Result<()> {
    let there = path.parent().map(statvfs).transpose()?;
    let is_short = |there: Statvfs| there.blocks_available() * there.fragment_size() < bytes;
    // Some file systems do not say how large they are.
    if there.filter(|there| there.blocks() > 0).is_some_and(is_short) {
        let kind = io::ErrorKind::StorageFull;
        return Err(io::Error::new(kind, format!("cannot write {}: {kind}", path.display())));
    }
    Ok(())
}

fn aside(path: &Path, number: u32) -> PathBuf {
    path.with_extension(format!("log.{number}"))
}

fn inode(path: &Path) -> Option<u64> {
    Some(path.metadata().ok()?.ino())
}

/// Numbers what was put aside one higher; the oldest is dropped.
fn make_room(path: &Path) -> io::Result<()> {
    for number in (1..KEPT).rev().filter(|number| aside(path, *number).exists()) {
        fs_err::rename(aside(path, number), aside(path, number + 1))?;
    }
    Ok(())
}

/// The last lines of a log that were written after its first `from` bytes; none when there is no log.
pub fn last_lines(path: &Path, lines: usize, from: u64) -> io::Result<Vec<String>> {
    Ok(Follower::after_last_lines(path, lines, from)?.1)
}

/// The lines of several logs as one, by the times that they were written at. A line without one, as a program's last words
/// are, stays behind the line before it.
pub fn by_time(logs: Vec<(&str, Vec<String>)>) -> Vec<(&str, String)> {
    let mut all = Vec::new();
    for (name, lines) in logs {
        let mut last = String::new();
        for line in lines {
            last = moment(&line).unwrap_or(last);
            all.push((last.clone(), name, line));
        }
    }
    // Stable: what has the same time stays in the order of the logs.
    all.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    all.into_iter().map(|(_, name, line)| (name, line)).collect()
}

/// When a line of JSON was written, if it says so by RFC 3339 in UTC: such texts are in the order of their times, but for
/// the letter at the end, which would come after further digits.
fn moment(line: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(alias = "timestamp")]
        time: String,
    }
    let Line { time } = serde_json::from_str(line).ok()?;
    time.strip_suffix('Z').map(ToOwned::to_owned)
}

/// Reads what is appended to a log, across its being put aside.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: Option<File>,
    offset: u64,
    rest: String,
    /// The inode of what was put aside last.
    aside: Option<u64>,
}

impl Follower {
    /// From the log's start.
    pub fn at(path: &Path) -> Self {
        let aside = inode(&aside(path, 1));
        Self { path: path.to_owned(), file: None, offset: 0, rest: String::new(), aside }
    }

    /// From the log's end; with the last lines before it. An unfinished line is told with them, and not again.
    pub fn after_last_lines(path: &Path, lines: usize, from: u64) -> io::Result<(Self, Vec<String>)> {
        let mut follower = Self::at(path);
        follower.offset = path.metadata().map_or(0, |log| log.len()).saturating_sub(TAIL).max(from);
        let mut last = Vec::new();
        follower.read(&mut |line| {
            last.push(line.to_owned());
            Ok(())
        })?;
        let rest = std::mem::take(&mut follower.rest);
        last.extend((!rest.is_empty()).then_some(rest));
        let last = last.split_off(last.len().saturating_sub(lines));
        Ok((follower, last))
    }

    /// Hands over the whole lines that were appended since the last time.
    pub fn read(&mut self, take: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        loop {
            if self.file.is_none() {
                match fs_err::File::open(&self.path) {
                    Ok(file) => self.file = Some(file.into_parts().0),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            let Some(file) = &mut self.file else { return Ok(()) };
            let mut bytes = Vec::new();
            let put_aside = inode(&aside(&self.path, 1));
            let begins_anew = put_aside != self.aside && Some(file.metadata()?.ino()) == inode(&self.path);
            if begins_anew {
                // It was copied and made empty: the rest is in the copy.
                let mut copy = fs_err::File::open(aside(&self.path, 1))?;
                copy.seek(SeekFrom::Start(self.offset))?;
                copy.read_to_end(&mut bytes)?;
                (self.offset, self.aside) = (0, put_aside);
            } else {
                file.seek(SeekFrom::Start(self.offset))?;
                self.offset += u64::try_from(file.take(TAIL).read_to_end(&mut bytes)?).unwrap_or(0);
            }
            self.rest.push_str(&String::from_utf8_lossy(&bytes));
            if let Some((lines, rest)) = self.rest.rsplit_once('\n') {
                lines.split('\n').try_for_each(&mut *take)?;
                self.rest = rest.to_owned();
            }
            if begins_anew || !bytes.is_empty() {
                continue;
            }
            let is_another = |now: u64| file.metadata().is_ok_and(|metadata| metadata.ino() != now);
            if !inode(&self.path).is_some_and(is_another) {
                return Ok(());
            }
            *self = Self::at(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_long_log_is_put_aside_and_the_oldest_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("imap.log");
        for round in 0..8 {
            fs_err::write(&path, format!("round {round}\n")).unwrap();
            rotate(&path, 1).unwrap();
            assert!(!path.exists());
        }
        let read = |number| fs_err::read_to_string(folder.path().join(format!("imap.log.{number}"))).ok();
        assert_eq!(read(1).unwrap(), "round 7\n");
        assert_eq!(read(5).unwrap(), "round 3\n");
        assert_eq!(read(6), None);
        fs_err::write(&path, "x").unwrap();
        rotate(&path, 1).unwrap();
        assert!(path.exists(), "a log of the longest length stays");
    }

    #[test]
    fn following_goes_on_across_rotation_and_waits_for_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("imap.log");
        let mut log = open(&path).unwrap();
        write!(log, "one\ntwo\nthr").unwrap();
        let mut follower = Follower::at(&path);
        let mut lines = Vec::new();
        let mut read = |follower: &mut Follower| {
            follower.read(&mut |line| {
                lines.push(line.to_owned());
                Ok(())
            })
        };
        read(&mut follower).unwrap();
        writeln!(log, "ee").unwrap();
        rotate(&path, 1).unwrap();
        writeln!(log, "four").unwrap();
        writeln!(open(&path).unwrap(), "five").unwrap();
        read(&mut follower).unwrap();
        assert_eq!(lines, ["one", "two", "three", "four", "five"]);
    }

    #[test]
    fn a_log_is_put_aside_while_it_is_written_and_followed_and_no_line_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("imap.log");
        let mut writer = open(&path).unwrap();
        let mut follower = Follower::at(&path);
        let mut lines = Vec::new();
        let mut read = |follower: &mut Follower| {
            follower.read(&mut |line| {
                lines.push(line.to_owned());
                Ok(())
            })
        };
        for text in ["one", "two", "three"] {
            writeln!(writer, "{text}, which is long enough").unwrap();
            read(&mut follower).unwrap();
            copy_aside(&path, 10).unwrap();
            assert_eq!(path.metadata().unwrap().len(), 0);
        }
        writeln!(writer, "four").unwrap();
        read(&mut follower).unwrap();
        copy_aside(&path, 10).unwrap();
        let told: Vec<_> = lines.iter().map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(told, ["one", "two", "three", "four"]);
        let aside =
            |number| fs_err::read_to_string(folder.path().join(format!("imap.log.{number}"))).unwrap();
        assert!(aside(1).starts_with("three") && aside(3).starts_with("one"));
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "four\n", "a short one stays");
    }

    /// Half a copy took the last room, and the error did not say of what.
    #[test]
    fn a_log_that_cannot_be_copied_is_left_alone_and_the_copy_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("imap.log");
        let error = has_room(&aside(&path, 0), u64::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("imap.log.0: "), "{error}");
        fs_err::write(&path, "long enough").unwrap();
        fs_err::create_dir(aside(&path, 0)).unwrap();
        let error = copy_aside(&path, 10).unwrap_err();
        assert!(error.to_string().contains("imap.log.0`: "), "{error}");
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "long enough");
    }

    #[test]
    fn lines_of_several_logs_are_told_in_the_order_of_their_times() {
        let init = |time: &str| format!(r#"{{"timestamp":"2026-11-28T10:00:{time}Z","level":"INFO"}}"#);
        let node = |time: &str| format!(r#"{{"time":"2026-11-28T10:00:{time}Z","level":"info"}}"#);
        let imap = vec!["no time".into(), init("01.500000"), "    at x.js".into(), node("03.001")];
        let mx = vec![node("01.499"), node("01.500"), init("03.000900")];
        let told = by_time(vec![("imap", imap.clone()), ("mx", mx.clone())]);
        let lines: Vec<_> = told.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(lines, [&imap[0], &mx[0], &mx[1], &imap[1], &imap[2], &mx[2], &imap[3]]);
        assert_eq!((told[0].0, told[1].0), ("imap", "mx"));
    }

    #[test]
    fn the_last_lines_are_the_last_and_an_unfinished_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("imap.log");
        assert!(last_lines(&path, 2, 0).unwrap().is_empty());
        fs_err::write(&path, "old\none\ntwo\nthree").unwrap();
        assert_eq!(last_lines(&path, 2, 0).unwrap(), ["two", "three"]);
        assert_eq!(last_lines(&path, 9, 4).unwrap(), ["one", "two", "three"]);
    }
}
