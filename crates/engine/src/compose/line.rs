//! The docker commands, as a person would type them in the project's folder. Nothing here runs any.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// One docker command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(Vec<String>);

impl Line {
    /// `docker`, with these words.
    pub fn docker<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        Self(words.into_iter().map(Into::into).collect())
    }

    /// `docker compose`, with these words: its project's name and files are in `.env` beside them.
    fn compose(words: &[&str], names: &[String]) -> Self {
        Self::docker(["compose"].iter().chain(words).copied().chain(names.iter().map(String::as_str)))
    }

    /// What follows `docker`.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

/// As it can be given to a shell (POSIX, XCU 2.2.2: nothing is special inside single quotes).
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("docker")?;
        self.0.iter().try_for_each(|word| write!(f, " {}", quoted(word)))
    }
}

/// A word as a shell takes it.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@%+{}".contains(letter);
    if !word.is_empty() && word.chars().all(plain) && word != "{}" {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What the engine and the client are.
#[must_use]
pub fn version() -> Line {
    Line::docker(["version", "--format", "json"])
}

/// What the engine says of its host.
#[must_use]
pub fn info() -> Line {
    Line::docker(["info", "--format", "json"])
}

/// Where the engine is: what `DOCKER_HOST` or the context in use says.
#[must_use]
pub fn context() -> Line {
    Line::docker(["context", "inspect", "--format", "json"])
}

/// The version of Compose.
#[must_use]
pub fn compose_version() -> Line {
    Line::docker(["compose", "version", "--short"])
}

/// What Compose makes of files that are not in their place yet.
#[must_use]
pub fn config(place: &Path, draft: &Path, files: &[PathBuf]) -> Line {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut line = Line::docker(["compose", "--project-directory"]);
    line.0.extend([text(place), "--env-file".to_owned(), text(&draft.join(".env"))]);
    for file in files {
        line.0.extend(["--file".to_owned(), text(file)]);
    }
    line.0.extend(["config", "--format", "json"].map(ToOwned::to_owned));
    line
}

/// The ids of all containers of a project.
#[must_use]
pub fn containers(project: &str) -> Line {
    let label = format!("label=com.docker.compose.project={project}");
    Line::docker(["ps", "--all", "--quiet", "--no-trunc", "--filter", &label])
}

/// The names of all containers that run, with their projects and what they publish, in three columns.
#[must_use]
pub fn publishers() -> Line {
    Line::docker(["ps", "--format", "{{.Names}}\t{{.Label \"com.docker.compose.project\"}}\t{{.Ports}}"])
}

/// All that is known of these containers.
#[must_use]
pub fn inspect(ids: &[String]) -> Line {
    Line::docker(["container", "inspect"].into_iter().chain(ids.iter().map(String::as_str)))
}

/// All that is known of these images, as far as they are there.
#[must_use]
pub fn images<'a>(references: impl IntoIterator<Item = &'a str>) -> Line {
    Line::docker(["image", "inspect"].into_iter().chain(references))
}

/// The names of all volumes of a project.
#[must_use]
pub fn volumes(project: &str) -> Line {
    let label = format!("label=com.docker.compose.project={project}");
    Line::docker(["volume", "ls", "--quiet", "--filter", &label])
}

/// Removes these volumes, and what is in them.
#[must_use]
pub fn remove_volumes(names: &[String]) -> Line {
    Line::docker(["volume", "rm"].into_iter().chain(names.iter().map(String::as_str)))
}

/// Fetches an image.
#[must_use]
pub fn pull(reference: &str) -> Line {
    Line::docker(["pull", reference])
}

/// Builds the images of these services.
#[must_use]
pub fn build(services: &[String]) -> Line {
    Line::compose(&["build"], services)
}

/// Stops these services and removes their containers; their volumes stay.
#[must_use]
pub fn remove(services: &[String]) -> Line {
    Line::compose(&["rm", "--stop", "--force"], services)
}

/// Whom `up` may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// All services; what is no service any more goes.
    All,
    /// These, and what they need.
    WithNeeds(Vec<String>),
    /// These alone.
    Alone(Vec<String>),
}

/// Makes and starts what is missing or changed, in the order of needs. Images are there already.
#[must_use]
pub fn up(reach: &Reach) -> Line {
    let words = ["up", "--detach", "--no-build", "--quiet-pull"];
    match reach {
        Reach::All => Line::compose(&[&words[..], &["--remove-orphans"]].concat(), &[]),
        Reach::WithNeeds(services) => Line::compose(&words, services),
        Reach::Alone(services) => Line::compose(&[&words[..], &["--no-deps"]].concat(), services),
    }
}

