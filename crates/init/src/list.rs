//! The list of roles.

use std::process::ExitCode;

use berth_catalogue::{ROLES, describe};

use crate::print;

/// Prints the roles, for a person or as JSON.
pub fn run(json: bool) -> anyhow::Result<ExitCode> {
    if json {
        print::json(&ROLES.iter().map(|role| describe(role)).collect::<Vec<_>>())?;
    } else {
        let mut lines =
            vec!["Roles of the mail service; run one with `berth-init ROLE`:".to_owned(), String::new()];
        lines.extend(ROLES.iter().map(|role| format!("  {:<12} {}", role.name, role.serves)));
        lines.extend([String::new(), "More: berth-init --help".to_owned()]);
        print::lines(&lines)?;
    }
    Ok(ExitCode::SUCCESS)
}
