//! What is drawn on a terminal by `berth up` and `berth status`, and what is written where nothing can be drawn.

use std::fs::File;
use std::io::Write;

use berth_tests::{Process, wait_until};
use nix::libc::SIGINT;

use crate::service::Service;
use crate::terminal::Terminal;

/// What is drawn when the other screen is taken and given back (xterm, control sequences).
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

fn watch(service: &Service) -> Terminal {
    Terminal::run(&service.case, service.berth(&["status", "--watch"]))
}

/// What was drawn until it ended.
fn given_back(watched: Terminal) -> String {
    watched.shows(LEAVE);
    let (code, drawn) = watched.ended();
    assert_eq!(code, Some(0));
    assert!(drawn.ends_with(LEAVE), "{drawn:?}");
    drawn
}

/// Rows of 104 columns wrapped where there were 80, so that the cursor went up by too few lines: each picture stayed.
#[test]
fn up_draws_a_table_that_the_window_has_room_for_and_goes_up_by_what_it_has_drawn() {
    let service = Service::new();
    let on_terminal = |words: &[&str]| Terminal::run(&service.case, service.berth(words)).ended();
    let (code, drawn) = on_terminal(&["up", "--detach", "--no-prove", "--only", "imap"]);
    assert_eq!(code, Some(0), "{drawn}");
    // A picture is what is written until the screen is cleared from the cursor on.
    let pictures: Vec<_> = drawn.split("\x1b[J").filter(|text| text.starts_with("  ROLE")).collect();
    assert!(pictures.len() > 2, "{drawn}");
    for picture in pictures {
        let (picture, up) = picture.split_once("\x1b[").unwrap_or((picture, "0A"));
        let picture = picture.trim_end_matches('\r');
        let lines: Vec<_> = picture.lines().collect();
        assert!(lines.len() < 24 && lines.iter().all(|line| line.chars().count() < 80), "{picture}");
        assert_eq!(up, format!("{}A", lines.len()), "{picture}");
    }
    assert!(drawn.contains("TLS") && !drawn.contains("INIT"), "{drawn}");

    let (_, status) = on_terminal(&["status"]);
    assert!(
        status.contains("TLS")
            && !status.contains("INIT")
            && status.lines().all(|line| line.chars().count() <= 80),
        "{status}"
    );
    assert!(service.done(&["status"]).out.contains("INIT"), "a program is told all");
    service.down();
}

#[test]
fn a_terminal_is_drawn_in_place_and_given_back_as_it_was() {
    let service = Service::new();
    service.bring_up_with(&["sqlite"]);
    let mut watched = watch(&service);
    watched.shows("sqlite");
    service.done(&["restart", "sqlite"]);
    watched.shows("sqlite was started again");
    watched.keyboard.write_all(b"q").unwrap();
    let drawn = given_back(watched);
    assert!(drawn.starts_with(ENTER), "{drawn:?}");
    assert!(!drawn.contains("\x1b[2J"), "it is drawn over, never cleared: {drawn:?}");
    // The whole picture each time, from the top: nothing scrolls.
    assert_eq!(drawn.matches("\x1b[H").count(), drawn.matches("ROLE").count(), "{drawn:?}");

    let mut watched = watch(&service);
    watched.shows("sqlite");
    watched.keyboard.write_all(b"\x03").unwrap();
    given_back(watched);
    service.down();
}

#[test]
fn where_nothing_can_be_drawn_a_line_is_written_only_for_what_changes() {
    let service = Service::new();
    service.bring_up_with(&["sqlite"]);
    let seen = File::create(service.case.path("seen")).unwrap();
    let mut child = service.berth(&["status", "--watch"]).stdout(seen).spawn().unwrap();
    wait_until("the table is written", || service.case.read("seen").contains("sqlite").then_some(()));
    service.done(&["restart", "sqlite"]);
    wait_until("the restart is written", || {
        service.case.read("seen").contains("sqlite was started again, now 1 times").then_some(())
    });
    Process::of(&child).signal(SIGINT).unwrap();
    let ended = wait_until("it ends", || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
    let seen = service.case.read("seen");
    assert_eq!(seen.matches("ROLE").count(), 1, "{seen}");
    assert!(!seen.contains('\x1b'), "{seen:?}");
    let lines: Vec<_> = seen.lines().skip(2).collect();
    assert!(lines.iter().all(|line| line.contains("Z sqlite ")), "{seen}");
    service.down();
}
