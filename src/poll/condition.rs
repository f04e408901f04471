//! What is known of an account's standing with the vendor: whether it is blocked, and how far its clock is off.
//!
//! An account is blocked while the vendor refuses its credentials or its address. Asking on would be hammering, and might get it locked;
//! not asking at all would miss the repair. So a blocked account makes one try a minute.

use std::time::Duration;

use tokio::time::Instant;

use crate::api::{ClockOffset, Error, RetryAfter};
use crate::model::FailureReason;
use crate::store::BLOCKED_TRY_INTERVAL;

/// So many refusals in a row mean that it is not an accident.
const REFUSALS_TO_BLOCK: u32 = 3;

/// A clock in use for signing that is this close to the vendor's is close enough: the vendor accepts half an hour.
const CLOCK_TOLERANCE_SECONDS: f64 = 60.0;

/// Counts the credentials that an account has had since the start.
pub(super) type Generation = u64;

/// The one place where an account's standing is kept.
#[derive(Debug, Default)]
pub(super) struct Condition {
    generation: Generation,
    refusals_in_a_row: u32,
    block: Option<Block>,
    clock_offset: ClockOffset,
    clock_skew_seconds: Option<f64>,
    pause: Option<Pause>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    since: Instant,
    next_try: Instant,
}

/// The vendor wants to be left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pause {
    /// Until when.
    pub(super) until: Instant,
    /// The HTTP status that said so.
    pub(super) status: u16,
}

/// What the end of a request says of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The vendor refuses our credentials or our address.
    Refused(FailureReason),
    /// It knows us.
    Accepted,
    /// No answer of the API: nothing.
    Unsaid,
}

impl Verdict {
    pub(super) fn of<T>(result: &Result<T, Error>) -> Self {
        match result {
            Err(Error::Code(code)) if code.refuses_us() => Self::Refused(FailureReason::Api(*code)),
            Ok(_) | Err(Error::Code(_)) => Self::Accepted,
            Err(_) => Self::Unsaid,
        }
    }
}

/// What a verdict has changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BlockChange {
    /// Polling stops now.
    Began(FailureReason),
    /// Polling resumes now, after so long.
    Ended(Duration),
}

impl Condition {
    /// Takes a verdict in. One on credentials that have been replaced says nothing of those in force.
    pub(super) fn judged(&mut self, generation: Generation, verdict: Verdict, now: Instant) -> Option<BlockChange> {
        if generation != self.generation {
            return None;
        }
        match verdict {
            Verdict::Unsaid => None,
            Verdict::Accepted => {
                self.refusals_in_a_row = 0;
                let block = self.block.take()?;
                Some(BlockChange::Ended(now.saturating_duration_since(block.since)))
            }
            Verdict::Refused(reason) => {
                self.refusals_in_a_row = self.refusals_in_a_row.saturating_add(1);
                if self.blocked() || self.refusals_in_a_row < REFUSALS_TO_BLOCK {
                    return None;
                }
                self.block = Some(Block {
                    since: now,
                    next_try: now + BLOCKED_TRY_INTERVAL,
                });
                Some(BlockChange::Began(reason))
            }
        }
    }

    /// Other credentials are in force, or another way to the vendor, which deserve a try at once. Returns whether that ends a block.
    pub(super) fn renew(&mut self) -> bool {
        self.generation += 1;
        self.refusals_in_a_row = 0;
        self.block.take().is_some()
    }

    /// A try of a blocked account goes out.
    pub(super) fn tries(&mut self, now: Instant) {
        if let Some(block) = &mut self.block {
            block.next_try = now + BLOCKED_TRY_INTERVAL;
        }
    }

    /// Takes in the vendor's clock minus ours, as an answer told it, and what to sign with because of it. Returns the offset to sign with
    /// where that has changed.
    pub(super) fn clocks(&mut self, skew_seconds: Option<f64>, offset: Option<ClockOffset>) -> Option<ClockOffset> {
        // Our own time again although no answer told the vendor's: what was told before has not helped, and is not so any more.
        let disproved = skew_seconds.is_none() && offset == Some(ClockOffset::default());
        self.clock_skew_seconds = skew_seconds.or(self.clock_skew_seconds.filter(|_| !disproved));
        let offset = offset.filter(|offset| *offset != self.clock_offset)?;
        self.clock_offset = offset;
        Some(offset)
    }

