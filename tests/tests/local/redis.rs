//! Redis, over which the roles tell each other news: mails wait at the door while it is away.

use berth_tests::{Load, Mails, wait_until};

use crate::service::Service;
use crate::stores;

#[test]
fn while_redis_is_away_both_doors_greet_with_421_and_nothing_is_lost() {
    let Some(programs) = stores::programs() else { return };
    let service = Service::new();
    let mut stores = stores::up(&service, &programs);
    let load = Load::start(&service, Mails { threads: 1, size: 4000, pause: 0.1 });
    load.goes_on(5);
    let mains = service.all("main");
    stores.redis.kill();
    for door in ["submission", "mx"] {
        wait_until(&format!("{door} says 421"), || {
            load.deferred(door).contains(&"421".to_owned()).then_some(())
        });
    }
    assert_eq!(service.all("main"), mains, "no role ended for want of it");
    stores.redis.start();
    load.goes_on(5);
    load.finish("Redis away");
    service.done(&["down"]);
}
