//! Whether Node is one that the application was made for: `engines.node` of its package.json, in npm's words for ranges.

use std::path::Path;

use berth_settings::Finding;
use serde::Deserialize;

#[derive(Deserialize)]
struct Package {
    engines: Option<Engines>,
}

#[derive(Deserialize)]
struct Engines {
    node: Option<String>,
}

/// What is to be said of this Node. It is asked for its version, which takes as long as starting it: so by `check` alone,
/// where nothing is supervised and its end is ours to wait for.
pub fn finding(node: &Path, folder: &Path) -> Option<Finding> {
    let package = fs_err::read(folder.join("package.json")).ok()?;
    let range = serde_json::from_slice::<Package>(&package).ok()?.engines?.node?;
    #[expect(clippy::disallowed_methods, reason = "check supervises nothing")]
    let asked = std::process::Command::new(node).arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    let version = exact(said.strip_prefix('v')?)?;
    let message = match allows(&range, version) {
        Some(true) => return None,
        Some(false) => format!("{} is {said}, and the application wants {range}", node.display()),
        None => format!("the application wants Node {range}, which is not understood here; this is {said}"),
    };
    Some(Finding::warned(message).of("engines"))
}

type Version = [u64; 3];

/// A whole version.
fn exact(text: &str) -> Option<Version> {
    partial(text).and_then(|(version, given)| (given == 3).then_some(version))
}

/// Whether a range allows a version; nothing when it is not understood. `||` between alternatives, each of which is
/// comparators that all have to hold, or `A - B`.
fn allows(range: &str, version: Version) -> Option<bool> {
    let mut allowed = false;
    for alternative in range.split("||") {
        allowed |= if let Some((from, to)) = alternative.split_once(" - ") {
            version >= partial(from.trim())?.0 && version < after(partial(to.trim())?)
        } else {
            let held: Option<Vec<bool>> =
                comparators(alternative).iter().map(|comparator| holds(comparator, version)).collect();
            held?.iter().all(|holds| *holds)
        };
    }
    Some(allowed)
}

/// The comparators of an alternative; npm lets white space stand between the sign and the version.
fn comparators(alternative: &str) -> Vec<String> {
    let mut comparators: Vec<String> = Vec::new();
    for word in alternative.split_whitespace() {
        match comparators.last_mut() {
            Some(last) if last.chars().all(|c| "<>=^~".contains(c)) => last.push_str(word),
            _ => comparators.push(word.to_owned()),
        }
    }
    comparators
}

fn holds(comparator: &str, version: Version) -> Option<bool> {
    let sign =
        &comparator[..comparator.len() - comparator.trim_start_matches(['<', '>', '=', '^', '~']).len()];
    let (floor, given) = partial(&comparator[sign.len()..])?;
    let next = after((floor, given));
    Some(match sign {
        ">=" => version >= floor,
        ">" => version >= if given == 3 { bump(floor, 2) } else { next },
        "<" => version < floor,
        "<=" => version < next,
        "" | "=" => version >= floor && version < next,
        "~" => version >= floor && version < if given < 2 { next } else { bump(floor, 1) },
        "^" => {
            let first = floor.iter().position(|part| *part > 0).unwrap_or(2).min(given.saturating_sub(1));
            version >= floor && version < bump(floor, first)
        }
        _ => return None,
    })
}

/// A version of which the end may be missing or `x`, and how many of its parts are there.
fn partial(text: &str) -> Option<(Version, usize)> {
    let mut version = [0; 3];
    let mut given = 0;
    let text = text.strip_prefix('v').unwrap_or(text);
    for (index, part) in text.split('.').enumerate() {
        if matches!(part, "" | "*" | "x" | "X") {
            return Some((version, given));
        }
        *version.get_mut(index)? = part.parse().ok()?;
        given = index + 1;
    }
    Some((version, given))
}

/// The first version after all that this one stands for.
fn after((version, given): (Version, usize)) -> Version {
    if given == 0 { [u64::MAX; 3] } else { bump(version, given - 1) }
}

/// The next version in which this part is another.
fn bump(version: Version, part: usize) -> Version {
    let mut next = [0; 3];
    next[..part].copy_from_slice(&version[..part]);
    next[part] = version[part].saturating_add(1);
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_mean_what_npm_means_by_them() {
        let cases = [
            (">=22.19", "22.19.0", true),
            (">=22.19", "22.18.9", false),
            ("18.20.4", "18.20.4", true),
            ("18.20.4", "18.20.5", false),
            (">= 18 < 21", "20.20.2", true),
            (">=18 <21", "21.0.0", false),
            ("^20.1 || >=22", "20.0.9", false),
            ("^20.1 || >=22", "20.9.0", true),
            ("^20.1 || >=22", "21.0.0", false),
            ("^0.2.3", "0.2.9", true),
            ("^0.2.3", "0.3.0", false),
            ("~18.2", "18.2.9", true),
            ("~18.2", "18.3.0", false),
            ("~18", "18.9.0", true),
            ("20.x", "20.5.0", true),
            ("20", "21.0.0", false),
            ("18 - 20", "20.9.9", true),
            ("18 - 20.1.0", "20.1.1", false),
            (">18", "18.9.0", false),
            (">18", "19.0.0", true),
            ("<=20", "20.9.0", true),
            ("*", "1.0.0", true),
            ("", "1.0.0", true),
        ];
        for (range, version, expected) in cases {
            let version = exact(version).unwrap();
            assert_eq!(allows(range, version), Some(expected), "{range} {version:?}");
        }
        assert_eq!(allows(">=20.0.0-rc.1", [20, 0, 0]), None);
        assert_eq!(allows("lts/*", [20, 0, 0]), None);
    }
}
