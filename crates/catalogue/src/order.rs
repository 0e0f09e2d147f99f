use berth_role::{Role, Strength};

/// The roles in the order in which they are started: each after the roles that it needs hard, otherwise those last that
/// have to be, the rest by kind, equals as they came. A need that is not in the list does not count. Read backwards it is the order of
/// stopping. In a circle, which [`crate::check`] refuses, the first by kind goes first.
#[must_use]
pub fn start_order<'a>(roles: &[&'a Role]) -> Vec<&'a Role> {
    let mut waiting = roles.to_vec();
    waiting.sort_by_key(|role| (role.start, role.kind));
    let mut order = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let waits = |role: &Role| hard_needs(role).any(|need| waiting.iter().any(|other| other.name == need));
        let next = waiting.iter().position(|role| !waits(role)).unwrap_or(0);
        order.push(waiting.remove(next));
    }
    order
}

/// The names of the roles that this one needs hard.
pub(crate) fn hard_needs(role: &Role) -> impl Iterator<Item = &'static str> {
    role.needed_roles(Strength::Hard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ROLES, find};
    use berth_role::{Kind, Need, Start, Upstream};
    use proptest::prelude::*;

    const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    const KINDS: [Kind; 4] = [Kind::Store, Kind::Mail, Kind::Web, Kind::Worker];

    /// A role that needs some of the roles before it in `rank`, so that there is no circle.
    fn roles(rank: &[usize], needs: &[u8], kinds: &[usize]) -> Vec<Role> {
        let needs_of = |place: usize| {
            let before = rank[..place].iter().enumerate().filter(|(bit, _)| needs[place] & (1 << bit) != 0);
            before.map(|(_, other)| Need::hard(Upstream::Role(NAMES[*other]))).collect::<Vec<_>>()
        };
        let role = |(place, index): (usize, &usize)| Role {
            name: NAMES[*index],
            kind: KINDS[kinds[place]],
            needs: needs_of(place).leak(),
            ..*ROLES[0]
        };
        rank.iter().enumerate().map(role).collect()
    }

    proptest! {
        #[test]
        fn every_hard_need_precedes_and_nobody_is_lost(
            rank in Just((0..NAMES.len()).collect::<Vec<_>>()).prop_shuffle(),
            shown in Just((0..NAMES.len()).collect::<Vec<_>>()).prop_shuffle(),
            needs in prop::collection::vec(any::<u8>(), NAMES.len()),
            kinds in prop::collection::vec(0..KINDS.len(), NAMES.len()),
            wanted in 0..=NAMES.len(),
        ) {
            let roles = roles(&rank, &needs, &kinds);
            let given: Vec<&Role> = shown.iter().take(wanted).map(|index| &roles[*index]).collect();
            let order: Vec<&str> = start_order(&given).iter().map(|role| role.name).collect();
            let mut found = order.clone();
            let mut expected: Vec<&str> = given.iter().map(|role| role.name).collect();
            found.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
            let place = |name: &str| order.iter().position(|other| *other == name);
            for role in given {
                for need in hard_needs(role) {
                    prop_assert!(place(need).is_none_or(|need| Some(need) < place(role.name)));
                }
            }
        }

        #[test]
        fn without_needs_the_order_is_by_kind_and_stable(
            rank in Just((0..NAMES.len()).collect::<Vec<_>>()).prop_shuffle(),
            kinds in prop::collection::vec(0..KINDS.len(), NAMES.len()),
        ) {
            let roles = roles(&rank, &[0; NAMES.len()], &kinds);
            let given: Vec<&Role> = roles.iter().collect();
            let mut expected = given.clone();
            expected.sort_by_key(|role| role.kind);
            prop_assert_eq!(start_order(&given), expected);
        }
    }

    fn hard(on: &'static str) -> &'static [Need] {
        vec![Need::hard(Upstream::Role(on))].leak()
    }

    #[test]
    fn mailboxes_come_first_then_mail_then_pages_then_workers() {
        let kinds: Vec<Kind> = start_order(ROLES).iter().map(|role| role.kind).collect();
        assert!(kinds.is_sorted(), "{kinds:?}");
        assert_eq!(kinds[0], Kind::Store);
    }

    #[test]
    fn what_takes_the_whole_machine_comes_last() {
        let heavy = Role { start: Start::Last, ..*find("imap").unwrap() };
        let order = start_order(&[&heavy, find("web").unwrap(), find("smtp-bree").unwrap()]);
        assert_eq!(order.iter().map(|role| role.name).collect::<Vec<_>>(), ["web", "smtp-bree", "imap"]);
    }

    #[test]
    fn a_need_outranks_the_kind() {
        let store = Role { needs: hard("mx"), ..*find("sqlite").unwrap() };
        let order = start_order(&[&store, find("imap").unwrap(), find("mx").unwrap()]);
        assert_eq!(order.iter().map(|role| role.name).collect::<Vec<_>>(), ["mx", "sqlite", "imap"]);
    }

    #[test]
    fn a_circle_still_gives_an_order() {
        let one = Role { name: "one", needs: hard("two"), ..*ROLES[0] };
        let two = Role { name: "two", needs: hard("one"), ..*ROLES[0] };
        assert_eq!(start_order(&[&one, &two]), [&one, &two]);
    }
}
