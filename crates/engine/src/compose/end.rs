//! Containers that end, as the engine tells of them: `docker events`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::container::{ended_with, over_its_limit};

/// What is known of the ends of each container since somebody began to listen, by its id.
#[derive(Debug, Default)]
pub struct Ends(BTreeMap<String, End>);

#[derive(Debug, Default)]
struct End {
    count: u32,
    code: String,
    out_of_memory: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    actor: Actor,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

impl Ends {
    /// Takes in a line; one that is not understood tells nothing.
    pub fn hear(&mut self, line: &str) {
        let Ok(mut event) = serde_json::from_str::<Event>(line) else { return };
        let end = self.0.entry(event.actor.id).or_default();
        match event.action.as_str() {
            "oom" => end.out_of_memory = true,
            "die" => {
                end.count += 1;
                end.code = event.actor.attributes.remove("exitCode").unwrap_or_default();
            }
            _ => {}
        }
    }

    /// How a container ended: a part of a sentence.
    pub fn of(&self, id: &str, limit: u64) -> Option<String> {
        let end = self.0.get(id).filter(|end| end.count > 0)?;
        let how = if end.out_of_memory { over_its_limit(limit) } else { ended_with(&end.code) };
        Some(if end.count > 1 { format!("{how}, for the {}", ordinal(end.count)) } else { how })
    }
}

fn ordinal(number: u32) -> String {
    match number {
        2 => "second time".to_owned(),
        3 => "third time".to_owned(),
        more => format!("{more}th time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Docker 28.5.2 printed it, less the other labels.
    const DIE: &str = r#"{"status":"die","id":"31d6","from":"berth/tiny:test","Type":"container","Action":"die","Actor":{"ID":"31d6","Attributes":{"com.docker.compose.service":"bad","execDuration":"0","exitCode":"3","image":"berth/tiny:test","name":"try-bad-1"}},"scope":"local","time":1795860480,"timeNano":1795860480330506092}"#;

    #[test]
    fn ends_are_counted_with_the_last_code() {
        let mut ends = Ends::default();
        assert_eq!(ends.of("31d6", 0), None);
        ends.hear(DIE);
        ends.hear("not JSON");
        assert_eq!(ends.of("31d6", 0).unwrap(), "ended with code 3");
        ends.hear(DIE);
        assert_eq!(ends.of("31d6", 0).unwrap(), "ended with code 3, for the second time");
        assert_eq!(ends.of("the one before", 0), None);
        ends.hear(&DIE.replace("\"exitCode\":\"3\"", "\"exitCode\":\"13\""));
        assert_eq!(ends.of("31d6", 0).unwrap(), "ended with code 13 (unsettled-await), for the third time");
    }

    #[test]
    fn one_that_ran_out_of_memory_is_told_with_its_limit() {
        let mut ends = Ends::default();
        ends.hear(&DIE.replace(r#""Action":"die""#, r#""Action":"oom""#));
        assert_eq!(ends.of("31d6", 64_000_000), None, "it has not ended yet");
        ends.hear(DIE);
        let expected = "was killed because it used more memory than its limit of 64 MB";
        assert_eq!(ends.of("31d6", 64_000_000).unwrap(), expected);
    }
}
