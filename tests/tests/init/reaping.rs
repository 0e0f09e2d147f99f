use berth_tests::{Case, Process, wait_until};

use crate::running::{Init, Running, WITNESS, places};

/// Makes as many orphans, then becomes the witness.
fn orphans(count: usize, orphan: &str) -> String {
    format!("for number in $(seq {count}); do ( {orphan} & ) ; done; exec {WITNESS} name=main on=15:0 catch")
}

/// Waits until as many orphans are children of init, and ends them one by one.
fn end_adopted(init: &Running, count: usize) {
    let main = init.main();
    let adopted = wait_until("all orphans are init's children", || {
        let children = init.pid.children();
        (children.len() == count + 1).then_some(children)
    });
    for orphan in adopted.into_iter().filter(|child| *child != main) {
        orphan.signal(15).unwrap();
    }
    until_alone(init, main);
}

fn until_alone(init: &Running, main: Process) {
    wait_until("the main process is the only child, zombies counted", || {
        (init.pid.children() == [main]).then_some(())
    });
}

#[test]
fn a_hundred_orphans_are_adopted_and_reaped() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::new(&case, place, &["--", "bash", "-c", &orphans(100, "sleep 300")]).start();
        init.until_said("main catching");
        end_adopted(&init, 100);
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn orphans_that_end_all_the_time_leave_no_zombie() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::new(&case, place, &["--", "bash", "-c", &orphans(100, "true")]).start();
        init.until_said("main catching");
        until_alone(&init, init.main());
        assert_eq!(init.stop(), 0);
    }
}

/// What `exec` turns into an init may have had children before, whose SIGCHLD went to nobody.
#[test]
fn a_zombie_that_it_was_started_with_is_reaped() {
    let launcher = "import os, sys
child = os.fork()
if child == 0:
    os._exit(0)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
os.execvp(sys.argv[1], sys.argv[1:])";
    for place in places() {
        let case = Case::new();
        let init = Init::plain(&case, place, &["name=main", "on=15:0", "catch"]);
        let mut init = init.through(&["python3", "-c", launcher]).start();
        init.until_said("main catching");
        until_alone(&init, init.main());
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn a_role_counts_the_orphans_that_it_reaped() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::script(&case, place, "smtp-bree", &orphans(30, "sleep 300")).start();
        init.until_said("main catching");
        end_adopted(&init, 30);
        assert_eq!(init.stop(), 0);
        assert_eq!(init.logged("end")[0]["orphans_reaped"], 30);
    }
}
