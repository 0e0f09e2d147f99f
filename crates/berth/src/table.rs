//! What people compare, in columns.

use std::time::Duration;

use berth_control::PortTls;
use berth_engine::{Port, Seen};

/// Rows as lines whose columns stand below each other, indented by two.
pub fn columns(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(at, cell)| format!("{cell:<0$}", width(at)));
        format!("  {}\n", cells.collect::<Vec<_>>().join("   ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// What can be done without where there is no room, and is elsewhere: in `status --json`. The first goes first.
const LESS: [&str; 5] = ["INIT", "MAIN", "MEMORY", "RESTARTS", "FOR"];

/// How all roles are, in so many columns of text at most, if that is possible without what people look for first.
pub fn roles(seen: &[Seen], width: Option<usize>) -> String {
    let mut rows = all(seen);
    let is_wide = |rows: &[Vec<String>]| {
        let wide = columns(rows).lines().map(|line| line.chars().count()).max();
        width.is_some_and(|width| wide > Some(width))
    };
    let mut less = LESS.iter();
    while is_wide(&rows)
        && let Some(name) = less.next()
    {
        if let Some(at) = rows[0].iter().position(|head| head == name) {
            for row in &mut rows {
                row.remove(at);
            }
        }
    }
    columns(&rows)
}

/// The rows of all roles, with the names of the columns before them.
fn all(seen: &[Seen]) -> Vec<Vec<String>> {
    let head = ["ROLE", "STATE", "FOR", "READY AFTER", "RESTARTS", "INIT", "MAIN", "MEMORY", "PORT", "TLS"];
    let head = head.map(ToOwned::to_owned).to_vec();
    let number = |number: Option<u32>| number.map_or("-".to_owned(), |number| number.to_string());
    let after = |ms: Option<u64>| ms.map_or("-".to_owned(), |ms| time(Duration::from_millis(ms)));
    let ports = |seen: &Seen, cell: fn(&Port) -> String| match &seen.ports[..] {
        [] => "-".to_owned(),
        ports => ports.iter().map(cell).collect::<Vec<_>>().join(" "),
    };
    let row = |seen: &Seen| {
        vec![
            seen.name.clone(),
            seen.state.word().to_owned(),
            after(seen.for_ms),
            after(seen.ready_after_ms),
            restarts(seen),
            number(seen.init),
            number(seen.main),
            memory(seen),
            ports(seen, |port| port.listening.number.to_string()),
            ports(seen, |port| tls(port.listening.tls).to_owned()),
        ]
    };
    [head].into_iter().chain(seen.iter().map(row)).collect()
}

/// How often it was started again, and how long ago that was the last time.
fn restarts(seen: &Seen) -> String {
    match (seen.restarts, seen.main_for_ms) {
        (0, _) | (_, None) => seen.restarts.to_string(),
        (count, Some(ms)) => format!("{count}, {} ago", time(Duration::from_millis(ms))),
    }
}

/// The word for how TLS begins.
pub const fn tls(tls: PortTls) -> &'static str {
    match tls {
        PortTls::None => "none",
        PortTls::Starttls => "starttls",
        PortTls::Implicit => "implicit",
    }
}

/// What the last health checks of those said that are not well, or what they wait for, a line each.
pub fn reasons(seen: &[Seen]) -> String {
    let unwell = seen.iter().filter(|seen| !seen.state.is_good());
    let lines = unwell.filter_map(|seen| Some(format!("  {}: {}\n", seen.name, reason(seen)?)));
    let lines: String = lines.collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

fn reason(seen: &Seen) -> Option<String> {
    match (&seen.health, &seen.waiting_for[..]) {
        (Some(health), _) => Some(first_line(health).to_owned()),
        (None, []) => None,
        (None, needs) => {
            let needs: Vec<_> = needs.iter().map(|need| first_line(need)).collect();
            Some(format!("waits for {}", needs.join("; ")))
        }
    }
}

/// The first line of what a program says, which in a table has to do.
pub fn first_line(said: &str) -> &str {
    said.lines().next().unwrap_or_default()
}

/// Init and main in MB (10^6 bytes), and what both may have.
fn memory(seen: &Seen) -> String {
    let megabytes = |bytes: Option<u64>| {
        let tenths = bytes.map(|bytes| bytes / 100_000);
        tenths.map_or("-".to_owned(), |tenths| format!("{}.{}", tenths / 10, tenths % 10))
    };
    let limit = seen.memory_limit.map(|limit| format!(" of {}", limit / 1_000_000)).unwrap_or_default();
    match (seen.init_memory, seen.main_memory) {
        (None, None) => "-".to_owned(),
        // No init of ours is in front of it.
        (Some(_), None) if seen.main.is_none() && seen.image.is_some() => {
            format!("{}{limit} MB", megabytes(seen.init_memory))
        }
        (init, main) => format!("{} + {}{limit} MB", megabytes(init), megabytes(main)),
    }
}

/// A time that a person can compare: 840 ms, 3.2 s, 5 min, 7 h, 3 d.
pub fn time(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        1..120 => format!("{:.1} s", duration.as_secs_f32()),
        120..7200 => format!("{} min", duration.as_secs() / 60),
        7200..172_800 => format!("{} h", duration.as_secs() / 3600),
        seconds => format!("{} d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_engine::{Instance, State};

    #[test]
    fn columns_stand_below_each_other_without_blanks_at_the_end() {
        let rows = [["ROLE", "STATE"], ["smtp-bree", "up"]].map(|row| row.map(ToOwned::to_owned).to_vec());
        assert_eq!(columns(&rows), "  ROLE        STATE\n  smtp-bree   up\n");
    }

    #[test]
    fn in_a_narrow_window_the_table_does_without_what_is_looked_for_last() {
        let seen = sqlite();
        let all = roles(std::slice::from_ref(&seen), None);
        assert!(all.lines().all(|line| line.chars().count() > 90), "{all}");
        let names = |width| {
            let table = roles(std::slice::from_ref(&seen), Some(width));
            assert!(table.lines().all(|line| line.chars().count() <= width), "{table}");
            table
                .lines()
                .next()
                .unwrap()
                .split("  ")
                .map(str::trim)
                .filter(|n| !n.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(names(200), "ROLE STATE FOR READY AFTER RESTARTS INIT MAIN MEMORY PORT TLS");
        assert_eq!(names(80), "ROLE STATE FOR READY AFTER RESTARTS PORT TLS");
        assert_eq!(names(60), "ROLE STATE READY AFTER PORT TLS");
    }

    /// What a role waits for was told to programs alone.
    #[test]
    fn below_the_table_stands_what_a_health_check_said_or_what_is_waited_for() {
        let waiting_for =
            vec!["sqlite: 127.0.0.1:3456: cannot connect".to_owned(), "redis: no answer".to_owned()];
        let waits = Seen { waiting_for, state: State::Is(berth_control::State::Waiting), ..sqlite() };
        assert_eq!(
            reasons(&[sqlite(), waits.clone()]),
            "\n  sqlite-bree: waits for sqlite: 127.0.0.1:3456: cannot connect; redis: no answer\n"
        );
        let asked = Seen { health: Some("not ready\nmore".to_owned()), ..waits };
        assert_eq!(reasons(&[asked]), "\n  sqlite-bree: not ready\n");
        assert_eq!(reasons(&[sqlite()]), "");
    }

    fn sqlite() -> Seen {
        let listening = berth_control::Port { name: "sqlite".into(), number: 3456, tls: PortTls::Implicit };
        let ports = vec![Port { published: 3456, listening, address: None }];
        let instance = Instance { name: "sqlite-bree".into(), ports, ..Instance::default() };
        Seen {
            for_ms: Some(1000),
            ready_after_ms: Some(900),
            restarts: 3,
            main_for_ms: Some(1000),
            init: Some(123_456),
            main: Some(123_457),
            init_memory: Some(5_400_000),
            main_memory: Some(121_000_000),
            ..Seen::new(&instance, State::READY)
        }
    }

    #[test]
    fn times_are_short() {
        let told = [0, 840, 3210, 119_000, 300_000, 7_200_000, 200_000_000];
        let told = told.map(|ms| time(Duration::from_millis(ms)));
        assert_eq!(told, ["0 ms", "840 ms", "3.2 s", "119.0 s", "5 min", "2 h", "2 d"]);
    }
}
