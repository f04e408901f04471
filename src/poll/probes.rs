//! The probes of one account that are under way. Who asks for the same at the same time shares one answer, and so many may wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::condition::Generation;
use super::handle::Reply;
use super::progress::Progress;
use crate::model::KeyId;

/// As many probes may wait as go out in this time, which is what a scrape mostly waits.
const LONGEST_QUEUE: Duration = Duration::from_secs(10);

/// About what polls leave of the rate where they want all of it.
const LEAST_SHARE: f64 = 0.25;

/// However high the rate.
const MOST_WAITING: f64 = 1000.0;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) key_id: KeyId,
    /// Whether further pages of nodes are none of who asks' business.
    pub(super) first_page_only: bool,
}

/// One fetch, for everybody who waits for it.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) progress: Arc<Progress>,
    answer: watch::Sender<Option<Reply>>,
    /// Which credentials it is signed with.
    generation: Generation,
}

impl Probe {
    /// Ends when nobody waits for it any more.
    pub(super) async fn is_given_up(&self) {
        self.answer.closed().await;
    }
}

/// A share in the answer to a probe.
#[derive(Debug)]
pub(super) struct Share {
    progress: Arc<Progress>,
    answer: watch::Receiver<Option<Reply>>,
    /// Within what every answer of the vendor must be complete.
    timeout: Duration,
}

impl Share {
    /// Waits for the answer until the deadline. `None` where the account has gone meanwhile.
    pub(super) async fn answer(mut self, deadline: Instant) -> Option<Reply> {
        match tokio::time::timeout_at(deadline, self.answer.wait_for(Option::is_some)).await {
            Ok(answer) => answer.ok()?.clone(),
            Err(_) => Some(Err(self.progress.so_far(self.timeout))),
        }
    }
}

/// All that are under way.
#[derive(Debug, Default)]
pub(super) struct Probes(HashMap<Asked, Arc<Probe>>);

impl Probes {
    /// A share in the same probe, if one is under way that is as good as a new one.
    pub(super) fn join(
        &self,
        asked: Asked,
        deadline: Instant,
        generation: Generation,
        timeout: Duration,
    ) -> Option<Share> {
        let probe = self.0.get(&asked)?;
        // One that nobody waits for is given up, unless it was sent.
        let goes_on = !probe.answer.is_closed() || probe.progress.is_sent();
        if !goes_on || probe.generation != generation {
            return None;
        }
        probe.progress.extend(deadline);
        Some(share(probe, timeout))
    }

    /// How long to wait until a further probe may find room in the queue, at `rate` requests a second, where there is none.
    pub(super) fn full(&self, rate: f64) -> Option<Duration> {
        let share = rate * LEAST_SHARE;
        let most = (share * LONGEST_QUEUE.as_secs_f64()).clamp(1.0, MOST_WAITING);
        let waits = |probe: &&Arc<Probe>| !probe.progress.is_sent() && !probe.answer.is_closed();
        let waiting = self.0.values().filter(waits).count();
        let one = Duration::try_from_secs_f64(1.0 / share).unwrap_or(Duration::MAX);
        (waiting as f64 >= most).then_some(one)
    }

    /// A new one, and a share in it.
    pub(super) fn begin(
        &mut self,
        asked: Asked,
        deadline: Instant,
        generation: Generation,
        timeout: Duration,
    ) -> (Arc<Probe>, Share) {
        let probe = Arc::new(Probe {
            progress: Arc::new(Progress::new(deadline)),
            answer: watch::Sender::new(None),
            generation,
        });
        let share = share(&probe, timeout);
        self.0.insert(asked, Arc::clone(&probe));
        (probe, share)
    }

    /// One has ended: this is the answer for all who share it.
    pub(super) fn end(&mut self, asked: Asked, probe: &Arc<Probe>, reply: Reply) {
        // A newer one may have taken its place.
        if self.0.get(&asked).is_some_and(|current| Arc::ptr_eq(current, probe)) {
            self.0.remove(&asked);
        }
        probe.answer.send_replace(Some(reply));
    }
}

fn share(probe: &Probe, timeout: Duration) -> Share {
    Share {
        progress: Arc::clone(&probe.progress),
        answer: probe.answer.subscribe(),
        timeout,
    }
}
