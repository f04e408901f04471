//! Durations in Go's notation, as `time.ParseDuration` reads them: `1s`, `250ms`, `1m30s`, `1.5h`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::yaml::{Leaf, lenient, number_in_words};

/// A duration in Go's notation; none is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct GoDuration(pub(super) Duration);

impl Leaf for GoDuration {
    const KIND: &'static str = "a duration";
    const HINT: &'static str = "write it like 1s, 250ms or 1m30s";

    fn parse(text: &str, plain: bool) -> Result<Self, String> {
        // As everywhere in this file, an empty text counts as none.
        let duration = if text.is_empty() {
            Some(Duration::ZERO)
        } else {
            parse(text)
        };
        duration
            .map(Self)
            .ok_or_else(|| format!("{} is not {}; {}", number_in_words(text, plain), Self::KIND, Self::HINT))
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient(deserializer)
    }
}

const UNITS: [(&str, f64); 7] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// Go counts nanoseconds in a signed 64 bit integer.
const LONGEST: f64 = 9_223_372_036.0;

/// The duration that `text` writes; `None` where it is not one that makes sense here, where none is negative.
fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() || seconds == 0.0 && rest.len() == text.len() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let (_, factor) = UNITS.iter().find(|(known, _)| *known == unit)?;
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    (seconds <= LONGEST).then(|| Duration::try_from_secs_f64(seconds).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("1s", 1000),
            ("250ms", 250),
            ("1.5s", 1500),
            (".5s", 500),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("2000us", 2),
            ("2000µs", 2),
            ("1000000ns", 1),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for text in [
            "",
            "1",
            "s",
            "-1s",
            "1d",
            "1 s",
            "1s ",
            "1..5s",
            ".s",
            "1sm",
            "9999999999999h",
            "x",
            "1s2",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
