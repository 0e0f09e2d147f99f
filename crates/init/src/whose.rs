//! Which role is meant where none is named: that of the init that runs here.

use berth_catalogue::names;
use berth_report::{Code, Problem};

use crate::ask::Running;

/// The role that is named, else the one that the running init looks after.
pub fn role(named: Option<String>) -> Result<String, Problem> {
    let unknown = |why: String| {
        let roles: Vec<&str> = names().collect();
        Problem::new(Code::Usage, format!("no role is named, and {why}"))
            .hint(format!("name one: {}", roles.join(", ")))
    };
    if let Some(name) = named {
        return Ok(name);
    }
    match Running::here().and_then(|init| init.status()) {
        Ok(status) => status.role.ok_or_else(|| unknown("what runs here is none".to_owned())),
        Err(error) => Err(unknown("no running init says which one is meant".to_owned()).because(error)),
    }
}
