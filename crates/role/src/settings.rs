//! Which settings are a role's business.

use crate::{Role, Tls, Upstream};

/// The setting that names the mail domain itself: pages have no name of their own.
const DOMAIN_ITSELF: &str = "WEB_HOST";

impl Role {
    /// Whether clients find it at the mail domain itself.
    #[must_use]
    pub fn is_at_domain_itself(&self) -> bool {
        self.host == Some(DOMAIN_ITSELF)
    }

    /// The name by which clients of this mail domain find it.
    #[must_use]
    pub fn public_name(&self, domain: &str) -> String {
        if self.is_at_domain_itself() { domain.to_owned() } else { format!("{}.{domain}", self.name) }
    }

    /// Whether its constant names this setting: as that of its host, its ports, its certificate or a store that it
    /// needs, or as one that it reads besides.
    #[must_use]
    pub fn names(&self, key: &str) -> bool {
        let by_need = |on| match on {
            Upstream::Documents(uri) => key == uri,
            Upstream::KeyValue(prefix) => key.starts_with(prefix),
            Upstream::Role(_) => false,
        };
        let certificate = self.certificate.map(|files| [files.chain, files.key, files.authority]);
        self.is_reached_by(key)
            || certificate.is_some_and(|files| files.contains(&key))
            || self.needs.iter().any(|need| by_need(need.on))
            || self.reads.contains(&key)
    }

    /// Whether this setting says where it listens and how, which those that need it have to know too.
    #[must_use]
    pub fn is_reached_by(&self, key: &str) -> bool {
        let by_tls = |tls| matches!(tls, Tls::WhenHttps(protocol) if protocol == key);
        self.host == Some(key) || self.ports.iter().any(|port| port.setting == key || by_tls(port.tls))
    }
}