    /// The vendor asks to be left alone. Returns whether it was not left alone before.
    pub(super) fn pauses(&mut self, asked: RetryAfter, now: Instant) -> bool {
        let RetryAfter { status, wait } = asked;
        let before = self.pause(now);
        let until = now + wait;
        if before.is_none_or(|before| before.until < until) {
            self.pause = Some(Pause { until, status });
        }
        before.is_none()
    }

    /// The pause, where nothing is asked.
    pub(super) fn pause(&self, now: Instant) -> Option<Pause> {
        self.pause.filter(|pause| pause.until > now)
    }

    /// Which credentials are in force.
    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether polling is stopped.
    pub(super) fn blocked(&self) -> bool {
        self.block.is_some()
    }

    /// When the next try is due, while blocked.
    pub(super) fn next_try(&self) -> Option<Instant> {
        self.block.map(|block| block.next_try)
    }

    /// What to add to our clock for signing.
    pub(super) fn clock_offset(&self) -> ClockOffset {
        self.clock_offset
    }

    /// The vendor's clock minus ours; `None` until an answer told.
    pub(super) fn clock_skew_seconds(&self) -> Option<f64> {
        self.clock_skew_seconds
    }
}

/// The offset to sign with once an answer has told how far the clocks are apart: near the vendor's clock as soon as the vendor has
/// `refused` ours, and our own again when both agree.
pub(super) fn corrected(offset: ClockOffset, skew_seconds: f64, refused: bool) -> ClockOffset {
    #[allow(
        clippy::cast_precision_loss,
        reason = "seconds between two calendars are far below 2^53"
    )]
    let off_by = (skew_seconds - offset.seconds() as f64).abs();
    if off_by <= CLOCK_TOLERANCE_SECONDS || !(refused || offset != ClockOffset::default()) {
        offset
    } else if skew_seconds.abs() <= CLOCK_TOLERANCE_SECONDS {
        ClockOffset::default()
    } else {
        #[allow(clippy::cast_possible_truncation, reason = "a float-to-integer cast saturates")]
        ClockOffset::from_seconds(skew_seconds.round() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ApiCode;

    const REASON: FailureReason = FailureReason::Api(ApiCode::AUTHENTICATION_ERROR);
    const REFUSED: Verdict = Verdict::Refused(REASON);

    #[tokio::test(start_paused = true)]
    async fn three_refusals_in_a_row_block_and_an_answer_resumes() {
        let mut condition = Condition::default();
        let now = Instant::now();
        for verdict in [REFUSED, REFUSED, Verdict::Accepted, REFUSED, Verdict::Unsaid, REFUSED] {
            assert_eq!(condition.judged(0, verdict, now), None);
        }
        assert_eq!(condition.next_try(), None);
        assert_eq!(condition.judged(0, REFUSED, now), Some(BlockChange::Began(REASON)));
        assert_eq!(condition.judged(0, REFUSED, now), None);
        assert_eq!(condition.next_try(), Some(now + BLOCKED_TRY_INTERVAL));
        let later = now + Duration::from_secs(75);
        condition.tries(later);
        assert_eq!(condition.next_try(), Some(later + BLOCKED_TRY_INTERVAL));
        let ended = BlockChange::Ended(Duration::from_secs(75));
        assert_eq!(condition.judged(0, Verdict::Accepted, later), Some(ended));
        assert!(!condition.blocked());
    }

    #[tokio::test(start_paused = true)]
    async fn verdicts_on_credentials_that_were_replaced_count_for_nothing() {
        let mut condition = Condition::default();
        let now = Instant::now();
        for _ in 0..3 {
            condition.judged(0, REFUSED, now);
        }
        assert!(condition.renew(), "new credentials end the block");
        for _ in 0..3 {
            assert_eq!(condition.judged(0, REFUSED, now), None);
        }
        for generation in [1, 1, 0, 1] {
            assert!(!condition.blocked());
            condition.judged(generation, REFUSED, now);
        }
        assert_eq!(condition.judged(0, Verdict::Accepted, now), None);
        assert!(condition.blocked());
    }
}
