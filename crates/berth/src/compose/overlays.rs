//! Which Compose files an installation is made of.

use berth_render::compose::OVERLAYS;
use berth_report::{Code, Problem, nearest};

/// The first of all.
const BASE: &str = "compose.yaml";

/// What the sample application is told besides.
const SAMPLE_OVERLAY: &str = "sample";
pub const BUILD: &str = "build";
pub const INJECTED: &str = "injected";
pub const STORES_ELSEWHERE: &str = "stores-elsewhere";
pub const FERRETDB: &str = "ferretdb";

/// Where there is a choice, one can be had.
const EITHER: [(&str, &str); 2] = [(BUILD, INJECTED), (FERRETDB, STORES_ELSEWHERE)];

/// No overlay at all, in the place of their names.
const NONE: &str = "none";

/// The files of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlays {
    chosen: Vec<&'static str>,
    /// Files that its owner has put beside ours.
    others: Vec<String>,
}

impl Overlays {
    /// Those that are asked for, else those that it had. `had` is a list as COMPOSE_FILE has it.
    pub fn choose(asked: &[String], had: Option<&str>) -> anyhow::Result<Self> {
        let had: Vec<&str> = had.unwrap_or(BASE).split(':').filter(|file| *file != BASE).collect();
        let (ours, others): (Vec<&str>, Vec<&str>) = had.into_iter().partition(|file| known(file).is_some());
        let names: Vec<&str> = match asked {
            [] => ours.into_iter().filter_map(known).collect(),
            asked if asked.iter().all(|name| name == NONE) => Vec::new(),
            asked => asked.iter().map(String::as_str).collect(),
        };
        if names.contains(&NONE) {
            let others: Vec<&str> = names.iter().copied().filter(|name| *name != NONE).collect();
            let message =
                format!("{NONE} means no overlay at all, and {} is asked for too", others.join(","));
            let hint = format!("one or the other: --overlay {}, or --overlay {NONE}", others.join(","));
            return Err(Problem::new(Code::Usage, message).hint(hint).into());
        }
        for name in &names {
            if !order().any(|known| known == *name) {
                let all: Vec<&str> = order().collect();
                let hint = match nearest(name, all.iter().copied()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("there are {}, and {NONE}", all.join(", ")),
                };
                return Err(Problem::new(Code::Usage, format!("there is no overlay {name:?}"))
                    .hint(hint)
                    .into());
            }
        }
        if let Some((one, other)) =
            EITHER.iter().find(|(one, other)| names.contains(one) && names.contains(other))
        {
            return Err(Problem::new(Code::Usage, format!("{one} and {other} exclude each other"))
                .hint("both say the same thing in another way: leave one out")
                .into());
        }
        let chosen = order().filter(|name| names.contains(name)).collect();
        Ok(Self { chosen, others: others.into_iter().map(ToOwned::to_owned).collect() })
    }

    pub fn has(&self, name: &str) -> bool {
        self.chosen.contains(&name)
    }

    /// Whether the sample application is told what it needs besides.
    pub fn sample(&self) -> bool {
        self.has(SAMPLE_OVERLAY)
    }

    /// The same, for the sample application or another.
    pub fn for_sample(mut self, sample: bool) -> Self {
        self.chosen =
            order().filter(|name| if *name == SAMPLE_OVERLAY { sample } else { self.has(name) }).collect();
        self
    }

    /// As `--overlay` takes them, with one more and without those that it replaces.
    pub fn asked_with(&self, more: Option<&'static str>, without: &[&str]) -> String {
        let kept = |name: &&str| self.has(name) && *name != SAMPLE_OVERLAY && !without.contains(name);
        let names: Vec<&str> = order().filter(|name| more == Some(*name) || kept(name)).collect();
        if names.is_empty() { NONE.to_owned() } else { names.join(",") }
    }

    /// As COMPOSE_FILE wants them.
    pub fn files(&self) -> String {
        let ours = self.chosen.iter().map(|name| format!("{name}.yaml"));
        [BASE.to_owned()]
            .into_iter()
            .chain(ours)
            .chain(self.others.iter().cloned())
            .collect::<Vec<_>>()
            .join(":")
    }
}

/// The overlays that there are, in the order in which they have to be given.
fn order() -> impl Iterator<Item = &'static str> {
    OVERLAYS.iter().filter_map(|(file, _)| file.strip_suffix(".yaml"))
}

/// The name of an overlay, from its file.
fn known(file: &str) -> Option<&'static str> {
    order().find(|name| file.strip_suffix(".yaml") == Some(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_overlay_that_is_spoken_of_is_there() {
        for name in [BUILD, INJECTED, SAMPLE_OVERLAY, FERRETDB, STORES_ELSEWHERE] {
            assert!(order().any(|known| known == name), "{name}");
        }
    }

    #[test]
    fn overlays_stand_in_their_order_whatever_that_of_asking() {
        let chosen = Overlays::choose(&names(&["forward-only", "ferretdb"]), None).unwrap();
        assert_eq!(chosen.files(), "compose.yaml:ferretdb.yaml:forward-only.yaml");
        assert_eq!(
            chosen.for_sample(true).files(),
            "compose.yaml:sample.yaml:ferretdb.yaml:forward-only.yaml"
        );
    }

    #[test]
    fn what_it_had_stays_with_its_owners_files_until_something_else_is_asked_for() {
        let files = "compose.yaml:sample.yaml:no-front.yaml:mine.yaml";
        let had = Some(files);
        assert_eq!(Overlays::choose(&[], had).unwrap().files(), files);
        assert_eq!(Overlays::choose(&names(&["none"]), had).unwrap().files(), "compose.yaml:mine.yaml");
        assert_eq!(Overlays::choose(&[], None).unwrap().files(), "compose.yaml");
    }

    #[test]
    fn a_slip_is_corrected_and_what_excludes_each_other_refused() {
        let told = |asked: &[&str]| berth_report::tell(&Overlays::choose(&names(asked), None).unwrap_err());
        assert_eq!(
            told(&["feretdb"]),
            "error: there is no overlay \"feretdb\"\n\nhint: did you mean ferretdb?\n"
        );
        assert_eq!(
            told(&["none", "ferretdb"]),
            "error: none means no overlay at all, and ferretdb is asked for too\n\n\
             hint: one or the other: --overlay ferretdb, or --overlay none\n"
        );
        assert!(
            told(&["ferretdb", "stores-elsewhere"])
                .starts_with("error: ferretdb and stores-elsewhere exclude")
        );
    }
}
