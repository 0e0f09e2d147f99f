use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write};

use berth_tests::{Case, terminal, wait_until};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::running::{Init, Place, places, stderr, unread};

#[test]
fn log_lines_are_json_objects_where_stderr_is_no_terminal() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "mx", "ready on=15:0 catch").start();
        init.until_ready();
        assert_eq!(init.stop(), 0);
        let log = init.log();
        assert!(!log.is_empty());
        for line in &log {
            assert_eq!(line["role"], "mx", "{line}");
            assert!(
                line["level"].is_string() && line["message"].is_string() && line["timestamp"].is_string()
            );
        }
        assert_eq!(init.logged("end")[0]["code"], 0);
    }
}

#[test]
fn log_lines_are_text_on_a_terminal() {
    let case = Case::new();
    let (master, slave) = terminal();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").stderr(slave).start();
    init.until_ready();
    assert_eq!(init.stop(), 0);
    let text = rest(master);
    assert!(text.contains("ready"), "{text}");
    assert!(text.lines().all(|line| !line.starts_with('{')), "{text}");
}

/// What can be read of a terminal whose other side is closed: the end of it is an error (EIO).
fn rest(mut master: File) -> String {
    let mut bytes = Vec::new();
    let _ = master.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn the_format_can_be_chosen() {
    let case = Case::new();
    let text =
        Init::role(&case, Place::Ordinary, "mx", "ready exit=0").set("BERTH_LOG_FORMAT", "text").output();
    assert!(stderr(&text).contains("INFO") && !stderr(&text).contains('{'), "{}", stderr(&text));
    let (master, slave) = terminal();
    let init = Init::role(&case, Place::Ordinary, "mx", "ready exit=0").set("BERTH_LOG_FORMAT", "json");
    init.stderr(slave).start().end();
    assert!(rest(master).lines().all(|line| line.starts_with('{')));
}

#[test]
fn the_level_can_be_chosen() {
    let case = Case::new();
    let output = Init::role(&case, Place::Ordinary, "mx", "ready exit=0").set("BERTH_LOG", "error").output();
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_plain_program_has_standard_error_for_itself() {
    for place in places() {
        let case = Case::new();
        let output = Init::new(&case, place, &["--", "bash", "-c", "echo mine >&2; exit 3"]).output();
        assert_eq!(stderr(&output), "mine\n");
    }
}

/// A pipe that is full to the last byte.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let byte = [b'.'];
    while writer.write(&byte).is_ok() {}
    // The flag belongs to the pipe and not to us: the init would inherit it and never be put to the test.
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    (reader, writer)
}

#[test]
fn a_log_that_nobody_reads_keeps_it_from_nothing() {
    for place in places() {
        let case = Case::new();
        let (reader, writer) = full_pipe();
        let mut init = Init::role(&case, place, "mx", "ready on=15:0 catch").stderr(writer).start();
        let before = init.until_ready();
        init.signal(1);
        wait_until("it is ready again", || {
            init.status()
                .filter(|status| status["state"] == "ready" && status["restarts"] != before["restarts"])
        });
        init.until_said_times("main catching", 2);
        assert_eq!(init.stop(), 0);
        drop(reader);
    }
}

#[test]
fn a_log_whose_reader_has_gone_keeps_it_from_nothing() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "mx", "ready on=15:0 catch").stderr(unread()).start();
        init.until_ready();
        assert_eq!(init.stop(), 0);
    }
}

/// The SIGPIPE that such a write brings is the writer's own affair.
#[test]
fn the_program_hears_nothing_of_a_reader_who_has_gone() {
    for place in places() {
        let case = Case::new();
        let (reader, writer) = std::io::pipe().unwrap();
        let script = "exec $WITNESS name=main ready on=15:0 catch 2>/dev/null";
        let mut init = Init::script(&case, place, "mx", script).stderr(writer).start();
        init.until_ready();
        drop(reader);
        // Each of these would be a line.
        for number in [10, 12, 28] {
            init.signal(number);
        }
        init.until_said("main signal 28");
        // Sent by another it is passed on.
        init.signal(13);
        init.until_said("main signal 13");
        assert_eq!(init.stop(), 0);
        assert_eq!(init.times("main signal 13"), 1);
    }
}

#[test]
fn dropped_lines_are_counted_once_somebody_reads_again() {
    let case = Case::new();
    let (mut reader, writer) = full_pipe();
    let script = "exec $WITNESS name=main ready on=15:0:go catch 2>/dev/null";
    let mut init = Init::script(&case, Place::Ordinary, "mx", script).stderr(writer).start();
    init.until_ready();
    init.signal(15);
    init.until_said("main signal 15");
    // Room for a line again.
    let mut read = vec![0; 16 * 1024];
    reader.read_exact(&mut read).unwrap();
    case.write("app/go", "");
    assert_eq!(init.end(), 0);
    read.clear();
    reader.read_to_end(&mut read).unwrap();
    let text = String::from_utf8(read).unwrap();
    assert!(text.contains("log lines were dropped"), "{}", text.trim_start_matches('.'));
}

#[test]
fn a_secret_does_not_reach_the_log() {
    let case = Case::new();
    let secret = "thirtyTwoLettersThatNobodyMaySee";
    let init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch");
    let init = init.set("BERTH_LOG", "trace").set("HELPER_ENCRYPTION_KEY", secret);
    let mut init = init.start();
    init.until_ready();
    // The settings are read again, now that there is a log.
    init.signal(1);
    init.until_said_times("main catching", 2);
    let status = init.until("ready");
    assert_eq!(init.stop(), 0);
    assert!(!case.read("err").contains(secret) && !status.to_string().contains(secret));
}
