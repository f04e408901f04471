//! When an account stops asking because the vendor refuses its credentials or its address.
//!
//! Asking on would be hammering, and might get the account locked; not asking at all would miss the repair. So: one probe a minute.

use std::time::Duration;

use tokio::time::Instant;

/// So many refusals in a row mean that it is not an accident.
const REFUSALS_TO_BLOCK: u32 = 3;

/// How often a blocked account tries whether it is still refused.
const PROBE_INTERVAL: Duration = Duration::from_secs(60);

/// Whether an account is blocked, and since how many refusals.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    in_a_row: u32,
    blocked: Option<Blocked>,
}

#[derive(Debug)]
struct Blocked {
    since: Instant,
    next_probe: Instant,
}

/// What an answer changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Polling stops now.
    Blocked,
    /// Polling resumes now, after so long.
    Resumed(Duration),
}

impl Refusals {
    /// -1 or -2 was answered.
    pub(super) fn refused(&mut self, now: Instant) -> Option<Turn> {
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.blocked.is_some() || self.in_a_row < REFUSALS_TO_BLOCK {
            return None;
        }
        self.blocked = Some(Blocked {
            since: now,
            next_probe: now + PROBE_INTERVAL,
        });
        Some(Turn::Blocked)
    }

    /// Anything else was answered by the API: it knows us.
    pub(super) fn accepted(&mut self, now: Instant) -> Option<Turn> {
        self.in_a_row = 0;
        let blocked = self.blocked.take()?;
        Some(Turn::Resumed(now.saturating_duration_since(blocked.since)))
    }

    /// Whether polling is stopped.
    pub(super) fn blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// When the next probe is due, while blocked.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        self.blocked.as_ref().map(|blocked| blocked.next_probe)
    }

    /// A probe goes out.
    pub(super) fn probing(&mut self, now: Instant) {
        if let Some(blocked) = &mut self.blocked {
            blocked.next_probe = now + PROBE_INTERVAL;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn three_refusals_in_a_row_block_and_an_answer_resumes() {
        let mut refusals = Refusals::default();
        let now = Instant::now();
        assert_eq!(refusals.refused(now), None);
        assert_eq!(refusals.refused(now), None);
        assert_eq!(refusals.accepted(now), None);
        assert_eq!(refusals.refused(now), None);
        assert_eq!(refusals.refused(now), None);
        assert_eq!(refusals.next_probe(), None);
        assert_eq!(refusals.refused(now), Some(Turn::Blocked));
        assert_eq!(refusals.refused(now), None);
        assert_eq!(refusals.next_probe(), Some(now + PROBE_INTERVAL));
        let later = now + Duration::from_secs(75);
        refusals.probing(later);
        assert_eq!(refusals.next_probe(), Some(later + PROBE_INTERVAL));
        assert_eq!(refusals.accepted(later), Some(Turn::Resumed(Duration::from_secs(75))));
        assert!(!refusals.blocked());
    }
}
