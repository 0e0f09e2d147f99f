use std::collections::BTreeSet;

use berth_role::{Role, Strength};

use crate::find;

/// The roles that have a part in what becomes of what a role takes in: itself, those that it needs or uses, and the
/// one that carries on. A mail that is submitted comes to its mailbox only where all of them run.
#[must_use]
pub fn way(role: &'static Role) -> BTreeSet<&'static str> {
    let (mut on_it, mut open) = (BTreeSet::from([role.name]), vec![role]);
    while let Some(role) = open.pop() {
        let needs =
            [Strength::Hard, Strength::Lazy].into_iter().flat_map(|strength| role.needed_roles(strength));
        let next = needs.chain(role.hands_to).filter(|name| on_it.insert(name));
        open.extend(next.filter_map(find));
    }
    on_it
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submitted_mail_goes_by_the_queue_and_mx_into_the_mailbox() {
        let way = |name| way(find(name).unwrap()).into_iter().collect::<Vec<_>>();
        assert_eq!(way("smtp"), ["mx", "smtp", "smtp-bree", "sqlite"]);
        assert_eq!(way("mx"), ["mx", "sqlite"]);
        assert_eq!(way("imap"), ["imap", "sqlite"]);
    }
}
