//! Moments, shares and counts in the page's words.

use std::time::{Duration, SystemTime};

use crate::model::{CountByStatus, Status};

/// A clock that is off by so many seconds is no news: the vendor's `Date` has whole seconds.
const IN_STEP_SECONDS: f64 = 2.0;

/// A clock that is off by more than this soon makes requests be refused.
const FAR_OFF_SECONDS: f64 = 60.0;

/// A status for people.
pub(super) fn status(status: Status) -> String {
    status.label().replace('_', " ")
}

/// A sign for a status, so that it can be told without colour; plain characters, which no system turns into pictures.
pub(super) fn sign(status: Status) -> &'static str {
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
pub(super) fn age(now: SystemTime, then: SystemTime) -> String {
    // Whole seconds: that something was 350 ms ago is no help to anybody.
    let seconds = now.duration_since(then).unwrap_or_default().as_secs();
    duration(Duration::from_secs(seconds))
}

/// A length of time, in the two largest units that say something.
pub(super) fn duration(length: Duration) -> String {
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
pub(super) fn skew(seconds: f64) -> (String, bool) {
    let off = seconds.abs();
    if off < IN_STEP_SECONDS {
        return ("clock in step with the vendor's".to_owned(), false);
    }
    let length = Duration::try_from_secs_f64(off.round()).map_or_else(|_| "far".to_owned(), duration);
    let side = if seconds > 0.0 { "ahead of" } else { "behind" };
    let words = format!("the vendor's clock is {length} {side} this host's");
    if off > FAR_OFF_SECONDS {
        (format!("{words}: repair time synchronisation (NTP)"), true)
    } else {
        (words, false)
    }
}

/// How much of the account's rate the flows ask for, and whether that is too much.
pub(super) fn budget(ratio: f64) -> (String, bool) {
    let percent = (ratio * 100.0).ceil();
    if ratio > 1.0 {
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
pub(super) fn counts(counts: &CountByStatus) -> String {
    let present = counts.iter().filter(|(_, count)| *count > 0);
    let said: Vec<_> = present.map(|(of, count)| format!("{count} {}", status(of))).collect();
    said.join(", ")
}

/// A part of the bar: from where, how wide, for which status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) x: u64,
    pub(super) width: u64,
    pub(super) status: Status,
}

/// The bar's width in the units of its drawing.
pub(super) const BAR: u64 = 100;

/// The bar's parts; together they fill it, and none that stands for something is too narrow to be seen.
pub(super) fn segments(counts: &CountByStatus) -> Vec<Segment> {
    const LEAST: u64 = 3;
    let total: u64 = counts.iter().map(|(_, count)| u64::from(count)).sum();
    let present: Vec<_> = counts.iter().filter(|(_, count)| *count > 0).collect();
    let shared = BAR.saturating_sub(LEAST * u64::try_from(present.len()).unwrap_or_default());
    let mut before = 0;
    let mut x = 0;
    let mut segments = Vec::with_capacity(present.len());
    for (status, count) in present {
        let start = shared * before / total;
        before += u64::from(count);
        let width = LEAST + shared * before / total - start;
        segments.push(Segment { x, width, status });
        x += width;
    }
    segments
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
    fn the_bars_parts_fill_it_and_all_can_be_seen() {
        let mut nodes = CountByStatus::default();
        assert!(segments(&nodes).is_empty());
        for _ in 0..1000 {
            nodes.add(Status::Completed);
        }
        nodes.add(Status::Pending);
        nodes.add(Status::ExecutionException);
        let segments = segments(&nodes);
        assert_eq!(segments.len(), 3);
        assert!(segments.iter().all(|segment| segment.width >= 3));
        let mut end = 0;
        for segment in segments {
            assert_eq!(segment.x, end);
            end += segment.width;
        }
        assert_eq!(end, BAR);
        assert_eq!(counts(&nodes), "1 pending, 1000 completed, 1 execution exception");
    }

    #[test]
    fn no_two_statuses_share_a_sign() {
        let signs: std::collections::HashSet<_> = Status::ALL.into_iter().map(sign).collect();
        assert_eq!(signs.len(), Status::COUNT);
    }
}
