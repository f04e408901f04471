//! Times, as the vendor's pages and those who run the same platform write them.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::model::WrittenTime;

/// From here on a number counts milliseconds: as seconds it would be the year 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// From when on seconds are counted, in whatever zone.
pub(in crate::api) const BEGINNING: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// The moment that a text says: `2025-11-24 08:00:00` as documented, the same with a `T`, with a fraction of a second or with a zone
/// (ISO 8601), or Unix time in seconds or milliseconds. `None` for anything else.
pub(super) fn moment(text: &str) -> Option<WrittenTime> {
    if let Ok(number) = text.parse::<i64>() {
        let seconds = if number >= MILLISECONDS_FROM {
            number / 1000
        } else {
            number
        };
        return (number > 0).then_some(WrittenTime::Unix(seconds));
    }
    if let Ok(zoned) = text.parse::<Timestamp>() {
        return Some(WrittenTime::Unix(zoned.as_second()));
    }
    // A day alone could be any moment of it.
    let local: DateTime = text.contains(['T', ' ']).then(|| text.parse().ok())??;
    Some(WrittenTime::Local(local.duration_since(BEGINNING).as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        for (text, expected) in [
            ("2025-11-24 08:00:00", WrittenTime::Local(1_763_971_200)),
            ("2025-11-24T08:00:00", WrittenTime::Local(1_763_971_200)),
            ("2025-11-24 08:00:00.123", WrittenTime::Local(1_763_971_200)),
            ("2025-11-24T08:00:00+08:00", WrittenTime::Unix(1_763_942_400)),
            ("2025-11-24T08:00:00.000Z", WrittenTime::Unix(1_763_971_200)),
            ("20251124T080000", WrittenTime::Local(1_763_971_200)),
            ("9999-12-31 23:59:59", WrittenTime::Local(253_402_300_799)),
            ("1763971200", WrittenTime::Unix(1_763_971_200)),
            ("1763971200999", WrittenTime::Unix(1_763_971_200)),
        ] {
            assert_eq!(moment(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment() {
        for text in [
            "",
            "yesterday",
            "2025-13-01 00:00:00",
            "2025-11-24 25:00:00",
            "2025-11-24",
            "08:00:00",
            "0",
            "-5",
            "1.5",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
