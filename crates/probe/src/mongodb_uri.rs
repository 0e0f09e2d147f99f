//! Where a document store is, as `mongodb://` says it (the drivers' "Connection String Spec").

use std::fmt;

use berth_role::TlsMode;

use crate::Target;

/// Where it listens when the URI does not say.
const PORT: u16 = 27017;

/// A document store: its hosts, and who we are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents {
    /// The hosts of the list; at least one.
    pub hosts: Vec<Target>,
    /// That host is meant, whatever part it plays in its set; else one that can be written.
    pub direct: bool,
    /// Who logs in, unless nobody does.
    pub login: Option<Login>,
}

/// A user of a document store.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
    /// The database that knows the user.
    pub(crate) source: String,
}

/// Leaves out what may be a secret.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why a URI cannot be used. No part of it is repeated, since a mistyped one may have its password anywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// The hosts are to be looked up in DNS.
    #[error(
        "mongodb+srv:// is not supported; write the hosts out: mongodb://HOST1,HOST2/DATABASE?tls=true&authSource=admin"
    )]
    Service,
    /// It is no URI of a document store.
    #[error("it does not begin with mongodb://")]
    Scheme,
    /// `@`, `:`, `/` and `%` have a meaning in a URI.
    #[error(
        "the user or the password holds a @, :, /, ? or % that is not percent-encoded, as %40, %3A, %2F, %3F or %25"
    )]
    Userinfo,
    /// A user cannot log in without a password.
    #[error("there is a user and no password")]
    NoPassword,
    /// Such a password would have to be normalised first (RFC 4013), by tables that are not in this program.
    #[error("a password with other than ASCII characters is not supported")]
    Password,
    /// There is no host, or one that cannot be.
    #[error("host {0} of the list is empty or no host")]
    Host(usize),
    /// The port of a host.
    #[error("the port of host {0} of the list is no number from 1 to 65535")]
    Port(usize),
    /// A host that is a path.
    #[error("host {0} of the list is a Unix socket, which is not supported")]
    Socket(usize),
    /// Directly is one host.
    #[error("directConnection=true with more than one host")]
    Direct,
    /// Both say something, and not the same.
    #[error("tls and ssl contradict each other")]
    Tls,
    /// An option that has to be true or false.
    #[error("the option {0} is neither true nor false")]
    Flag(&'static str),
    /// An option without which the store could not be asked as the application asks it.
    #[error("the option {0} is not supported")]
    Option(&'static str),
    /// Another way to log in.
    #[error("authMechanism is not supported but for SCRAM-SHA-256")]
    Mechanism,
}

/// Options that change how one connects. All others change what is done then, and are passed over, as drivers pass over
/// what they do not know.
const UNSUPPORTED: [&str; 4] =
    ["tlsCertificateKeyFile", "proxyHost", "sslClientCertificateKeyFile", "srvServiceName"];

impl Documents {
    /// Reads a URI.
    pub fn parse(uri: &str) -> Result<Self, UriError> {
        if uri.starts_with("mongodb+srv://") {
            return Err(UriError::Service);
        }
        let rest = uri.strip_prefix("mongodb://").ok_or(UriError::Scheme)?;
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (userinfo, hosts) = match authority.rsplit_once('@') {
            Some((userinfo, hosts)) => (Some(userinfo), hosts),
            None => (None, authority),
        };
        // What follows an unescaped `/` or `?` of a password looks like a database or options, and has the `@`.
        if database.contains('@') || userinfo.is_none() && options.contains('@') {
            return Err(UriError::Userinfo);
        }
        let options = Options::parse(options)?;
        let mode = if options.tls { TlsMode::Implicit } else { TlsMode::None };
        let hosts: Vec<_> =
            hosts.split(',').zip(1..).map(|(host, at)| target(host, at, mode)).collect::<Result<_, _>>()?;
        if options.direct && hosts.len() > 1 {
            return Err(UriError::Direct);
        }
        let source = options.source.or_else(|| Some(decoded(database)?).filter(|name| !name.is_empty()));
        let source = source.unwrap_or_else(|| "admin".to_owned());
        let login = userinfo.map(|userinfo| login(userinfo, source)).transpose()?;
        Ok(Self { hosts, direct: options.direct, login })
    }
}

fn login(userinfo: &str, source: String) -> Result<Login, UriError> {
    let (user, password) = userinfo.split_once(':').ok_or(UriError::NoPassword)?;
    let part = |text: &str| {
        if text.contains([':', '@']) {
            Err(UriError::Userinfo)
        } else {
            decoded(text).ok_or(UriError::Userinfo)
        }
    };
    let (user, password) = (part(user)?, part(password)?);
    if user.is_empty() || password.is_empty() {
        return Err(UriError::NoPassword);
    }
    if !password.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(UriError::Password);
    }
    Ok(Login { user, password, source })
}

