use berth_tests::Case;

use crate::claims::reaping::{end_adopted, orphans};
use crate::running::{Init, places};

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
