//! The list of roles.

use std::io::Write;
use std::process::ExitCode;

use berth_catalogue::{ROLES, describe};

/// Prints the roles, for a person or as JSON.
pub fn print(json: bool) -> anyhow::Result<ExitCode> {
    let described: Vec<_> = ROLES.iter().map(|role| describe(role)).collect();
    let mut text = if json {
        serde_json::to_string_pretty(&described)?
    } else {
        let mut lines =
            vec!["Roles of the mail service; run one with `berth-init ROLE`:".to_owned(), String::new()];
        lines.extend(ROLES.iter().map(|role| format!("  {:<12} {}", role.name, role.serves)));
        lines.extend([String::new(), "More: berth-init --help".to_owned()]);
        lines.join("\n")
    };
    text.push('\n');
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
