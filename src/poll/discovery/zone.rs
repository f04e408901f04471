//! In which zone the vendor's clock shows the times of its list, which say none.
//!
//! No flow is created in the future. So the newest one tells the least that the clock can be ahead of UTC, and where flows are created now
//! and then, the truth: clocks differ from UTC by whole and half hours.

use crate::config::TimeZone;
use crate::model::WrittenTime;

/// The steps in which clocks differ from UTC. (The few that differ by a quarter have to be configured.)
const STEP: i64 = 1800;

/// The clock that writes the list may be so far ahead of the one that writes the `Date` header.
const TOLERANCE: i64 = 120;

/// The furthest that any clock is behind UTC.
const FURTHEST_BEHIND: i64 = -12 * 3600;

/// What is known of the zone.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Zone {
    configured: Option<TimeZone>,
    /// The least that the clock is ahead of UTC.
    learnt: Option<TimeZone>,
}

impl Zone {
    pub(super) fn new(configured: Option<TimeZone>) -> Self {
        Self {
            configured,
            learnt: None,
        }
    }

    /// Takes in when the newest flow was created, as the vendor writes it, and what time it is there (Unix time in seconds). Returns the zone
    /// where that has changed it.
    pub(super) fn learn(&mut self, newest: WrittenTime, vendor_now: i64) -> Option<TimeZone> {
        let WrittenTime::Local(shown) = newest else {
            return None;
        };
        let ahead = shown - vendor_now - TOLERANCE;
        if self.configured.is_some() || ahead < FURTHEST_BEHIND - STEP {
            return None; // Too long ago to tell anything.
        }
        let least = ahead.div_euclid(STEP) + i64::from(ahead.rem_euclid(STEP) > 0);
        let zone = TimeZone::from_seconds(i32::try_from(least * STEP).ok()?)?;
        if self.learnt.is_some_and(|learnt| learnt.seconds() >= zone.seconds()) {
            return None;
        }
        self.learnt = Some(zone);
        Some(zone)
    }

    /// A moment as Unix time in seconds, where that can be told.
    pub(super) fn unix(self, written: WrittenTime) -> Option<i64> {
        match written {
            WrittenTime::Unix(seconds) => Some(seconds),
            WrittenTime::Local(seconds) => Some(seconds - i64::from(self.known()?.seconds())),
        }
    }

    /// What the vendor's clock shows at least and at most at this moment (Unix time in seconds).
    pub(super) fn shown(self, now: i64) -> (i64, i64) {
        let furthest_ahead = i64::from(TimeZone::LARGEST_SECONDS);
        let known = self.known().map(|zone| i64::from(zone.seconds()));
        let most = match self.configured {
            Some(zone) => i64::from(zone.seconds()),
            None => furthest_ahead,
        };
        (now + known.unwrap_or(FURTHEST_BEHIND), now + most)
    }

    fn known(self) -> Option<TimeZone> {
        self.configured.or(self.learnt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_764_504_000;

    fn seconds(zone: Option<TimeZone>) -> Option<i32> {
        zone.map(TimeZone::seconds)
    }

    #[test]
    fn the_newest_flow_tells_the_zone() {
        for (ahead, age, expected) in [
            (8 * 3600, 0, 8 * 3600),
            (8 * 3600, 1600, 8 * 3600),
            (8 * 3600, -60, 8 * 3600),
            (19_800, 600, 19_800),
            (-10_800, 300, -10_800),
            (0, 5, 0),
            (-43_200, 60, -43_200),
            (50_400, 60, 50_400),
        ] {
            let mut zone = Zone::default();
            let newest = WrittenTime::Local(NOON + ahead - age);
            assert_eq!(
                seconds(zone.learn(newest, NOON)),
                Some(expected as i32),
                "{ahead} {age}"
            );
            assert_eq!(zone.unix(newest), Some(NOON + ahead - age - expected));
        }
    }

    #[test]
    fn an_older_flow_tells_the_least_and_a_newer_one_raises_it() {
        let mut zone = Zone::default();
        assert_eq!(zone.unix(WrittenTime::Local(NOON)), None);
        assert_eq!(
            zone.learn(WrittenTime::Local(NOON - 30 * 86_400), NOON),
            None,
            "a month ago"
        );
        let old = WrittenTime::Local(NOON + 8 * 3600 - 5 * 3600);
        assert_eq!(seconds(zone.learn(old, NOON)), Some(3 * 3600));
        let new = WrittenTime::Local(NOON + 8 * 3600 - 10);
        assert_eq!(seconds(zone.learn(new, NOON)), Some(8 * 3600));
        assert_eq!(zone.learn(old, NOON), None);
        assert_eq!(zone.unix(new), Some(NOON - 10));
        assert_eq!(
            zone.learn(WrittenTime::Local(NOON + 86_400), NOON),
            None,
            "no clock shows tomorrow"
        );
    }

    #[test]
    fn what_is_configured_or_written_holds() {
        let mut zone = Zone::new(TimeZone::from_seconds(-3600));
        assert_eq!(zone.learn(WrittenTime::Local(NOON + 8 * 3600), NOON), None);
        assert_eq!(zone.unix(WrittenTime::Local(NOON)), Some(NOON + 3600));
        assert_eq!(zone.unix(WrittenTime::Unix(NOON)), Some(NOON));
        assert_eq!(zone.shown(NOON), (NOON - 3600, NOON - 3600));
        assert_eq!(Zone::default().shown(NOON), (NOON - 12 * 3600, NOON + 14 * 3600));
        assert_eq!(Zone::default().learn(WrittenTime::Unix(NOON), NOON), None);
    }
}
