//! What a health check in a container costs, beside curl.

use berth_tests::tell;

use crate::installation::Installation;
use crate::stack::stack;

/// CPU milliseconds that one of many takes which a container's shell starts one after another; no `docker exec` is in it. Most
/// of a second in all, because the shell tells its children's share in hundredths of one (times(2)).
fn each(stack: &Installation, container: &str, times: u32, command: &str) -> f64 {
    let script = format!("i=0; while [ $i -lt {times} ]; do {command} || exit; i=$((i+1)); done; times");
    let ran = stack.exec(container, &["sh", "-c", &script]);
    assert_eq!(ran.code, Some(0), "{command}: {ran:#?}");
    let of_children = ran.out.lines().last().unwrap().split(' ').map(|part| {
        let (minutes, seconds) = part.trim_end_matches('s').split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    });
    of_children.sum::<f64>() * 1000.0 / f64::from(times)
}

/// A figure for a person to read. Both verify the certificate; the curl is the front's, in another container than the role.
#[test]
fn the_cpu_of_a_health_check_is_told_beside_that_of_curl() {
    let Some(stack) = stack() else { return };
    let check = each(&stack, "web", 500, "berth-init health >/dev/null");
    let live = each(&stack, "web", 500, "berth-init health --live >/dev/null");
    let page = "curl --silent --fail --output /dev/null --cacert /certificates/chain.pem \
        --connect-to ::web:3000 https://example.test/";
    let curl = each(&stack, "front", 100, page);
    tell(&format!(
        "CPU of one process: curl of web's page, from a second container, {curl:.2} ms; berth-init health --live, which asks for \
         the same page, {live:.2} ms, {:.3} of it; health, which also logs in at two stores, {check:.2} ms, {:.3} of it",
        live / curl,
        check / curl
    ));
}
