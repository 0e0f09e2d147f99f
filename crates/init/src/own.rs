//! Our own settings, `BERTH_*`.

use std::os::unix::process::parent_id;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use berth_control::Address;
use berth_report::{Code, Format, Problem};
use berth_supervise::Budget;
use serde::Deserialize;

/// The settings as the environment gives them.
#[derive(Debug, Deserialize)]
pub struct Own {
    /// The application's folder.
    pub app_dir: Option<PathBuf>,
    /// The `node` to use.
    pub node: Option<PathBuf>,
    /// The control socket, where there is no container.
    pub control: Option<PathBuf>,
    /// What is done when a role's program ends and nobody asked for it.
    #[serde(default)]
    pub restart: Restart,
    /// From the moment a role is no longer ready until its TERM.
    pub stop_delay: Option<Seconds>,
    /// How long a role's TERM may wait for a moment without clients.
    pub quiet: Option<Seconds>,
    pub drain: Option<Seconds>,
    pub grace: Option<Seconds>,
    pub ready_within: Option<Seconds>,
    pub need_within: Option<Seconds>,
    /// What V8's old space may take, in MiB.
    pub heap: Option<u32>,
    /// How long a sign of life may take.
    pub live_within: Option<Seconds>,
    /// How often a role is asked for one, if it is.
    pub live_every: Option<Seconds>,
    #[serde(default)]
    pub forward_usr1: bool,
    /// Whom we become when we are started as root.
    pub user: Option<String>,
    /// Which log lines are written: a level, or a list of target=level.
    pub log: Option<String>,
    pub log_format: Option<Format>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// We end with it: the container's engine decides.
    #[default]
    No,
    /// It is started again, within a budget.
    OnFailure,
    /// The same; and it is stopped as a failure when it does not answer any more.
    OnWedged,
}

impl Restart {
    /// The word for it, as it is read and told.
    pub const fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::OnFailure => "on-failure",
            Self::OnWedged => "on-wedged",
        }
    }

    /// How often it is started again after a failure.
    pub fn budget(self) -> Option<Budget> {
        (self != Self::No).then(Budget::default)
    }
}

/// A time in seconds, decimals allowed, up to a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Seconds(pub Duration);

impl TryFrom<String> for Seconds {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let year = 0.0..=365.0 * 24.0 * 3600.0;
        let seconds = text.parse().ok().filter(|seconds| year.contains(seconds));
        seconds
            .map(|seconds| Self(Duration::from_secs_f64(seconds)))
            .ok_or_else(|| format!("{text:?} is no number of seconds from 0 to a year"))
    }
}

impl Own {
    /// Reads them; tells of all that are wrong at once, by name. Not by `envy::from_env`, which panics where any
    /// variable at all is no UTF-8.
    pub fn read() -> Result<Self, Problem> {
        let own = envy::prefixed("BERTH_");
        let mut given: Vec<_> = environment().filter(|(key, _)| key.starts_with("BERTH_")).collect();
        // Compose's `${X:-}` passes on an empty value for what was not set.
        given.retain(|(_, value)| !value.is_empty());
        given.sort();
        own.from_iter::<_, Self>(given.clone()).map_err(|_| {
            let wrong = |pair: (String, String)| {
                let key = pair.0.clone();
                own.from_iter::<_, Self>([pair]).err().map(|error| format!("{key}: {error}"))
            };
            let wrong: Vec<_> = given.into_iter().filter_map(wrong).collect();
            Problem::new(Code::Settings, "settings of berth-init in the environment cannot be used")
                .because(anyhow::anyhow!(wrong.join("; ")))
        })
    }

    /// Where a running init is asked: the socket that was named, else that of the PID namespace.
    pub fn control_of_running(&self) -> std::io::Result<Address> {
        self.control.clone().map_or_else(Address::of_this_namespace, |path| Ok(Address::File(path)))
    }

    /// Where we are to be asked: at the socket that was named, else, in a container, at that of the PID namespace. Nowhere
    /// else, for there the namespace's name may be another's.
    pub fn control(&self) -> std::io::Result<Option<Address>> {
        match &self.control {
            Some(path) => std::path::absolute(path).map(|path| Some(Address::File(path))),
            None if is_first() => Address::of_this_namespace().map(Some),
            None if parent_id() == 1 => {
                Address::of_this_namespace().map(|address| (!address.is_of_the_machine()).then_some(address))
            }
            None => Ok(None),
        }
    }

    /// Whether the socket is ours by right, so that two on it are a mistake. Below an init of the engine's it is had by the
    /// first that comes.
    pub fn has_control_by_right(&self) -> bool {
        self.control.is_some() || is_first()
    }
}

fn is_first() -> bool {
    std::process::id() == 1
}

/// The environment, as far as it is UTF-8; no setting of the application or of ours is anything else.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_settings::OWN;
    use proptest::prelude::*;
    use serde::de::value::Error;
    use serde::de::{Deserializer, Error as _, Visitor};
    use serde::forward_to_deserialize_any;

    /// Tells which fields a struct asks for, as an error.
    struct Fields;

    impl<'de> Deserializer<'de> for Fields {
        type Error = Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            Err(Error::custom(fields.join(" ")))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("no struct"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    proptest! {
        /// Every setting with any text: it is read as what it says, or refused. None overflows later on.
        #[test]
        fn any_value_is_read_or_refused(
            setting in prop::sample::select(OWN),
            value in prop_oneof!["[-+]?[0-9]{0,12}[.e]?[0-9]{0,4}", "(true|no|inf|NaN|-0|1e999|json)[a-z]?", ".{0,9}"],
        ) {
            let given = [(setting.key.to_owned(), value.clone())];
            let read = envy::prefixed("BERTH_").from_iter::<_, Own>(given);
            let Ok(own) = read else { return Ok(()) };
            let times = [own.stop_delay, own.quiet, own.drain, own.grace, own.ready_within, own.need_within, own.live_within, own.live_every];
            for Seconds(time) in times.into_iter().flatten() {
                prop_assert!(time <= Duration::from_hours(365 * 24));
                prop_assert_eq!(value.parse::<f64>().map(Duration::from_secs_f64), Ok(time));
            }
            prop_assert!(own.heap.is_none_or(|heap| value.parse() == Ok(heap)));
            prop_assert!(!own.forward_usr1 || value == "true");
            let names_restart = setting.key == "BERTH_RESTART";
            prop_assert!(!names_restart || own.restart.word() == value);
        }

        #[test]
        fn a_time_that_is_written_is_read(milliseconds in 0..365 * 24 * 3600 * 1000u64) {
            let time = Duration::from_millis(milliseconds);
            let Seconds(read) = time.as_secs_f64().to_string().parse().unwrap();
            prop_assert!(read.abs_diff(time) < Duration::from_micros(1));
        }
    }

    #[test]
    fn the_manual_has_the_settings_that_are_read() {
        let read = Own::deserialize(Fields).unwrap_err().to_string();
        let mut read: Vec<_> =
            read.split(' ').map(|field| format!("BERTH_{}", field.to_uppercase())).collect();
        let mut told: Vec<_> = OWN.iter().map(|own| own.key).collect();
        read.sort();
        told.sort_unstable();
        assert_eq!(read, told);
    }
}
