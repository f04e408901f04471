//! Flows that are born while the simulator runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::calendar::milliseconds;

const MINUTE_MS: i64 = 60_000;

/// How often an account gets a new flow. Each has one life by seed, and a key above those of all that were there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Births {
    /// Minutes of simulated time from one to the next, at least 1.
    pub every_minutes: u32,
    /// How many there will be at most.
    pub most: u32,
}

/// The births of an account from a moment on. Nothing waits for them: what was born is counted when somebody looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BirthSchedule {
    pub(crate) births: Births,
    /// In simulated milliseconds since the simulator's start.
    since_ms: i64,
    /// How many have taken place.
    taken_place: u32,
}

impl BirthSchedule {
    pub(crate) fn from(births: Births, elapsed: Duration) -> Self {
        Self {
            births,
            since_ms: milliseconds(elapsed),
            taken_place: 0,
        }
    }

    /// When the next one is that has taken place until now, in simulated milliseconds since the start. Each is told once.
    pub(crate) fn next_until(&mut self, elapsed: Duration) -> Option<i64> {
        if self.taken_place >= self.births.most {
            return None;
        }
        let every_ms = i64::from(self.births.every_minutes.max(1)) * MINUTE_MS;
        let birth = every_ms.saturating_mul(i64::from(self.taken_place) + 1);
        let birth = self.since_ms.saturating_add(birth);
        if birth > milliseconds(elapsed) {
            return None;
        }
        self.taken_place += 1;
        Some(birth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_birth_is_told_once_and_there_are_no_more_than_there_may_be() {
        let minutes = |minutes| Duration::from_secs(60 * minutes);
        let births = Births {
            every_minutes: 10,
            most: 4,
        };
        let mut schedule = BirthSchedule::from(births, minutes(5));
        let mut until = |minute| {
            let births = std::iter::from_fn(|| schedule.next_until(minutes(minute)));
            births.map(|ms| ms / MINUTE_MS).collect::<Vec<_>>()
        };
        assert!(until(14).is_empty());
        assert_eq!(until(15), [15]);
        assert!(until(15).is_empty());
        assert_eq!(until(36), [25, 35]);
        assert_eq!(until(u64::MAX / 60), [45]);
    }
}
