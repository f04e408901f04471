//! Everything that is said to people in words of our own, on the page, in the JSON and by the commands: statuses, moments, shares, counts, and
//! in [`failure`] what a failure means and what to do about it.

pub mod failure;
pub mod trouble;

use std::time::{Duration, SystemTime};

use self::trouble::{BUDGET_RATIO, CLOCK_SKEW_SECONDS};
use crate::model::{CountByStatus, Status};

/// A clock that is off by so many seconds is no news: the vendor's `Date` has whole seconds.
const IN_STEP_SECONDS: f64 = 2.0;

/// A status for people.
pub fn status(status: Status) -> String {
    status.label().replace('_', " ")
}

/// A status for people who see no number beside it.
pub fn status_in_full(of: Option<Status>) -> String {
    match of {
        Some(Status::Unknown(Some(code))) => format!("unknown (the vendor's number {code})"),
        None | Some(Status::Unknown(None)) => "not reported".to_owned(),
        Some(of) => status(of),
    }
}

/// A sign for a status, so that it can be told without colour; plain characters, which no system turns into pictures.
pub fn sign(status: Status) -> &'static str {
    match status {
        Status::Pending => "○",
        Status::InProgress => "◐",
        Status::Completed => "✓",
        Status::Cancelled => "⊘",
        Status::ExecutionException => "✕",
        Status::Unknown(_) => "?",
    }
}

/// How long ago, in the two largest units that say something.
pub fn age(now: SystemTime, then: SystemTime) -> String {
    // Whole seconds: that something was 350 ms ago is no help to anybody.
    let seconds = now.duration_since(then).unwrap_or_default().as_secs();
    duration(Duration::from_secs(seconds))
}

/// A length of time, in the two largest units that say something.
pub fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let parts = match seconds {
        0 if !length.is_zero() => return format!("{} ms", length.as_millis()),
        0..60 => return format!("{seconds} s"),
        60..600 => [(minutes, "min"), (seconds % 60, "s")],
        600..3600 => return format!("{minutes} min"),
        3600..86_400 => [(hours, "h"), (minutes % 60, "min")],
        _ => [(days, "d"), (hours % 24, "h")],
    };
    let said = parts.iter().filter(|(number, _)| *number > 0);
    let said: Vec<_> = said.map(|(number, unit)| format!("{number} {unit}")).collect();
    said.join(" ")
}

/// The vendor's clock against ours, and whether that is trouble.
pub fn skew(seconds: f64) -> (String, bool) {
    let off = seconds.abs();
    if off < IN_STEP_SECONDS {
        return ("clock in step with the vendor's".to_owned(), false);
    }
    let length = Duration::try_from_secs_f64(off.round()).map_or_else(|_| "far".to_owned(), duration);
    let side = if seconds > 0.0 { "ahead of" } else { "behind" };
    let words = format!("the vendor's clock is {length} {side} this host's");
    if off > CLOCK_SKEW_SECONDS {
        (format!("{words}: repair time synchronisation (NTP)"), true)
    } else {
        (words, false)
    }
}

/// How much of the account's rate the flows ask for, and whether that is too much.
pub fn budget(ratio: f64) -> (String, bool) {
    let percent = (ratio * 100.0).ceil();
    if ratio > BUDGET_RATIO {
        let words = format!(
            "the flows ask for {percent} % of rate_limit, so every interval is {ratio:.1} times as long as configured: \
             raise rate_limit or lengthen the intervals"
        );
        (words, true)
    } else {
        (format!("{percent} % of rate_limit in use"), false)
    }
}

/// "2 completed, 1 in progress", without the statuses that nothing has.
pub fn counts(counts: &CountByStatus) -> String {
    let present = counts.iter().filter(|(_, count)| *count > 0);
    let said: Vec<_> = present.map(|(of, count)| format!("{count} {}", status(of))).collect();
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_at_most_two_units() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (600, "10 min"),
            (3599, "59 min"),
            (3600, "1 h"),
            (3661, "1 h 1 min"),
            (86_399, "23 h 59 min"),
            (86_400, "1 d"),
            (90_061, "1 d 1 h"),
            (864_000, "10 d"),
        ] {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(age(now, SystemTime::UNIX_EPOCH), words);
            assert_eq!(age(SystemTime::UNIX_EPOCH, now), "0 s", "a clock that was set back");
        }
        assert_eq!(duration(Duration::from_millis(500)), "500 ms");
    }

    #[test]
    fn a_clock_that_is_off_says_in_which_direction() {
        assert_eq!(skew(-1.4), ("clock in step with the vendor's".to_owned(), false));
        assert_eq!(
            skew(42.0),
            ("the vendor's clock is 42 s ahead of this host's".to_owned(), false)
        );
        let (words, trouble) = skew(-4000.0);
        assert!(trouble && words.contains("1 h 6 min behind"), "{words}");
        assert!(skew(f64::MAX).1);
    }

    #[test]
    fn a_budget_that_does_not_suffice_says_what_to_do() {
        assert_eq!(budget(0.245), ("25 % of rate_limit in use".to_owned(), false));
        let (words, trouble) = budget(1.6);
        assert!(
            trouble && words.contains("160 %") && words.contains("1.6 times"),
            "{words}"
        );
    }

    #[test]
    fn counts_leave_out_what_there_is_none_of() {
        let mut nodes = CountByStatus::default();
        for status in [
            Status::Completed,
            Status::Completed,
            Status::Pending,
            Status::ExecutionException,
        ] {
            nodes.add(status);
        }
        assert_eq!(counts(&nodes), "1 pending, 2 completed, 1 execution exception");
    }

    #[test]
    fn no_two_statuses_share_a_sign() {
        let signs: std::collections::HashSet<_> = Status::ALL.into_iter().map(sign).collect();
        assert_eq!(signs.len(), Status::COUNT);
    }
}
