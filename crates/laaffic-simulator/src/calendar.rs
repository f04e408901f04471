//! From the time that flows live in to that of the calendar.

use std::time::{Duration, SystemTime};

use crate::settings::Settings;

/// When the simulator started, and how fast flows have lived since. Before that a simulated second was a second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Calendar {
    started_ms: i64,
    speed: f64,
}

impl Calendar {
    pub(crate) fn starting(now: SystemTime, settings: &Settings) -> Self {
        Self {
            started_ms: unix_ms(now),
            speed: settings.speed,
        }
    }

    /// The Unix second of a simulated moment, in milliseconds since the start.
    pub(crate) fn second_of(&self, simulated_ms: i64) -> i64 {
        let since_start = if simulated_ms <= 0 {
            simulated_ms
        } else {
            // Where no time passes, there is no such moment; a cast from a float to an integer saturates.
            (simulated_ms as f64 / self.speed) as i64
        };
        self.started_ms.saturating_add(since_start).div_euclid(1000)
    }
}

/// A moment of simulated time, and what it takes to tell how things stand then.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moment {
    pub(crate) seed: u64,
    /// Simulated time since the start.
    pub(crate) elapsed: Duration,
    pub(crate) calendar: Calendar,
}

impl Moment {
    /// The Unix second in which it is.
    pub(crate) fn second(&self) -> i64 {
        self.calendar.second_of(milliseconds(self.elapsed))
    }
}

/// The Unix second of a moment.
pub(crate) fn unix_second(moment: SystemTime) -> i64 {
    unix_ms(moment).div_euclid(1000)
}

fn unix_ms(moment: SystemTime) -> i64 {
    milliseconds(moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// As many as there is room for.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_flies_from_the_start_on() {
        let settings = Settings {
            speed: 60.0,
            ..Settings::default()
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_500);
        let calendar = Calendar::starting(now, &settings);
        let seconds = [-600_000, -501, -500, 0, 29_999, 30_000, 600_000].map(|ms| calendar.second_of(ms));
        assert_eq!(seconds, [400, 999, 1_000, 1_000, 1_000, 1_001, 1_010]);
        assert_eq!(unix_second(now), 1_000);
        calendar.second_of(i64::MIN);
        Calendar { speed: 0.0, ..calendar }.second_of(i64::MAX);
    }
}
