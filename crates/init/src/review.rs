//! A role's settings, read and looked at before it is started: what they say, and all that is wrong with them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use berth_catalogue::concerns;
use berth_report::{Code, Problem};
use berth_role::{Listening, Role};
use berth_settings::{Finding, Settings, Severity};

use crate::needs::{self, NeedError, Needed};
use crate::own::{Own, environment};
use crate::{pem, powers};

/// What the settings of a role say.
pub struct Review {
    role: &'static Role,
    folder: PathBuf,
    pub settings: Settings,
    pub ports: Vec<Listening>,
    /// The file of the certificate that it serves, if it serves one.
    pub certificate: Option<PathBuf>,
    pub needs: Vec<Needed>,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
}

impl Review {
    /// Reads the settings of the application in this folder for a role. Contacts nobody.
    pub fn of(role: &'static Role, folder: &Path, own: &Own) -> Self {
        let settings = Settings::load(folder, environment());
        let get = |key: &str| settings.get(key).map(str::to_owned);
        let mut findings = settings.findings(|key| concerns(role, key));
        // A port that is none was told by the settings' own rules.
        let ports: Vec<_> = role.ports.iter().filter_map(|port| port.resolve(&get).ok()).collect();
        let needs = needs::hard(role, &get).unwrap_or_else(|error| {
            if let NeedError::Uri { setting, error } = error {
                let finding = Finding::refused(format!("cannot be used: {error}"));
                findings.push(settings.about(setting, finding));
            }
            Vec::new()
        });
        let certificate = pem::check(role, &settings, folder, &mut findings);
        findings.extend(powers::ports(role, &settings, &ports, own));
        findings.extend(powers::data(role, &settings, folder));
        findings.extend(own_name(&settings));
        findings.sort_by_key(|finding| finding.severity);
        Self { role, folder: folder.to_owned(), ports, certificate, needs, findings, settings }
    }

    /// What has to be said with this severity.
    pub fn said(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.severity == severity)
    }

    /// What the program gets beside what is in the environment.
    pub fn handed_over(&self) -> Environment {
        in_place_of_files(&self.settings)
    }

    /// Why the role is not started, in one line.
    pub fn refusal(&self) -> String {
        self.said(Severity::Refused).map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    /// Why the role is not started, for a person.
    pub fn problem(&self) -> Problem {
        let (name, folder) = (self.role.name, self.folder.display());
        let cause = unusable(&format!("the settings in {folder}"), &self.findings);
        let hint = format!("`berth-init check {name}` says this and what is only odd, and starts nothing");
        Problem::new(Code::Settings, format!("cannot start the role {name}")).hint(hint).because(cause)
    }
}

/// What is refused, each on a line of its own.
pub fn unusable(settings: &str, findings: &[Finding]) -> anyhow::Error {
    let refused = findings.iter().filter(|finding| finding.severity == Severity::Refused);
    let refused: Vec<_> = refused.map(|finding| format!("\n    {finding}")).collect();
    anyhow!("{settings} cannot be used:{}", refused.concat())
}

/// Variables to set, or to take away.
pub type Environment = Vec<(OsString, Option<OsString>)>;

/// The values of secrets from files, which the program gets in the place of the names of these files.
pub fn in_place_of_files(settings: &Settings) -> Environment {
    let given = settings.handed_over();
    given
        .flat_map(|(key, value)| [(key.into(), Some(value.into())), (format!("{key}_FILE").into(), None)])
        .collect()
}

/// The application takes a machine of that name for one on which it was developed.
fn own_name(settings: &Settings) -> Option<Finding> {
    let setting = settings.setting("WEB_HOST").filter(|setting| !setting.text().is_empty())?;
    let about = nix::sys::utsname::uname().ok()?;
    (about.nodename().to_str() == Some(setting.text())).then(|| {
        let message = "is what this host is called, and the application would start a browser in every role: \
                       give the host or the container another name";
        Finding::warned(message).of(setting.key()).at(setting.origin())
    })
}
