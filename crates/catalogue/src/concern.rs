use berth_role::{Role, Strength};
use berth_settings::{Readers, known};

use crate::find;

/// Whether a setting is this role's business: one that all roles read, one that its constant names, or one by which it
/// finds another role. What is not known by name is nobody's.
#[must_use]
pub fn concerns(role: &Role, key: &str) -> bool {
    let finds =
        |strength| role.needed_roles(strength).filter_map(find).any(|needed| needed.is_reached_by(key));
    match known(key).map(|known| known.readers) {
        Some(Readers::All) => true,
        Some(Readers::Named) => role.names(key) || finds(Strength::Hard) || finds(Strength::Lazy),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ROLES;
    use berth_settings::KNOWN;

    #[test]
    fn a_setting_concerns_those_who_read_it() {
        let readers = |key: &str| -> Vec<_> {
            ROLES.iter().filter(|role| concerns(role, key)).map(|role| role.name).collect()
        };
        assert_eq!(readers("HELPER_ENCRYPTION_KEY").len(), ROLES.len());
        assert_eq!(readers("SRS_SECRET"), ["mx", "smtp-bree"]);
        assert_eq!(readers("POP3_PORT"), ["pop3"]);
        assert!(readers("SQLITE_PORT").contains(&"imap") && !readers("SQLITE_PORT").contains(&"web"));
        assert_eq!(readers("CALDAV_REDIS_PASSWORD"), ["caldav"]);
        assert_eq!(readers("STRIPE_KEY"), Vec::<&str>::new());
    }

    #[test]
    fn every_setting_that_a_role_names_is_known_and_every_named_one_has_a_reader() {
        let certificates = ROLES.iter().filter_map(|role| role.certificate);
        let certificates = certificates.flat_map(|files| [files.chain, files.key, files.authority]);
        let ports = ROLES.iter().flat_map(|role| role.ports.iter().map(|port| port.setting));
        let hosts = ROLES.iter().filter_map(|role| role.host);
        let read = ROLES.iter().flat_map(|role| role.reads.iter().copied());
        for key in certificates.chain(ports).chain(hosts).chain(read) {
            assert!(known(key).is_some(), "{key} has no line in crates/settings/src/known.rs");
        }
        let named =
            KNOWN.iter().filter(|known| known.readers == Readers::Named && !known.key.starts_with('*'));
        for known in named {
            assert!(ROLES.iter().any(|role| concerns(role, known.key)), "no role reads {}", known.key);
        }
    }
}
