//! What is put into a calendar and an address book: unique, in a time that disturbs nobody, and full of what is
//! easily spoilt.

use crate::failure::Cause;

/// An event or a contact.
pub(crate) struct Item {
    /// The last part of its path.
    pub name: String,
    /// As it is sent: iCalendar (RFC 5545) or vCard (RFC 2426).
    pub text: String,
    /// The lines that have to come out as they were.
    lines: Vec<String>,
}

/// Long enough to be folded, with letters that need an escape and letters that are not ASCII.
const NOTE: &str = "This checks that what is put here comes out again\\, and is removed at once\\; Äpfel\\, Ωμέγα\\, 邮件 and a \
                    ship 🚢.";

/// The event's time: so long ago that no alarm rings and no view of today shows it.
pub(crate) const WHEN: [&str; 2] = ["20010203T040506Z", "20010203T050506Z"];

impl Item {
    pub fn event(token: &str, domain: &str) -> Self {
        let [start, end] = WHEN;
        let lines = [
            format!("UID:{token}-event@{domain}"),
            format!("DTSTART:{start}"),
            format!("DTEND:{end}"),
            format!("SUMMARY:berth canary {token}"),
            format!("DESCRIPTION:{NOTE}"),
        ];
        let stamp = format!("DTSTAMP:{start}");
        let head = [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//berth//canary//EN",
            "BEGIN:VEVENT",
            &stamp,
            "TRANSP:TRANSPARENT",
        ];
        Self::of(format!("{token}.ics"), &head, lines, &["END:VEVENT", "END:VCALENDAR"])
    }

    pub fn contact(token: &str, domain: &str) -> Self {
        let lines = [
            format!("UID:{token}-contact@{domain}"),
            format!("FN:berth canary {token}"),
            format!("N:{token};canary;;;"),
            format!("EMAIL:{token}@outside.invalid"),
            format!("NOTE:{NOTE}"),
        ];
        Self::of(format!("{token}.vcf"), &["BEGIN:VCARD", "VERSION:3.0"], lines, &["END:VCARD"])
    }

    fn of(name: String, head: &[&str], lines: [String; 5], tail: &[&str]) -> Self {
        let within = lines.iter().map(String::as_str);
        let all = head.iter().copied().chain(within).chain(tail.iter().copied());
        let text = all.map(|line| fold(line) + "\r\n").collect();
        Self { name, text, lines: lines.into() }
    }

    /// Whether this is what came out. A server may add lines, and put them in another order.
    pub fn compare(&self, text: &str) -> Result<(), Cause> {
        let came = unfold(text);
        let missing = self.lines.iter().find(|line| !came.lines().any(|other| other == line.as_str()));
        missing.map_or(Ok(()), |line| {
            let (name, _) = line.split_once(':').unwrap_or((line, ""));
            let there = came.lines().find(|other| other.starts_with(name));
            Err(Cause::Found(format!("a line was {line:?}, and is {there:?}")))
        })
    }
}

/// At most 75 octets a line, the rest on lines that begin with a blank, and no letter cut in two (RFC 5545 section
/// 3.1, RFC 2426 section 2.6).
fn fold(line: &str) -> String {
    let (mut folded, mut octets) = (String::new(), 0);
    for letter in line.chars() {
        if octets + letter.len_utf8() > 75 {
            folded.push_str("\r\n ");
            octets = 1;
        }
        folded.push(letter);
        octets += letter.len_utf8();
    }
    folded
}

fn unfold(text: &str) -> String {
    text.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_equal_to_itself_with_lines_moved_and_added() {
        for item in [Item::event("abc", "a.test"), Item::contact("abc", "a.test")] {
            item.compare(&item.text).unwrap();
            let mut lines: Vec<String> = unfold(&item.text).lines().map(ToOwned::to_owned).collect();
            lines.reverse();
            item.compare(&lines.join("\n")).unwrap();
        }
    }

    #[test]
    fn no_line_is_longer_than_it_may_be_and_the_note_is_folded() {
        let text = Item::event("0123456789abcdef0123456789abcdef", "example.test").text;
        assert!(text.split("\r\n").all(|line| line.len() <= 75), "{text}");
        assert!(text.contains("\r\n "));
    }

    #[test]
    fn a_changed_or_missing_line_is_noticed() {
        let item = Item::event("abc", "a.test");
        let spoilt = unfold(&item.text).replace("Äpfel", "?pfel");
        let told = item.compare(&spoilt).unwrap_err().to_string();
        assert!(told.starts_with("a line was \"DESCRIPTION:") && told.contains("?pfel"), "{told}");
        let told = item.compare("BEGIN:VCALENDAR").unwrap_err().to_string();
        assert!(told.ends_with("and is None"), "{told}");
    }
}
