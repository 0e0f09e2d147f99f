//! What JavaScript means by white space and by numbers (ECMA-262), where Rust means something else.

/// White space and line terminators: Unicode's, less U+0085, and the byte order mark.
pub fn is_space(c: char) -> bool {
    c == '\u{feff}' || (c != '\u{85}' && c.is_whitespace())
}

/// Where a `.` of a regular expression stops; carriage return and line feed never get that far here.
pub fn ends_line(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// What `Number(text)` gives, if that is a number.
pub fn number(text: &str) -> Option<f64> {
    let text = text.trim_matches(is_space);
    let radix = text.get(..2).and_then(|prefix| match prefix {
        "0x" | "0X" => Some(16),
        "0o" | "0O" => Some(8),
        "0b" | "0B" => Some(2),
        _ => None,
    });
    if let Some(radix) = radix {
        return whole(&text[2..], radix);
    }
    let (sign, digits) = match text.strip_prefix(['+', '-']) {
        Some(rest) if text.starts_with('-') => (-1.0, rest),
        Some(rest) => (1.0, rest),
        None => (1.0, text),
    };
    if digits == "Infinity" {
        return Some(sign * f64::INFINITY);
    }
    // Rust also reads `inf`, `nan` and a second sign.
    let decimal = digits.starts_with(|c: char| c == '.' || c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    if decimal { digits.parse().ok().map(|number: f64| sign * number) } else { None }
}

/// Digits of a power of two, rounded once, to the nearest and ties to even.
fn whole(digits: &str, radix: u32) -> Option<f64> {
    let values: Vec<_> = digits.chars().map(|c| c.to_digit(radix)).collect::<Option<_>>()?;
    if values.is_empty() {
        return None;
    }
    let (mut head, mut dropped) = (0_u128, 0);
    for value in values {
        if head >> 120 == 0 {
            head = head * u128::from(radix) + u128::from(value);
        } else {
            // More bits than any rounding looks at, but for whether one of them is set.
            head |= u128::from(value != 0);
            dropped += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "it is what a JavaScript number does")]
    let number = head as f64;
    Some(number * f64::from(radix).powi(dropped))
}

/// What `String(number)` gives.
pub fn text(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    let shortest = format!("{number:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let zeros = |count: usize| "0".repeat(count);
    let unsigned = match usize::try_from(point) {
        Ok(point @ 1..=21) if point >= digits.len() => format!("{digits}{}", zeros(point - digits.len())),
        Ok(point @ 1..=21) => format!("{}.{}", &digits[..point], &digits[point..]),
        _ if (-5..=0).contains(&point) => format!("0.{}{digits}", zeros(point.unsigned_abs() as usize)),
        _ => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            format!("{first}{dot}{rest}e{:+}", point - 1)
        }
    };
    format!("{sign}{unsigned}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As in JavaScript: the text of a number is the shortest that is read as the same number.
        #[test]
        fn every_number_that_is_written_is_read(value in any::<f64>()) {
            prop_assume!(value.is_finite());
            let written = text(value);
            prop_assert_eq!(number(&written), Some(value), "{}", &written);
            prop_assert!(written.len() <= 25, "{}", written);
        }

        /// Whatever is read as one is made of what numbers are made of, and is no NaN.
        #[test]
        fn no_other_text_is_a_number(text in prop_oneof!["[0-9a-fxobXOBeE.+ -]{0,12}", ".{0,8}", "0x[0-9a-f]{0,400}"]) {
            if let Some(read) = number(&text) {
                let bare = text.trim_matches(is_space);
                prop_assert!(!read.is_nan());
                prop_assert!(bare.ends_with("Infinity") || bare.chars().all(|c| c.is_ascii_hexdigit() || "xobXOB.+-".contains(c)));
                prop_assert_eq!(number(&super::text(read)), Some(if read == 0.0 { 0.0 } else { read }));
            }
        }
    }

    #[test]
    fn a_number_is_what_javascript_takes_for_one() {
        let numbers = [
            ("12", 12.0),
            (" \u{feff}-1.5e3 ", -1500.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("0x1F", 31.0),
            ("0b101", 5.0),
            ("123e4567890", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
        ];
        for (text, expected) in numbers {
            assert_eq!(number(text), Some(expected), "{text:?}");
        }
        for text in ["", " ", "NaN", "nan", "inf", "infinity", "+-1", "1_000", "0x", "-0x1", "1e", ".", "12a"]
        {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_number_becomes_the_text_that_javascript_gives_it() {
        let texts = [
            ("12345678901234567890123456789012", "1.2345678901234567e+31"),
            ("007", "7"),
            ("-0", "0"),
            ("1e21", "1e+21"),
            ("1e20", "100000000000000000000"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("12.50", "12.5"),
            ("0xffffffffffffffffffffffffffffffffffffffffff", "3.7414441915671115e+50"),
        ];
        for (written, expected) in texts {
            assert_eq!(number(written).map(text).as_deref(), Some(expected), "{written}");
        }
    }
}
