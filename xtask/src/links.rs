//! Links in the Markdown files: every relative one names a file that exists, and a heading in it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use fs_err as fs;
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use crate::outcome::Outcome;

/// Checks the links of these files. Nothing outside the repository is asked.
pub fn check(files: &[PathBuf]) -> Result<Outcome> {
    let (mut checked, mut broken) = (0, Vec::new());
    for file in files {
        let text = fs::read_to_string(file)?;
        for link in
            links(&text).into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
        {
            checked += 1;
            broken.extend(fault(file, &link).map(|fault| format!("{}: {link}: {fault}", file.display())));
        }
    }
    if !broken.is_empty() {
        bail!("broken links\n  {}", broken.join("\n  "));
    }
    Ok(Outcome::Ok(format!("{checked} links in {} files", files.len())))
}

/// What is wrong with a relative link of a file, if anything.
fn fault(file: &Path, link: &str) -> Option<&'static str> {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() { file.to_owned() } else { file.with_file_name(path) };
    if !target.exists() {
        return Some("there is no such file");
    }
    if heading.is_empty() {
        return None;
    }
    let Ok(text) = fs::read_to_string(&target) else { return Some("not a text, so it has no headings") };
    (!anchors(&text).contains(heading)).then_some("there is no such heading")
}

fn links(text: &str) -> Vec<String> {
    let targets = Parser::new(text).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.into_string())
        }
        _ => None,
    });
    targets.collect()
}

/// The anchors of a text's headings, as GitHub makes them: small letters, punctuation dropped, spaces to
/// hyphens, and a number after the second of equals.
fn anchors(text: &str) -> HashSet<String> {
    let mut anchors = HashSet::new();
    let mut heading: Option<String> = None;
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut heading {
                    *heading += &words;
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let anchor = slug(&heading.take().unwrap_or_default());
                let numbered = (1..=anchors.len()).map(|number| format!("{anchor}-{number}"));
                let free =
                    std::iter::once(anchor.clone()).chain(numbered).find(|name| !anchors.contains(name));
                anchors.extend(free);
            }
            _ => {}
        }
    }
    anchors
}

fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_a_file_and_a_heading_that_exist() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.md"), folder.path().join("b.md"));
        fs::write(&b, "# The `berth` command\n\n## Again\n\n## Again\n").unwrap();
        for (link, good) in [
            ("b.md", true),
            ("b.md#the-berth-command", true),
            ("b.md#again-1", true),
            ("#here", true),
            ("https://example.test/none", true),
            ("c.md", false),
            ("b.md#again-2", false),
            ("#there", false),
        ] {
            fs::write(&a, format!("# Here\n\n[link]({link})\n\n```\n[not a link](none.md)\n```\n")).unwrap();
            assert_eq!(check(std::slice::from_ref(&a)).is_ok(), good, "{link}");
        }
    }
}
