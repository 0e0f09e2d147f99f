//! Node, for which an init is most of all there.

use berth_tests::{node, skip};

use super::{EVERYWHERE, claims};
use crate::trial::{Column, Trial};

claims! {
    "Node";
    node_without_a_handler_ends_by_term:
        EVERYWHERE.as_one_user().note("The kernel drops a signal with default action that is sent to PID 1.");
    usr1_opens_no_debugger_in_node:
        EVERYWHERE.not(&[Column::Plain], "As every signal it goes to the program; `node --disable-sigusr1`, where it is known, is the other way.").as_one_user();
}

fn node_without_a_handler_ends_by_term(trial: Trial) {
    let Some(node) = node() else { return skip("there is no Node") };
    let case = trial.case();
    let program = "console.log('runs'); setInterval(() => {}, 1e6)";
    let mut init = trial.over(&case, &[node.to_str().unwrap(), "-e", program]).start();
    init.until_said("runs");
    assert_eq!(init.stop(), 143);
}

/// Opened, it tells where; that it is not is known a second after the signal went to a Node that would.
const DEBUGGER: &str = "
const { url } = require('node:inspector');
process.on('SIGUSR2', () => {
  const until = Date.now() + 1000;
  setInterval(() => { if (url() || Date.now() > until) process.exit(url() ? 8 : 7) }, 10);
});
console.log('runs');
setInterval(() => {}, 1e6)";

fn usr1_opens_no_debugger_in_node(trial: Trial) {
    let Some(node) = node() else { return skip("there is no Node") };
    let case = trial.case();
    let words = [node.to_str().unwrap(), "--inspect-port=0", "-e", DEBUGGER];
    let mut init = trial.over(&case, &words).start();
    init.until_said("runs");
    init.signal(10);
    init.signal(12);
    assert_eq!(init.end(), 7);
}
