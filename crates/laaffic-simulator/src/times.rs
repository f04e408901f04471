//! Times as the vendor's lists write them: a date and a time of day in the platform's zone, which they do not name.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const DAY: i64 = 24 * 60 * 60;

/// How far the clocks of the platform are ahead of UTC. Which zone it uses is not documented; its makers live in +08:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ZoneOffset {
    /// Minutes ahead of UTC; negative is behind.
    pub minutes: i16,
}

impl Default for ZoneOffset {
    fn default() -> Self {
        Self { minutes: 8 * 60 }
    }
}

/// How the lists write their times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeForm {
    /// `2021-09-01 12:00:00`
    #[default]
    Documented,
    /// `2021-09-01T12:00:00`
    T,
    /// `2021-09-01 12:00:00.000`
    Fractions,
    /// Milliseconds since 1970 in UTC, a number.
    EpochMilliseconds,
}

impl TimeForm {
    /// This Unix second, in this form.
    pub(crate) fn write(self, unix: i64, zone: ZoneOffset) -> Value {
        match self {
            Self::Documented => json!(LocalTime::of(unix, zone).text(' ')),
            Self::T => json!(LocalTime::of(unix, zone).text('T')),
            Self::Fractions => json!(format!("{}.000", LocalTime::of(unix, zone).text(' '))),
            Self::EpochMilliseconds => json!(unix.saturating_mul(1000)),
        }
    }
}

/// A date and a time of day without a zone, in requests always as `YYYY-MM-DD HH:mm:ss`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct LocalTime {
    /// The Unix second in which it would be this time in UTC.
    as_utc: i64,
}

impl LocalTime {
    fn of(unix: i64, zone: ZoneOffset) -> Self {
        Self {
            as_utc: unix.saturating_add(60 * i64::from(zone.minutes)),
        }
    }

    /// The Unix second in which it is this time in the zone.
    pub(crate) fn unix(self, zone: ZoneOffset) -> i64 {
        self.as_utc - 60 * i64::from(zone.minutes)
    }

    fn text(self, between: char) -> String {
        let (year, month, day) = date_of(self.as_utc.div_euclid(DAY));
        let second = self.as_utc.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}")
    }
}

/// A text that is no time as the vendor's page writes it.
#[derive(Debug, thiserror::Error)]
#[error("not YYYY-MM-DD HH:mm:ss")]
pub(crate) struct NoTime;

impl TryFrom<String> for LocalTime {
    type Error = NoTime;

    fn try_from(text: String) -> Result<Self, NoTime> {
        let numbers: Vec<i64> = text
            .split(['-', ' ', ':'])
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| NoTime)?;
        let [year, month, day, hour, minute, second] = numbers[..] else {
            return Err(NoTime);
        };
        if !(0..=9999).contains(&year) || !(1..=12).contains(&month) {
            return Err(NoTime);
        }
        let time = Self {
            as_utc: day_of(year, month, day) * DAY + hour * 3600 + minute * 60 + second,
        };
        // What is too large somewhere, or written otherwise, comes back as another text.
        if time.text(' ') == text { Ok(time) } else { Err(NoTime) }
    }
}

// The proleptic Gregorian calendar in years that begin in March, so that the leap day is the last one (Howard Hinnant, "chrono-Compatible
// Low-Level Date Algorithms").
const DAYS_OF_400_YEARS: i64 = 146_097;
const FROM_MARCH_0000_TO_1970: i64 = 719_468;

/// The days from 1970-01-01 to this date.
fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let since_march = (month + 9) % 12;
    let day_of_year = (153 * since_march + 2) / 5 + day - 1;
    let day_of_era = year * 365 + year / 4 - year / 100 + day_of_year;
    era * DAYS_OF_400_YEARS + day_of_era - FROM_MARCH_0000_TO_1970
}

/// Year, month and day, so many days after 1970-01-01.
fn date_of(day: i64) -> (i64, i64, i64) {
    let day = day + FROM_MARCH_0000_TO_1970;
    let (era, day) = (day.div_euclid(DAYS_OF_400_YEARS), day.rem_euclid(DAYS_OF_400_YEARS));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let since_march = (5 * day_of_year + 2) / 153;
    let month = (since_march + 2) % 12 + 1;
    let year = era * 400 + year + i64::from(month <= 2);
    (year, month, day_of_year - (153 * since_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the vendor's published example.
    const PUBLISHED: i64 = 1_630_468_800;

    fn parsed(text: &str) -> Option<LocalTime> {
        LocalTime::try_from(text.to_owned()).ok()
    }

    #[test]
    fn every_form_in_every_zone() {
        let zone = |minutes| ZoneOffset { minutes };
        let default = ZoneOffset::default();
        for (form, zone, text) in [
            (TimeForm::Documented, default, json!("2021-09-01 12:00:00")),
            (TimeForm::Documented, zone(0), json!("2021-09-01 04:00:00")),
            (TimeForm::T, zone(-300), json!("2021-08-31T23:00:00")),
            (TimeForm::Fractions, zone(330), json!("2021-09-01 09:30:00.000")),
            (TimeForm::EpochMilliseconds, default, json!(1_630_468_800_000_i64)),
        ] {
            assert_eq!(form.write(PUBLISHED, zone), text);
        }
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        // A day and some seconds at a time, over leap years and the turn of centuries.
        for step in -30_000..30_000 {
            let unix = PUBLISHED + step * 86_407;
            let zone = ZoneOffset { minutes: -90 };
            let text = LocalTime::of(unix, zone).text(' ');
            assert_eq!(parsed(&text).map(|time| time.unix(zone)), Some(unix), "{text}");
        }
        assert_eq!(parsed("2024-02-29 23:59:59").unwrap().as_utc, 1_709_251_199);
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "2021-09-01",
            "2021-09-01T12:00:00",
            "2021-09-01 12:00",
            "2021-09-01 12:00:00.0",
            "2021-9-1 12:00:00",
            "2021-02-29 12:00:00",
            "2021-13-01 12:00:00",
            "2021-09-00 12:00:00",
            "2021-09-01 24:00:00",
            "2021-09-01 12:60:00",
            "2021-09-01 12:00:60",
            "2021-09-01 12:00:00 ",
            "2021 09 01 12 00 00",
            "9223372036854775807-09-01 12:00:00",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
