//! Durations in Prometheus' notation: `500ms`, `30s`, `1m30s`, `7d`.
//!
//! Source: <https://prometheus.io/docs/prometheus/latest/configuration/configuration/>, `<duration>`, and `ParseDuration` of
//! `prometheus/common`: whole numbers with the units `y`, `w`, `d`, `h`, `m`, `s`, `ms` in this order, each at most once, or a
//! plain `0`. A day has 24 hours, a week 7 days, a year 365 days.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::yaml::{Leaf, lenient, number_in_words};

/// The units in the order in which they may follow one another, with their length in milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 60 * 60 * 1000),
    ("w", 7 * 24 * 60 * 60 * 1000),
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// Prometheus counts nanoseconds in a signed 64 bit integer (292 years); what it refuses is refused here too.
const LONGEST_MS: u64 = (i64::MAX / 1_000_000).unsigned_abs();

/// Why a text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DurationError {
    /// It does not follow the notation.
    #[error("is not a duration; write it like 30s, 5m or 1m30s")]
    Notation,
    /// It is longer than the 292 years that Prometheus allows.
    #[error("is too long; the longest duration is 292y")]
    TooLong,
}

/// The duration that `text` writes in Prometheus' notation; may be zero.
///
/// # Errors
/// Where the text does not follow the notation or is longer than Prometheus allows.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(DurationError::Notation);
    }
    let mut milliseconds = 0_u64;
    let mut units = UNITS.iter();
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, after) = split_while(rest, |byte| byte.is_ascii_digit());
        let (unit, after) = split_while(after, |byte| !byte.is_ascii_digit());
        rest = after;
        if digits.is_empty() {
            return Err(DurationError::Notation);
        }
        // The iterator goes on from the last unit found, so a unit that comes twice or too late is not found.
        let (_, factor) = units.find(|(known, _)| *known == unit).ok_or(DurationError::Notation)?;
        // Digits alone can only be refused for being too many.
        let number: u64 = digits.parse().map_err(|_| DurationError::TooLong)?;
        milliseconds = number
            .checked_mul(*factor)
            .and_then(|part| milliseconds.checked_add(part))
            .filter(|sum| *sum <= LONGEST_MS)
            .ok_or(DurationError::TooLong)?;
    }
    Ok(Duration::from_millis(milliseconds))
}

fn split_while(text: &str, keep: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !keep(byte)).unwrap_or(text.len());
    // A byte that ends a run of digits, or a digit that ends a run of others, is always the first of a character.
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Writes a duration the way Prometheus does: `90s` is `1m30s`, but `90d` stays `90d` because weeks and years are used only where
/// nothing remains. Fractions of a millisecond are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrometheusDuration(pub Duration);

impl fmt::Display for PrometheusDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, factor) in UNITS {
            let factor = u128::from(factor);
            let only_exact = matches!(unit, "y" | "w");
            let number = rest / factor;
            if number > 0 && (!only_exact || rest.is_multiple_of(factor)) {
                write!(f, "{number}{unit}")?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

/// A duration of a configuration file, longer than zero; where none is given, so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct Interval<const DEFAULT: u64 = 1>(
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("title" = "duration", "pattern" = PATTERN)))]
    Duration,
);

/// The notation, for editors.
#[cfg(feature = "schema")]
const PATTERN: &str = "^(?!$)([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";

impl<const DEFAULT: u64> Interval<DEFAULT> {
    /// This duration; `None` for zero.
    pub fn new(duration: Duration) -> Option<Self> {
        (!duration.is_zero()).then_some(Self(duration))
    }

    /// The duration.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl<const DEFAULT: u64> Default for Interval<DEFAULT> {
    fn default() -> Self {
        Self(Duration::from_secs(DEFAULT))
    }
}

impl<const DEFAULT: u64> fmt::Display for Interval<DEFAULT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        PrometheusDuration(self.0).fmt(f)
    }
}

impl<const DEFAULT: u64> Leaf for Interval<DEFAULT> {
    const KIND: &'static str = "a duration";
    const HINT: &'static str = "write it like 30s, 5m or 1m30s";

    fn parse(text: &str, _: bool) -> Result<Self, String> {
        let told = || number_in_words(text, true);
        match parse_duration(text) {
            Ok(duration) => Self::new(duration).ok_or_else(|| format!("{} is zero; write at least 1ms", told())),
            Err(error) => Err(format!("{} {error}", told())),
        }
    }
}

impl<'de, const DEFAULT: u64> Deserialize<'de> for Interval<DEFAULT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient(deserializer)
    }
}

impl<const DEFAULT: u64> Serialize for Interval<DEFAULT> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_prometheus_reads() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("0w", 0),
            ("1ms", 1),
            ("500ms", 500),
            ("30s", 30_000),
            ("1m30s", 90_000),
            ("1h30m", 5_400_000),
            ("4d1h", 349_200_000),
            ("15d", 1_296_000_000),
            ("8w5d", 5_270_400_000),
            ("10y", 315_360_000_000),
            ("1y2w3d4h5m6s7ms", 33_019_506_007),
            ("007s", 7_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn refuses_what_prometheus_refuses() {
        for text in [
            "",
            "1",
            "60",
            "s",
            "1s1m",
            "5m5m",
            "1s2s",
            "-1w",
            "+1s",
            "1.5d",
            "1m 30s",
            " 1s",
            "1s ",
            "5 minutes",
            "1min",
            "1S",
            "10us",
            "1e3s",
            "d",
            "1d ",
            "٣s",
            "1ü",
            "zero",
        ] {
            assert_eq!(parse_duration(text), Err(DurationError::Notation), "{text:?}");
        }
        for text in [
            "293y",
            "294y",
            "999999999999999999999s",
            "292y365d",
            "9223372036855ms1s",
        ] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
        assert_eq!(parse_duration("293y"), Err(DurationError::TooLong));
        assert_eq!(parse_duration("99999999999999999999s"), Err(DurationError::TooLong));
        assert!(parse_duration("292y").is_ok());
    }

    #[test]
    fn writes_what_prometheus_writes() {
        for (seconds, text) in [
            (0, "0s"),
            (30, "30s"),
            (60, "1m"),
            (90, "1m30s"),
            (86_400, "1d"),
            (14 * 86_400, "2w"),
            (90 * 86_400, "90d"),
            (365 * 86_400, "1y"),
            (365 * 86_400 + 1, "365d1s"),
        ] {
            assert_eq!(PrometheusDuration(Duration::from_secs(seconds)).to_string(), text);
        }
        assert_eq!(PrometheusDuration(Duration::from_millis(1500)).to_string(), "1s500ms");
        assert_eq!(PrometheusDuration(Duration::from_nanos(1)).to_string(), "0s");
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(milliseconds in 0..=LONGEST_MS) {
            let duration = Duration::from_millis(milliseconds);
            prop_assert_eq!(parse_duration(&PrometheusDuration(duration).to_string()), Ok(duration));
        }

        #[test]
        fn no_text_is_a_reason_to_panic(text in ".*") {
            let _ = parse_duration(&text);
        }
    }
}