fn target(text: &str, at: usize, mode: TlsMode) -> Result<Target, UriError> {
    let text = decoded(text).ok_or(UriError::Host(at))?;
    if text.contains('/') {
        return Err(UriError::Socket(at));
    }
    let (host, port) = match text.strip_prefix('[') {
        // RFC 3986 section 3.2.2
        Some(rest) => rest.split_once(']').ok_or(UriError::Host(at))?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(UriError::Port(at))?,
        None if port.is_empty() => PORT,
        None => return Err(UriError::Host(at)),
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(UriError::Host(at));
    }
    Ok(Target::new(host, port, mode))
}

/// What of the options counts here.
#[derive(Default)]
struct Options {
    tls: bool,
    direct: bool,
    source: Option<String>,
}

impl Options {
    fn parse(text: &str) -> Result<Self, UriError> {
        let (mut options, mut tls) = (Self::default(), [None; 2]);
        for option in text.split('&').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let is = |name: &str| key.eq_ignore_ascii_case(name);
            let flag = |name| match value {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(UriError::Flag(name)),
            };
            if is("tls") {
                tls[0] = Some(flag("tls")?);
            } else if is("ssl") {
                tls[1] = Some(flag("ssl")?);
            } else if is("directConnection") {
                options.direct = flag("directConnection")?;
            } else if is("loadBalanced") && flag("loadBalanced")? {
                return Err(UriError::Option("loadBalanced"));
            } else if is("authSource") {
                options.source = Some(decoded(value).ok_or(UriError::Option("authSource"))?);
            } else if is("authMechanism") && !["SCRAM-SHA-256", "DEFAULT"].contains(&value) {
                return Err(UriError::Mechanism);
            } else if let Some(name) = UNSUPPORTED.into_iter().find(|name| is(name)) {
                return Err(UriError::Option(name));
            }
        }
        if let [Some(tls), Some(ssl)] = tls
            && tls != ssl
        {
            return Err(UriError::Tls);
        }
        options.tls = tls.contains(&Some(true));
        Ok(options)
    }
}

