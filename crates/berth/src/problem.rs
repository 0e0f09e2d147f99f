//! What the reader can do about an engine's error, and the exit code that it ends with.

use berth_engine::folder::FolderError;
use berth_engine::{EngineError, Holder};
use berth_report::{Code, Problem};

use crate::again;

/// An engine's error as a problem.
pub fn of(error: EngineError) -> anyhow::Error {
    let (code, hint) = match &error {
        EngineError::Folder(folder) => return of_folder_hint(folder).because_of(error),
        EngineError::Busy(busy) => return of_busy(busy, None),
        EngineError::Port { .. } => (Code::Unavailable, None),
        EngineError::Run { program, source } if source.kind() == std::io::ErrorKind::NotFound => {
            (Code::NotFound, Some(format!("is {} installed, and on PATH?", program.display())))
        }
        EngineError::Run { .. } => (Code::CannotRun, None),
        EngineError::Died { name, .. }
        | EngineError::Late { name, .. }
        | EngineError::Unhealthy { name, .. } => (
            Code::Unavailable,
            Some(format!("its whole log: {}", again::berth(&format!("logs {name} -n 100")))),
        ),
        EngineError::OtherEngine(_) => {
            (Code::Usage, Some("a second installation has a state folder of its own: --state DIR".to_owned()))
        }
        EngineError::Docker { line, said } => (Code::Failure, of_docker(line, &said.to_string())),
        EngineError::Refused { .. } => {
            (Code::Failure, Some(format!("what it is doing: {}", again::berth("status"))))
        }
        EngineError::NotRunning(_) => {
            (Code::Unavailable, Some(format!("what runs: {}", again::berth("status"))))
        }
        _ => (Code::Failure, None),
    };
    Told { code, hint }.because_of(error)
}

/// The preflight saw nobody there: the next one does, unless it is gone by then.
const PORT_HELD: &str =
    "stop what holds the port; or run berth up again, which names it and other ports that are free";

/// What may help against what docker says.
fn of_docker(line: &str, said: &str) -> Option<String> {
    if line.starts_with("docker pull ") {
        let hint =
            "is the name right, and is this host on the Internet? A registry of one's own: docker login";
        return Some(hint.to_owned());
    }
    let said = said.to_lowercase();
    let hints = [
        ("cannot connect to the docker daemon", "is it running? systemctl start docker"),
        (
            "permission denied while trying to connect",
            "run berth as root, or as a member of the group docker",
        ),
        ("port is already allocated", PORT_HELD),
        ("address already in use", PORT_HELD),
        ("no space left on device", "docker system df says what takes the room"),
    ];
    hints.into_iter().find(|(words, _)| said.contains(words)).map(|(_, hint)| hint.to_owned())
}

/// Ports that others hold, each on a line, and an offset at which none is held.
pub fn of_busy(busy: &[(String, u16, Option<Holder>)], free: Option<u16>) -> anyhow::Error {
    let one = |(name, port, holder): &(String, u16, Option<Holder>)| {
        let holder = holder.as_ref().map_or("another process".to_owned(), ToString::to_string);
        format!("port {port} of {name} is held by {holder}")
    };
    let what = match busy.len() {
        1 => "a port is taken".to_owned(),
        many => format!("{many} ports are taken"),
    };
    // One cause for all, with a line for each.
    let all: Vec<String> = busy.iter().map(one).collect();
    let problem = Problem::new(Code::Unavailable, what).because(anyhow::anyhow!(all.join("\n         ")));
    let other = free.map_or(String::new(), |offset| format!(", or use other ports: --port-offset {offset}"));
    let stop = if busy.len() == 1 { "stop that process" } else { "stop what holds them" };
    problem.hint(format!("{stop}{other}")).into()
}

/// A state folder's error as a problem.
pub fn of_folder(error: FolderError) -> anyhow::Error {
    of_folder_hint(&error).because_of(error)
}

struct Told {
    code: Code,
    hint: Option<String>,
}

impl Told {
    fn because_of(self, error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
        let mut problem = Problem::new(self.code, error.to_string());
        if let Some(source) = error.source() {
            // The error itself is the message; only what is behind it is a cause.
            let causes = std::iter::successors(Some(source), |cause| cause.source());
            let causes: Vec<String> = causes.map(ToString::to_string).collect();
            problem = problem.because(anyhow::anyhow!(causes.join(": ")));
        }
        self.hint.into_iter().fold(problem, Problem::hint).into()
    }
}

fn of_folder_hint(error: &FolderError) -> Told {
    let (code, hint) = match error {
        FolderError::Absent(_) => (Code::Unavailable, Some("make one: berth up; another place: --state DIR")),
        FolderError::Version { .. } => {
            (Code::Settings, Some("use the version of berth that made it, or another --state DIR"))
        }
        FolderError::Locked { .. } => {
            (Code::Unavailable, Some("wait until it is done, or end it with Ctrl-C"))
        }
        FolderError::TooLong(_) => (Code::Settings, Some("use a shorter path: --state DIR")),
        FolderError::File(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            (Code::Failure, Some("run berth as the owner of the state folder, or use another: --state DIR"))
        }
        FolderError::File(_) => (Code::Failure, None),
    };
    Told { code, hint: hint.map(ToOwned::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_once_with_its_cause_and_a_hint() {
        let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = of(EngineError::Run { program: "/x/berth-init".into(), source });
        assert_eq!(
            berth_report::tell(&error),
            "error: cannot run /x/berth-init\n  cause: permission denied\n"
        );
        assert_eq!(berth_report::code(&error), Code::CannotRun);
        let error = of(EngineError::Folder(FolderError::Absent("/x".into())));
        assert!(berth_report::tell(&error).starts_with("error: there is no installation in /x\n\nhint: "));
    }
}
