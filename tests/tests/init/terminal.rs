//! On a terminal, as `docker run -it` gives one.

use std::io::Write;

use crate::claims::terminals::CONTROL_C;
use crate::running::{Init, places};
use berth_tests::Case;

#[test]
fn control_c_is_a_stop_for_a_role() {
    for place in places() {
        let case = Case::new();
        let (mut init, mut keyboard) =
            Init::role(&case, place, "mx", "ready on=15:0 catch").start_on_terminal();
        init.until_said("main catching");
        keyboard.write_all(CONTROL_C).unwrap();
        assert_eq!(init.end(), 0);
        assert_eq!(init.said(), ["main catching", "main signal 15"]);
    }
}