/// Stops and removes all, within the time that each service is given; with `volumes` the data as well.
#[must_use]
pub fn down(volumes: bool) -> Line {
    let volumes: &[&str] = if volumes { &["--volumes"] } else { &[] };
    Line::compose(&[&["down", "--remove-orphans"], volumes].concat(), &[])
}

/// Runs a command beside a service's program.
#[must_use]
pub fn exec(service: &str, command: &[&str]) -> Line {
    Line::compose(&[&["exec", "--no-TTY", service], command].concat(), &[])
}

/// Runs a command in a container, by its id: without Compose, which would read all its files first.
#[must_use]
pub fn inside(container: &str, command: &[&str]) -> Line {
    Line::docker(["exec", container].iter().chain(command).copied())
}

/// The last lines that these services wrote, and with `follow` those to come, each with its container's name.
#[must_use]
pub fn logs(services: &[String], lines: usize, follow: bool) -> Line {
    let lines = lines.to_string();
    let follow: &[&str] = if follow { &["--follow"] } else { &[] };
    Line::compose(&[&["logs", "--no-color", "--tail", &lines], follow].concat(), services)
}

/// Tells of each container of a project that ends, from this time on. Health checks are events too, by the hundred, and
/// the engine remembers 256 events only.
#[must_use]
pub fn ends(project: &str, since: SystemTime) -> Line {
    let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let since = format!("{}.{:09}", since.as_secs(), since.subsec_nanos());
    let label = format!("label=com.docker.compose.project={project}");
    let filters = ["type=container", "event=die", "event=oom", &label];
    let filters = filters.into_iter().flat_map(|filter| ["--filter", filter]);
    Line::docker(["events", "--format", "json", "--since", &since].into_iter().chain(filters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn commands_are_those_that_a_person_would_type() {
        let cases = [
            (pull("a.test:5000/mail:1"), "docker pull a.test:5000/mail:1"),
            (build(&names(&["imap"])), "docker compose build imap"),
            (remove(&names(&["front"])), "docker compose rm --stop --force front"),
            (up(&Reach::All), "docker compose up --detach --no-build --quiet-pull --remove-orphans"),
            (
                up(&Reach::WithNeeds(names(&["imap"]))),
                "docker compose up --detach --no-build --quiet-pull imap",
            ),
            (
                up(&Reach::Alone(names(&["imap"]))),
                "docker compose up --detach --no-build --quiet-pull --no-deps imap",
            ),
            (down(false), "docker compose down --remove-orphans"),
            (down(true), "docker compose down --remove-orphans --volumes"),
            (
                exec("imap", &["berth-init", "restart"]),
                "docker compose exec --no-TTY imap berth-init restart",
            ),
            (
                inside("4711", &["berth-init", "status", "--json"]),
                "docker exec 4711 berth-init status --json",
            ),
            (logs(&names(&["imap"]), 20, false), "docker compose logs --no-color --tail 20 imap"),
            (logs(&[], 5, true), "docker compose logs --no-color --tail 5 --follow"),
            (
                containers("mail"),
                "docker ps --all --quiet --no-trunc --filter label=com.docker.compose.project=mail",
            ),
            (volumes("mail"), "docker volume ls --quiet --filter label=com.docker.compose.project=mail"),
            (images(["a:1", "b"]), "docker image inspect a:1 b"),
            (inspect(&names(&["4711"])), "docker container inspect 4711"),
            (
                ends("mail", SystemTime::UNIX_EPOCH + Duration::from_millis(1500)),
                "docker events --format json --since 1.500000000 --filter type=container --filter event=die --filter event=oom \
                 --filter label=com.docker.compose.project=mail",
            ),
            (
                config(Path::new("/s/c"), Path::new("/tmp/d"), &["/tmp/d/compose.yaml".into()]),
                "docker compose --project-directory /s/c --env-file /tmp/d/.env --file /tmp/d/compose.yaml \
                 config --format json",
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(line.to_string(), expected);
        }
    }

    #[test]
    fn what_a_shell_would_take_otherwise_is_quoted() {
        for (word, expected) in
            [("a b", "'a b'"), ("it's", r"'it'\''s'"), ("", "''"), ("$HOME", "'$HOME'"), ("a/b:1", "a/b:1")]
        {
            assert_eq!(quoted(word), expected);
        }
    }
}
