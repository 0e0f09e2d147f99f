//! Whether this host and its engine can run the service: measured facts go in, all findings come out at once. Nothing
//! here measures anything.

use berth_report::{Code, Problem};

pub mod asked;
pub mod engine;
pub mod host;
pub mod measure;

mod here;
mod memory;

/// What counts: all is well, somebody should know, or it cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Ok,
    Warning,
    Refused,
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub about: &'static str,
    pub verdict: Verdict,
    pub says: String,
    pub hint: Option<String>,
}

impl Finding {
    pub fn ok(about: &'static str, says: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Ok, says: says.into(), hint: None }
    }

    pub fn warning(about: &'static str, says: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Warning, says: says.into(), hint: Some(hint.into()) }
    }

    pub fn refused(about: &'static str, says: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Refused, says: says.into(), hint: Some(hint.into()) }
    }
}

/// Findings as a table, each hint below its line.
pub fn told(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.about.len()).max().unwrap_or(0);
    let line = |finding: &Finding| {
        let word = match finding.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Refused => "REFUSED",
        };
        let hint = finding.hint.as_ref().map(|hint| format!("{:1$}hint: {hint}\n", "", 11 + width + 2));
        format!("  {word:<7}  {:<width$}  {}\n{}", finding.about, finding.says, hint.unwrap_or_default())
    };
    findings.iter().map(line).collect()
}

/// How many of them are well, in a line.
pub fn sum(findings: &[Finding]) -> String {
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let told = [(Verdict::Ok, "ok"), (Verdict::Warning, "to know"), (Verdict::Refused, "refused")];
    let told = told.into_iter().filter(|(verdict, _)| count(*verdict) > 0);
    let told: Vec<String> = told.map(|(verdict, word)| format!("{} {word}", count(verdict))).collect();
    format!("preflight: {}", told.join(", "))
}

/// An error when anything is refused.
pub fn verdict(findings: &[Finding]) -> Result<(), Problem> {
    match findings.iter().filter(|finding| finding.verdict == Verdict::Refused).count() {
        0 => Ok(()),
        1 => Err(Problem::new(Code::Unavailable, "the preflight refuses to go on, for the reason above")),
        many => Err(Problem::new(
            Code::Unavailable,
            format!("the preflight refuses to go on, for {many} reasons above"),
        )),
    }
}

/// Bytes as people compare them: MB and GB of powers of ten, as the tables have them.
fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_told_at_once_with_hints_below() {
        let findings = [
            Finding::ok("engine", "Docker 28.5.2"),
            Finding::warning("cgroup", "version 1", "use a newer system"),
            Finding::refused("memory", "too little", "leave out bree"),
            Finding::refused("ports", "25 is taken", "stop it"),
        ];
        let expected = "  ok       engine  Docker 28.5.2
  warning  cgroup  version 1
                   hint: use a newer system
  REFUSED  memory  too little
                   hint: leave out bree
  REFUSED  ports   25 is taken
                   hint: stop it
";
        assert_eq!(told(&findings), expected);
        assert_eq!(sum(&findings), "preflight: 1 ok, 1 to know, 2 refused");
        let error = verdict(&findings).unwrap_err();
        assert_eq!(error.to_string(), "the preflight refuses to go on, for 2 reasons above");
        assert!(verdict(&findings[..2]).is_ok());
    }

    #[test]
    fn bytes_are_short() {
        assert_eq!([bytes(402_653_184), bytes(25_276_502_016)], ["402 MB", "25.2 GB"]);
    }
}
