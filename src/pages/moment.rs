//! The moment that pages show: whoever asks shortly after another is shown the same, so that what is written for one serves all.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use exporter_toolkit::clock::SharedClock;

use crate::store::{Snapshot, Store};

/// For how long a moment is shown, by the flows in it: about ten times what it takes to write them, so that readers, however many, take a
/// tenth of one core ...
const PER_FLOW: Duration = Duration::from_micros(100);
/// ... and at most so long.
const LONGEST: Duration = Duration::from_secs(1);

/// The state of everything at one moment.
#[derive(Debug)]
pub(super) struct Moment {
    /// Tells it from all others.
    pub(super) number: u64,
    /// What was known.
    pub(super) snapshot: Snapshot,
    /// When it was, by the calendar.
    pub(super) now: SystemTime,
}

impl Moment {
    fn shown_for(&self) -> Duration {
        let flows: usize = self.snapshot.accounts.iter().map(|account| account.flows.len()).sum();
        PER_FLOW
            .saturating_mul(u32::try_from(flows).unwrap_or(u32::MAX))
            .min(LONGEST)
    }

    /// Whether it can still be shown for what is so now. After a reload it cannot: who has asked for one wants to see what came of it.
    fn stands_for(&self, now: &Snapshot) -> bool {
        let age = now.taken.saturating_duration_since(self.snapshot.taken);
        now.generation == self.snapshot.generation && age < self.shown_for()
    }
}

/// The moments of a store.
#[derive(Debug)]
pub(super) struct Moments {
    store: Arc<Store>,
    clock: SharedClock,
    /// How many there were, and the last. It is kept only as long as it is shown: it holds records that polls have replaced since.
    last: Mutex<(u64, Weak<Moment>)>,
}

impl Moments {
    pub(super) fn new(store: Arc<Store>, clock: SharedClock) -> Self {
        Self {
            store,
            clock,
            last: Mutex::default(),
        }
    }

    /// The moment to show now. Must be called within a tokio runtime.
    pub(super) fn now(&self) -> Arc<Moment> {
        let snapshot = self.store.snapshot();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(moment) = last.1.upgrade().filter(|moment| moment.stands_for(&snapshot)) {
            return moment;
        }
        let moment = Arc::new(Moment {
            number: last.0 + 1,
            snapshot,
            now: self.clock.now(),
        });
        *last = (moment.number, Arc::downgrade(&moment));
        let kept = Arc::clone(&moment);
        tokio::spawn(async move {
            tokio::time::sleep(kept.shown_for()).await;
            drop(kept);
        });
        moment
    }
}

#[cfg(test)]
mod tests {
    use exporter_toolkit::clock::SystemClock;

    use super::*;
    use crate::model::{FlowInfo, KeyId};
    use crate::store::{AccountFlows, Policy};

    fn moments(flows: u64) -> Moments {
        let info = |key_id| FlowInfo::configured(KeyId::new(key_id).unwrap(), Duration::from_secs(60));
        let account = AccountFlows::new("main".into(), (1..=flows).map(info));
        let store = Arc::new(Store::new(Policy::default(), [account]));
        Moments::new(store, Arc::new(SystemClock))
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_is_shown_for_a_time_by_its_flows_and_then_kept_no_longer() {
        for (flows, milliseconds) in [(0, 0), (100, 10), (20_000, 1000)] {
            let moments = moments(flows);
            let first = moments.now();
            let last = Arc::downgrade(&first);
            if milliseconds > 0 {
                tokio::time::sleep(Duration::from_millis(milliseconds - 1)).await;
                assert_eq!(moments.now().number, first.number, "{flows}");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
            assert_ne!(moments.now().number, first.number, "{flows}");
            drop(first);
            assert!(last.upgrade().is_none(), "{flows}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_reload_there_is_a_new_one() {
        let moments = moments(1000);
        let before = moments.now();
        assert_eq!(moments.now().number, before.number);
        moments.store.apply(Policy::default(), Vec::new(), &[]);
        let after = moments.now();
        assert_ne!(after.number, before.number);
        assert!(after.snapshot.accounts.is_empty());
    }
}
