//! Where a role listens: what is declared, and what the settings make of it.

use std::fmt;

/// A port that a role listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    /// The service name, as in the registry of RFC 6335 where it has one: `imaps`.
    pub name: &'static str,
    /// The number that the application listens on when the setting is not given.
    pub number: u16,
    /// The number that clients outside use, or the same as `number` where no client outside does.
    pub published: u16,
    /// The setting that overrides `number`.
    pub setting: &'static str,
    /// Who may reach it.
    pub exposure: Exposure,
    /// How TLS is decided on it.
    pub tls: Tls,
}

/// Who may reach a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Anybody, directly.
    Public,
    /// Anybody, through the HTTP front.
    Fronted,
    /// Other roles only.
    Private,
}

impl Exposure {
    /// The word for it in what is printed.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Fronted => "fronted",
            Self::Private => "private",
        }
    }
}

/// The application's rule for TLS on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// From the first byte on these port numbers (RFC 8314 section 3), by STARTTLS or STLS on any other.
    ImplicitOn(&'static [u16]),
    /// Always by STARTTLS (RFC 3207).
    StartTls,
    /// From the first byte when this setting is `https`, else none.
    WhenHttps(&'static str),
    /// From the first byte when NODE_ENV is `production`, else none.
    InProduction,
}

/// What [`Tls`] came to, once the settings were known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Plain text only.
    None,
    /// Plain text at first; the client may ask for TLS.
    StartTls,
    /// TLS from the first byte.
    Implicit,
}

/// A port with its number and TLS as the settings make them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// The port's name.
    pub name: &'static str,
    /// The number that is listened on.
    pub number: u16,
    /// How TLS is spoken there.
    pub tls: TlsMode,
}

/// A setting that should hold a port number and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortError {
    /// The setting.
    pub setting: &'static str,
    /// What it holds.
    pub value: String,
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a port number (1 to 65535): {:?}", self.setting, self.value)
    }
}

impl std::error::Error for PortError {}

impl Port {
    /// The number and TLS mode under these settings. An empty setting counts as not given.
    pub fn resolve(&self, setting: &impl Fn(&str) -> Option<String>) -> Result<Listening, PortError> {
        let number = match setting(self.setting).filter(|value| !value.is_empty()) {
            None => self.number,
            Some(value) => match value.parse() {
                Ok(number) if number != 0 => number,
                _ => return Err(PortError { setting: self.setting, value }),
            },
        };
        Ok(Listening { name: self.name, number, tls: self.tls.mode(number, setting) })
    }

    /// The number for a process that may not take one below 1024: where TLS goes by the number, one with TLS from the
    /// first byte.
    #[must_use]
    pub fn unprivileged(&self) -> u16 {
        match self.tls {
            Tls::ImplicitOn(numbers) => {
                numbers.iter().copied().find(|number| *number >= 1024).unwrap_or(self.number)
            }
            Tls::StartTls | Tls::WhenHttps(_) | Tls::InProduction => self.number,
        }
    }
}

impl Tls {
    fn mode(self, number: u16, setting: &impl Fn(&str) -> Option<String>) -> TlsMode {
        let is = |key, wanted| setting(key).is_some_and(|value| value == wanted);
        let implicit = match self {
            Self::StartTls => return TlsMode::StartTls,
            Self::ImplicitOn(numbers) => {
                // The sample application goes by the last three digits, so that two installations on one
                // host, apart by an offset, keep the rule; its own defaults say so.
                let ending = is("POSTBOX_TLS_BY_ENDING", "true");
                let matches = |other: &u16| *other == number || (ending && other % 1000 == number % 1000);
                if !numbers.iter().any(matches) {
                    return TlsMode::StartTls;
                }
                true
            }
            Self::WhenHttps(key) => is(key, "https"),
            Self::InProduction => is("NODE_ENV", "production"),
        };
        if implicit { TlsMode::Implicit } else { TlsMode::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAPS: Port = Port {
        name: "imaps",
        number: 2993,
        published: 993,
        setting: "IMAP_PORT",
        exposure: Exposure::Public,
        tls: Tls::ImplicitOn(&[993, 2993]),
    };

    fn resolve(port: Port, settings: &[(&str, &str)]) -> Result<Listening, PortError> {
        port.resolve(&|key: &str| settings.iter().find(|(k, _)| *k == key).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn an_empty_setting_leaves_the_default() {
        assert_eq!(resolve(IMAPS, &[("IMAP_PORT", "")]).unwrap().number, 2993);
    }

    #[test]
    fn another_number_means_starttls() {
        assert_eq!(resolve(IMAPS, &[("IMAP_PORT", "1143")]).unwrap().tls, TlsMode::StartTls);
        assert_eq!(resolve(IMAPS, &[("IMAP_PORT", "6993")]).unwrap().tls, TlsMode::StartTls);
    }

    #[test]
    fn the_sample_goes_by_the_ending() {
        let settings = [("IMAP_PORT", "6993"), ("POSTBOX_TLS_BY_ENDING", "true")];
        assert_eq!(resolve(IMAPS, &settings).unwrap().tls, TlsMode::Implicit);
    }

    #[test]
    fn the_number_for_those_who_are_not_root_has_tls_from_the_first_byte() {
        let submission = Port { number: 2587, tls: Tls::ImplicitOn(&[465, 2465]), ..IMAPS };
        assert_eq!([submission, IMAPS].map(|port| port.unprivileged()), [2465, 2993]);
        assert_eq!(Port { number: 2525, tls: Tls::StartTls, ..IMAPS }.unprivileged(), 2525);
    }

    #[test]
    fn what_is_no_port_is_refused_by_name() {
        for wrong in ["0", "70000", "imap", "-1"] {
            let error = resolve(IMAPS, &[("IMAP_PORT", wrong)]).unwrap_err();
            assert!(error.to_string().starts_with("IMAP_PORT is not a port number"), "{error}");
        }
    }

    #[test]
    fn http_roles_go_by_their_protocol_and_the_store_by_the_environment() {
        let web = Port { tls: Tls::WhenHttps("WEB_PROTOCOL"), ..IMAPS };
        assert_eq!(resolve(web, &[("WEB_PROTOCOL", "http")]).unwrap().tls, TlsMode::None);
        assert_eq!(resolve(web, &[("WEB_PROTOCOL", "https")]).unwrap().tls, TlsMode::Implicit);
        let store = Port { tls: Tls::InProduction, ..IMAPS };
        assert_eq!(resolve(store, &[("NODE_ENV", "production")]).unwrap().tls, TlsMode::Implicit);
        assert_eq!(resolve(store, &[]).unwrap().tls, TlsMode::None);
    }
}
