//! A disk that takes nothing more is no reason to let run what is to end.

use berth_tests::{Disk, is_root, skip};

use crate::pretend::Pretend;

/// `down` wrote down first that it is down, could not, and stopped nothing.
#[test]
fn down_stops_everything_and_says_what_could_not_be_written() {
    if !is_root() {
        return skip("full disk: only root mounts a file system");
    }
    for how in [Disk::fill, Disk::make_read_only] {
        let pretend = Pretend::new();
        let disk = Disk::mount(&pretend.state(""), "8m");
        pretend.up();
        // A text that is there already has its room.
        pretend.case.write("state/lock", "");
        how(&disk);
        pretend.changes();
        let ran = pretend.done(&["down"]);
        assert_eq!(pretend.changes(), ["docker compose down --remove-orphans"]);
        for (what, file) in [
            ("other commands are not told who is changing this installation: ", "state/lock"),
            ("it cannot be written down that this is taken down: ", "state/desired.json: "),
        ] {
            let lines: Vec<_> = ran.err.lines().filter(|line| line.starts_with(what)).collect();
            assert!(matches!(lines[..], [line] if line.contains(file)), "{}", ran.err);
        }
        assert!(ran.err.ends_with("nothing of it runs any more\n"), "{}", ran.err);
        let ran = pretend.run(&["status"]);
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        assert!(ran.out.contains("do not run; start them again: berth up"), "{}", ran.out);
    }
}
