//! Whether there is memory for all that is to run.

use super::{Finding, bytes};

/// The memory of the host, and what the services take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    pub swap: u64,
    /// Whether the kernel keeps containers to their limits of swap.
    pub limits_swap: bool,
    pub services: Vec<Takes>,
}

/// What a service takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Takes {
    pub name: String,
    /// The most that it was seen to have; its limit where nobody has looked.
    pub peak: u64,
    /// What it may have before it is killed.
    pub limit: u64,
}

/// What there is to say of it.
pub fn judge(memory: &Memory) -> Vec<Finding> {
    let there = memory.total + memory.swap;
    let what = format!("{} and {} of swap", bytes(memory.total), bytes(memory.swap));
    let sum = |of: fn(&Takes) -> u64| memory.services.iter().map(of).sum::<u64>();
    let (peaks, limits) = (sum(|takes| takes.peak), sum(|takes| takes.limit));
    let finding = if memory.services.is_empty() {
        Finding::ok("memory", what)
    } else if peaks > there {
        let says = format!("the services were seen to take {}, and the host has {what}", bytes(peaks));
        Finding::refused("memory", says, leave_out(&memory.services, peaks - there))
    } else if limits > there {
        // Each limit has room for work that hardly comes to all at once.
        let says = format!(
            "{what}: enough for the {} that the services were seen to take, not for all their limits together, {}",
            bytes(peaks),
            bytes(limits)
        );
        let hint = "for much mail add memory or swap, or lower limits in .env (BERTH_MEMORY_…)";
        Finding::warning("memory", says, hint)
    } else {
        let says = format!(
            "{what}; the services were seen to take {}, and take {} at most",
            bytes(peaks),
            bytes(limits)
        );
        Finding::ok("memory", says)
    };
    let mut findings = vec![finding];
    if !memory.limits_swap {
        findings.push(Finding::warning(
            "swap",
            "the kernel does not count swap: a service may take as much of it as there is",
            "boot with swapaccount=1, or use cgroup version 2",
        ));
    }
    findings
}

/// The fewest services without which the others have room, the largest first.
fn leave_out(services: &[Takes], excess: u64) -> String {
    let mut largest: Vec<&Takes> = services.iter().collect();
    largest.sort_by_key(|takes| std::cmp::Reverse(takes.peak));
    let mut left = Vec::new();
    let mut freed = 0;
    for takes in largest {
        if freed >= excess {
            break;
        }
        freed += takes.peak;
        left.push(format!("{} ({})", takes.name, bytes(takes.peak)));
    }
    format!(
        "leave out {}: name the others with --only; or add {} of memory or swap",
        left.join(", "),
        bytes(excess)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Verdict;
    use berth_catalogue::ROLES;
    use berth_render::compose::Variable;

    const GB: u64 = 1_000_000_000;

    fn room() -> Memory {
        let takes = |name: &str, peak, limit| Takes { name: name.to_owned(), peak, limit };
        let services =
            vec![takes("bree", 15 * GB, 17 * GB), takes("imap", GB, 2 * GB), takes("sqlite", 2 * GB, 3 * GB)];
        Memory { total: 32 * GB, swap: 0, limits_swap: true, services }
    }

    /// What is not well.
    fn found(memory: &Memory) -> Vec<Finding> {
        judge(memory).into_iter().filter(|finding| finding.verdict != Verdict::Ok).collect()
    }

    fn only(memory: &Memory) -> Finding {
        let mut found = found(memory);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    #[test]
    fn what_cannot_fit_is_refused_with_what_to_leave_out() {
        let mut memory = room();
        memory.total = 16 * GB;
        let refused = only(&memory);
        assert_eq!(refused.verdict, Verdict::Refused);
        assert_eq!(
            refused.says,
            "the services were seen to take 18.0 GB, and the host has 16.0 GB and 0 MB of swap"
        );
        let hint = "leave out bree (15.0 GB): name the others with --only; or add 2.0 GB of memory or swap";
        assert_eq!(refused.hint.as_deref(), Some(hint));
        memory.swap = 3 * GB;
        assert_eq!(only(&memory).verdict, Verdict::Warning, "it fits, if nobody takes all that it may");
        memory.swap = 16 * GB;
        assert_eq!(found(&memory), []);
        memory.total = GB / 2;
        memory.swap = 0;
        assert!(
            only(&memory)
                .hint
                .unwrap()
                .starts_with("leave out bree (15.0 GB), sqlite (2.0 GB), imap (1.0 GB)")
        );
    }

    #[test]
    fn what_fits_is_told_with_the_most_that_it_takes() {
        assert_eq!(found(&room()), []);
        let expected =
            "32.0 GB and 0 MB of swap; the services were seen to take 18.0 GB, and take 22.0 GB at most";
        assert_eq!(judge(&room())[0].says, expected);
    }

    /// The guide said 4 GB, and the preflight 10.7 GB.
    #[test]
    fn the_guide_says_of_the_sample_what_is_counted_for_it() {
        let mebibytes = |text: &str| match text.strip_suffix('g') {
            Some(number) => number.parse::<u64>().unwrap() << 10,
            None => text.strip_suffix('m').unwrap().parse().unwrap(),
        };
        let store = |name: &str| {
            let variable = Variable::named(&format!("BERTH_MEMORY_{name}")).unwrap();
            let limit = mebibytes(variable.sample.as_ref().or(variable.default.as_ref()).unwrap()) << 20;
            Takes { name: name.to_owned(), peak: limit, limit }
        };
        let of = |stores: &[&str]| {
            let roles = ROLES.iter().map(|role| {
                let bounds = role.place.memory.sample;
                Takes { name: role.name.to_owned(), peak: bounds.peak.number(), limit: bounds.limit.number() }
            });
            let all: Vec<Takes> = roles.chain(stores.iter().map(|name| store(name))).collect();
            let sum = |of: fn(&Takes) -> u64| bytes(all.iter().map(of).sum());
            (sum(|takes| takes.peak), sum(|takes| takes.limit))
        };
        let (peaks, limits) = of(&["FERRETDB", "POSTGRESQL", "REDIS", "FRONT"]);
        let (peaks_of_mongodb, limits_of_mongodb) = of(&["MONGODB", "REDIS", "FRONT"]);
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/docker.md");
        let guide = fs_err::read_to_string(guide).unwrap();
        for said in [
            format!("less than {peaks} with FerretDB, {peaks_of_mongodb} with MongoDB"),
            format!("together are {limits}, {limits_of_mongodb} with MongoDB"),
        ] {
            assert!(guide.contains(&said), "docs/guide/docker.md has to say: {said}");
        }
    }

    #[test]
    fn swap_that_is_not_counted_is_told() {
        let memory = Memory { limits_swap: false, ..room() };
        assert_eq!((only(&memory).about, only(&memory).verdict), ("swap", Verdict::Warning));
    }
}
