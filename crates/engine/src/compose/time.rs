//! Times and durations as Docker writes them.

use std::time::{Duration, SystemTime};

const DAY: u64 = 86_400;

/// A time of RFC 3339, as in `2026-11-28T10:01:04.808437523Z`. Docker's "never", the year 1, is no time.
#[must_use]
pub fn time(text: &str) -> Option<SystemTime> {
    let (date, rest) = text.split_once('T')?;
    let (clock, offset) = split_offset(rest)?;
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(whole, ':')?;
    let seconds = days(year, month, day)?.checked_mul(DAY)? + hour * 3600 + minute * 60 + second;
    let nanos = if fraction.is_empty() { 0 } else { format!("{fraction:0<9}").get(..9)?.parse().ok()? };
    let seconds = i64::try_from(seconds).ok()?.checked_sub(offset)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds.try_into().ok()?, nanos))
}

/// What stands before the offset from UTC, and that in seconds.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let (at, sign) = text.rfind('+').map(|at| (at, 1)).or_else(|| text.rfind('-').map(|at| (at, -1)))?;
    let [hours, minutes] = numbers(&text[at + 1..], ':')?;
    Some((&text[..at], sign * i64::try_from(hours * 3600 + minutes * 60).ok()?))
}

fn numbers<const N: usize>(text: &str, between: char) -> Option<[u64; N]> {
    let numbers: Option<Vec<u64>> = text.split(between).map(|part| part.parse().ok()).collect();
    numbers?.try_into().ok()
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let in_month =
        month.checked_sub(1).filter(|month| *month < 12).zip(day.checked_sub(1).filter(|day| *day < 31));
    let (month, day) = in_month?;
    // Years that begin with March, so that the day that comes and goes is the last one.
    let year = if month < 2 { year.checked_sub(1)? } else { year };
    let from_march = (month + 10) % 12;
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    (before + (153 * from_march + 2) / 5 + day).checked_sub(719_468)
}

/// A duration as Go writes it, as in `1m30s` or `500ms`.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, behind) = rest.split_at(end);
        let end = behind.find(|letter: char| letter.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        sum += Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        rest = behind;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_fractions_and_offsets() {
        let since = |text| time(text).unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        assert_eq!(since("1970-01-01T00:00:00Z"), 0);
        assert_eq!(since("2024-02-29T23:59:59.5Z"), 1_709_251_199_500);
        assert_eq!(since("2026-11-28T10:01:04.808437523Z"), 1_795_860_064_808);
        assert_eq!(since("2026-11-28T12:01:04.808437523+02:00"), 1_795_860_064_808);
        assert_eq!(since("2026-11-28T04:31:04.808-05:30"), 1_795_860_064_808);
        for text in ["0001-01-01T00:00:00Z", "", "yesterday", "2026-13-01T00:00:00Z", "2026-11-28"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, ms) in
            [("1m30s", 90_000), ("500ms", 500), ("1h0m0s", 3_600_000), ("1.5s", 1500), ("0s", 0)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(duration("30"), None);
        assert_eq!(duration("3 weeks"), None);
    }
}