/// Percent-encoded text (RFC 3986 section 2.1); none when a percent sign stands for itself.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next()?.bytes());
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(part[2..].bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(uri: &str) -> Documents {
        Documents::parse(uri).unwrap()
    }

    fn hosts(uri: &str) -> Vec<(String, u16)> {
        parsed(uri).hosts.into_iter().map(|target| (target.host, target.port)).collect()
    }

    fn who(uri: &str) -> [String; 3] {
        let Login { user, password, source } = parsed(uri).login.unwrap();
        [user, password, source]
    }

    #[test]
    fn every_host_of_the_list_has_a_port() {
        let at = |host: &str, port| (host.to_owned(), port);
        assert_eq!(hosts("mongodb://mongo"), [at("mongo", 27017)]);
        assert_eq!(
            hosts("mongodb://a:1,b,[::1]:3,[fe80::2],192.0.2.1:65535/mail?replicaSet=rs0"),
            [at("a", 1), at("b", 27017), at("::1", 3), at("fe80::2", 27017), at("192.0.2.1", 65535)]
        );
    }

    #[test]
    fn a_user_is_looked_for_where_the_uri_says() {
        assert_eq!(who("mongodb://u:p@h"), ["u", "p", "admin"]);
        assert_eq!(who("mongodb://u:p@h/mail"), ["u", "p", "mail"]);
        assert_eq!(who("mongodb://u:p@h/mail?AUTHSOURCE=adm%69n&w=majority"), ["u", "p", "admin"]);
        assert_eq!(
            who("mongodb://a%40b%3A:%2F%25%3Fp%20@h/?authMechanism=SCRAM-SHA-256"),
            ["a@b:", "/%?p ", "admin"]
        );
        assert_eq!(parsed("mongodb://h/mail").login, None);
    }

    #[test]
    fn tls_has_two_names() {
        let tls = |uri: &str| parsed(uri).hosts[0].tls;
        assert_eq!(tls("mongodb://h/?tls=true"), TlsMode::Implicit);
        assert_eq!(tls("mongodb://h?ssl=true&tls=true"), TlsMode::Implicit);
        assert_eq!(tls("mongodb://h/?tls=false"), TlsMode::None);
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_name() {
        for (uri, error) in [
            ("mongodb+srv://u:p@cluster.example.test/mail", UriError::Service),
            ("http://h", UriError::Scheme),
            ("", UriError::Scheme),
            ("mongodb://u:p@ss@h", UriError::Userinfo),
            ("mongodb://u:p/ss@h", UriError::Userinfo),
            ("mongodb://u:p?ss@h", UriError::Userinfo),
            ("mongodb://u:p:s@h", UriError::Userinfo),
            ("mongodb://u:50%@h", UriError::Userinfo),
            ("mongodb://u:%zz@h", UriError::Userinfo),
            ("mongodb://u:%+1@h", UriError::Userinfo),
            ("mongodb://u@h", UriError::NoPassword),
            ("mongodb://u:@h", UriError::NoPassword),
            ("mongodb://:p@h", UriError::NoPassword),
            ("mongodb://u:p%C3%A9@h", UriError::Password),
            ("mongodb://u:p%00@h", UriError::Password),
            ("mongodb://", UriError::Host(1)),
            ("mongodb://a,,b", UriError::Host(2)),
            ("mongodb://a,[::1", UriError::Host(2)),
            ("mongodb://[::1]x", UriError::Host(1)),
            ("mongodb://a b", UriError::Host(1)),
            ("mongodb://a:0", UriError::Port(1)),
            ("mongodb://a,b:65536", UriError::Port(2)),
            ("mongodb://::1", UriError::Port(1)),
            ("mongodb://%2Ftmp%2Fmongodb-27017.sock", UriError::Socket(1)),
            ("mongodb://a,b/?directConnection=true", UriError::Direct),
            ("mongodb://h/?tls=true&ssl=false", UriError::Tls),
            ("mongodb://h/?tls=yes", UriError::Flag("tls")),
            ("mongodb://h/?directConnection", UriError::Flag("directConnection")),
            ("mongodb://h/?loadBalanced=true", UriError::Option("loadBalanced")),
            ("mongodb://h/?tlsCertificateKeyFile=/run/key.pem", UriError::Option("tlsCertificateKeyFile")),
            ("mongodb://u:p@h/?authMechanism=MONGODB-X509", UriError::Mechanism),
        ] {
            assert_eq!(Documents::parse(uri), Err(error), "{uri}");
        }
    }

    /// As it has to be written in a URI (RFC 3986 section 2.1).
    fn encoded(text: &str) -> String {
        let codes: Vec<_> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        codes.concat()
    }

    proptest! {
        #[test]
        fn every_user_and_password_can_be_written(
            user in ".{1,9}", password in "[ -~]{1,9}", source in "[^\0]{1,9}", port in 1..=u16::MAX,
        ) {
            let written = [&user, &password, &source].map(|text| encoded(text));
            let [user_, password_, source_] = &written;
            let uri = format!("mongodb://{user_}:{password_}@h:{port}/?authSource={source_}");
            prop_assert_eq!(who(&uri), [user, password, source]);
            prop_assert_eq!(hosts(&uri), [("h".to_owned(), port)]);
        }

        /// What comes of it has a host and a port, and an error repeats nothing of it.
        #[test]
        fn any_text_is_a_store_or_told_without_repeating_it(
            parts in prop::collection::vec(prop_oneof![
                2 => prop::sample::select(&["mongodb://", "u", ":", "@", "/", "?", "&", ",", "%", "%4", "%40", "[", "]", "::1",
                    "27017", "0", "65536", "tls=", "true", "authSource=", "hunter2", "directConnection="][..]).prop_map(str::to_owned),
                1 => ".{0,4}",
            ], 0..12),
            is_store in prop::bool::weighted(0.8),
        ) {
            let uri = (if is_store { "mongodb://" } else { "" }).to_owned() + &parts.concat();
            match Documents::parse(&uri) {
                Ok(store) => {
                    prop_assert!(!store.hosts.is_empty());
                    prop_assert!(store.hosts.iter().all(|target| target.port > 0 && !target.host.is_empty()));
                    prop_assert!(store.login.is_none_or(|login| !login.user.is_empty() && !login.password.is_empty()));
                }
                Err(error) => prop_assert!(!error.to_string().contains("hunter2")),
            }
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let shown = format!("{:?}", parsed("mongodb://joe:hunter2@h/mail"));
        assert!(!shown.contains("hunter2") && !shown.contains("joe"), "{shown}");
        for uri in ["mongodb://joe:hunter2", "mongodb://joe:hunt:er2@h", "mongodb://joe:hunter2@h:x"] {
            let said = Documents::parse(uri).unwrap_err().to_string();
            assert!(!said.contains("hunter2") && !said.contains("joe"), "{said}");
        }
    }
}
