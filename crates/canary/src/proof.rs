//! What a proof says: its steps, how each came out, and how long it took.

use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// What was tried, and how it came out.
#[derive(Debug, Clone)]
pub struct Proof {
    /// How far it goes.
    pub extent: Extent,
    /// Every step, in the order in which they were done; skipped ones too.
    pub steps: Vec<Step>,
    /// From the first connection to the last.
    pub took: Duration,
}

impl Proof {
    /// Whether no step failed. A step is skipped only after a failed one, or when there is nothing to check with.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step.outcome, Outcome::Failed { .. }))
    }

    /// The names of the steps that the service has no door for.
    pub fn not_offered(&self) -> impl Iterator<Item = &'static str> {
        let missing = self.steps.iter().filter(|step| step.outcome == Outcome::NotOffered);
        missing.map(|step| step.name)
    }
}

impl Serialize for Proof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut proof = serializer.serialize_struct("Proof", 4)?;
        proof.serialize_field("passed", &self.passed())?;
        proof.serialize_field("extent", &self.extent)?;
        proof.serialize_field("took_ms", &self.took.as_millis())?;
        proof.serialize_field("steps", &self.steps)?;
        proof.end()
    }
}

/// How far a proof goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// Through a mailbox: mails were sent and seen.
    Mailbox,
    /// Without one: each door answers, and no more is known.
    Protocols,
}

/// One thing that was tried.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its name, for machines; it never changes: `submit`.
    pub name: &'static str,
    /// What it is, for people: `submit a mail over TLS with AUTH`.
    pub says: &'static str,
    /// How it came out.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
    /// From the 250 that took a mail over until the mailbox's owner was told, in the steps that measure it.
    #[serde(rename = "notified_after_ms", serialize_with = "maybe_milliseconds")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notified_after: Option<Duration>,
}

/// How a step came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// As it should.
    Ok,
    /// Not as it should.
    Failed {
        /// What could not be done, then each cause of the one before.
        because: Vec<String>,
        /// What the reader can do about it.
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// Not tried.
    Skipped {
        /// Why not.
        why: String,
    },
    /// Not tried, because the service has no door for it.
    #[serde(rename = "not-offered")]
    NotOffered,
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u128(duration.as_millis())
}

#[allow(clippy::ref_option, reason = "the signature is serde's")]
fn maybe_milliseconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_millis()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(outcome: Outcome) -> Step {
        Step {
            name: "submit",
            says: "submit a mail",
            outcome,
            took: Duration::from_micros(12_900),
            notified_after: None,
        }
    }

    #[test]
    fn a_proof_is_plain_json_with_times_in_milliseconds() {
        let because = vec!["cannot submit".to_owned(), "timed out".to_owned()];
        let notice = Step { notified_after: Some(Duration::from_millis(80)), ..step(Outcome::Ok) };
        let failed = step(Outcome::Failed { because, hint: Some("try".into()) });
        let skipped = step(Outcome::Skipped { why: "submit failed".into() });
        let absent = step(Outcome::NotOffered);
        let proof = Proof {
            extent: Extent::Mailbox,
            steps: vec![notice, failed, skipped, absent],
            took: Duration::from_secs(2),
        };
        let expected = serde_json::json!({"passed": false, "extent": "mailbox", "took_ms": 2000, "steps": [
            {"name": "submit", "says": "submit a mail", "outcome": "ok", "took_ms": 12, "notified_after_ms": 80},
            {"name": "submit", "says": "submit a mail", "outcome": "failed", "took_ms": 12,
             "because": ["cannot submit", "timed out"], "hint": "try"},
            {"name": "submit", "says": "submit a mail", "outcome": "skipped", "took_ms": 12, "why": "submit failed"},
            {"name": "submit", "says": "submit a mail", "outcome": "not-offered", "took_ms": 12},
        ]});
        assert_eq!(serde_json::to_value(&proof).unwrap(), expected);
    }

    #[test]
    fn a_skipped_step_alone_does_not_fail_a_proof() {
        let steps = vec![step(Outcome::Ok), step(Outcome::Skipped { why: "no key".into() })];
        assert!(Proof { extent: Extent::Mailbox, steps, took: Duration::ZERO }.passed());
    }
}
