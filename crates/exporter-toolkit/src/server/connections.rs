//! The connections that are open: how many at most, and which one goes when another wants in.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Connections open at once, all listeners together.
const MOST: usize = 512;

/// How often, with all slots taken and all of them busy, somebody is looked for who is not any more.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The slots for connections. One for the whole process.
#[derive(Debug)]
pub(super) struct Connections {
    slots: Arc<Semaphore>,
    open: Mutex<HashMap<u64, Arc<Activity>>>,
    next: AtomicU64,
    start: Instant,
}

/// How long a connection that has just come in may take to ask, before it counts as one that never does. Milliseconds.
const NEWCOMER_MS: u64 = 1_000;

/// What a connection has done so far.
#[derive(Debug, Default)]
struct Activity {
    /// Answers that are under way.
    busy: AtomicUsize,
    /// Whether a whole request ever came.
    asked: AtomicBool,
    /// When the last answer ended, or the connection began; in milliseconds.
    idle_since: AtomicU64,
    evicted: CancellationToken,
}

impl Connections {
    pub(super) fn new() -> Arc<Self> {
        Self::at_most(MOST)
    }

    fn at_most(most: usize) -> Arc<Self> {
        Arc::new(Self {
            slots: Arc::new(Semaphore::new(most)),
            open: Mutex::default(),
            next: AtomicU64::new(0),
            start: Instant::now(),
        })
    }

    /// A slot. Where all are taken, the connection that is of least use is evicted; one that is being answered never is.
    pub(super) async fn acquire(self: &Arc<Self>) -> Slot {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() {
                break Some(permit);
            }
            self.evict_one();
            let slot = Arc::clone(&self.slots).acquire_owned();
            if let Ok(permit) = tokio::time::timeout(LOOK_EVERY, slot).await {
                // The semaphore is never closed; were it, connections would just not be counted.
                break permit.ok();
            }
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let activity = Arc::new(Activity {
            idle_since: AtomicU64::new(self.now()),
            ..Activity::default()
        });
        self.open().insert(number, Arc::clone(&activity));
        Slot {
            connections: Arc::clone(self),
            number,
            activity,
            _permit: permit,
        }
    }

    /// Evicts one: first those that never asked for anything, then those that have been idle the longest. Who has just come in goes
    /// last: that may be a scrape whose request is on its way.
    pub(super) fn evict_one(&self) {
        let now = self.now();
        let open = self.open();
        let idle = open
            .values()
            .filter(|one| one.busy.load(Ordering::Relaxed) == 0 && !one.evicted.is_cancelled());
        let least = idle.min_by_key(|one| {
            let idle_since = one.idle_since.load(Ordering::Relaxed);
            let rank = if one.asked.load(Ordering::Relaxed) {
                1
            } else if now.saturating_sub(idle_since) < NEWCOMER_MS {
                2
            } else {
                0
            };
            (rank, idle_since)
        });
        if let Some(least) = least {
            least.evicted.cancel();
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Activity>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's slot; given back by dropping it.
#[derive(Debug)]
pub(super) struct Slot {
    connections: Arc<Connections>,
    number: u64,
    activity: Arc<Activity>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Slot {
    /// Cancelled when the connection has to go.
    pub(super) fn evicted(&self) -> CancellationToken {
        self.activity.evicted.clone()
    }

    /// Whether a whole request ever came.
    pub(super) fn asked(&self) -> bool {
        self.activity.asked.load(Ordering::Relaxed)
    }

    /// Notes that a request came. It is being answered as long as the result is kept.
    pub(super) fn request(&self) -> InFlight {
        self.activity.asked.store(true, Ordering::Relaxed);
        self.activity.busy.fetch_add(1, Ordering::Relaxed);
        InFlight {
            connections: Arc::clone(&self.connections),
            activity: Arc::clone(&self.activity),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.open().remove(&self.number);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct InFlight {
    connections: Arc<Connections>,
    activity: Arc<Activity>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity
            .idle_since
            .store(self.connections.now(), Ordering::Relaxed);
        self.activity.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer: the request is being answered until its last byte is handed over.
#[derive(Debug)]
pub(super) struct InFlightBody {
    pub(super) body: Body,
    pub(super) _in_flight: InFlight,
}

impl HttpBody for InFlightBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body)
            .poll_frame(context)
            .map_err(axum::Error::into_inner)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_never_asked_goes_first_then_who_was_idle_longest_and_never_who_is_answered() {
        let connections = Connections::at_most(4);
        let answered = connections.acquire().await;
        let _in_flight = answered.request();
        let idle_long = connections.acquire().await;
        drop(idle_long.request());
        tokio::time::advance(Duration::from_secs(1)).await;
        let idle = connections.acquire().await;
        drop(idle.request());
        let silent = connections.acquire().await;
        tokio::time::advance(Duration::from_millis(NEWCOMER_MS)).await;
        let mut slots = [Some(idle_long), Some(idle), Some(silent), Some(answered)];
        for index in [2, 0, 1] {
            let evicted = slots[index].as_ref().unwrap().evicted();
            let has_gone = async {
                evicted.cancelled().await;
                slots[index] = None;
            };
            let (newcomer, ()) = tokio::join!(connections.acquire(), has_gone);
            let in_flight = newcomer.request();
            std::mem::forget((newcomer, in_flight));
        }
        assert!(!slots[3].as_ref().unwrap().evicted().is_cancelled());
        let full = tokio::time::timeout(Duration::from_secs(60), connections.acquire()).await;
        assert!(full.is_err());
        slots[3] = None;
        connections.acquire().await;
    }
    #[tokio::test(start_paused = true)]
    async fn who_has_just_come_in_may_ask_before_anybody_is_has_gone_for_not_asking() {
        let connections = Connections::at_most(2);
        let idle = connections.acquire().await;
        drop(idle.request());
        let newcomer = connections.acquire().await;
        connections.evict_one();
        assert!(idle.evicted().is_cancelled() && !newcomer.evicted().is_cancelled());
        // There is nobody else left to go.
        connections.evict_one();
        assert!(newcomer.evicted().is_cancelled());
    }
}
