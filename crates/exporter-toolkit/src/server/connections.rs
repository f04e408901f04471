//! The connections that are open: how many at most, and which one goes when another wants in.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::Progress;
use crate::client::Network;

/// Connections open at once, all listeners together. Each can have us keep some 130 KB: a head of a request that never ends, and TLS.
const MOST: usize = 320;

/// How often, with all slots taken and all of them busy, somebody is looked for who is not any more.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The slots for connections. One for the whole process.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    slots: Arc<Semaphore>,
    open: Mutex<HashMap<u64, Arc<Activity>>>,
    next: AtomicU64,
    start: Instant,
}

/// How long a connection that has just come in may take to ask, before it counts as one that never does. Milliseconds.
const NEWCOMER_MS: u64 = 1_000;

/// What a connection has done so far.
#[derive(Debug)]
struct Activity {
    network: Network,
    /// Whole requests that came.
    requests: AtomicU64,
    /// Requests that are being answered.
    busy: AtomicUsize,
    /// When the last answer ended, or the connection began; in milliseconds.
    idle_since: AtomicU64,
    /// Answers that are on their way.
    answers: Mutex<Vec<Weak<Progress>>>,
    answer_begun: Notify,
    evicted: CancellationToken,
}

impl Connections {
    pub(super) fn new() -> Arc<Self> {
        Self::at_most(MOST)
    }

    fn at_most(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            slots: Arc::new(Semaphore::new(most)),
            open: Mutex::default(),
            next: AtomicU64::new(0),
            start: Instant::now(),
        })
    }

    /// A slot for who comes from this network. Where all are taken, the connection that is of least use is evicted. One that is being
    /// answered is only if its network has more than half of all and another one wants in; from such a network nobody else gets in
    /// meanwhile: then there is none.
    pub(super) async fn acquire(self: &Arc<Self>, network: Network) -> Option<Slot> {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() {
                break Some(permit);
            }
            if !self.evict_one() && !self.evict_from_crowd(network) {
                return None;
            }
            let slot = Arc::clone(&self.slots).acquire_owned();
            if let Ok(permit) = tokio::time::timeout(LOOK_EVERY, slot).await {
                // The semaphore is never closed; were it, connections would just not be counted.
                break permit.ok();
            }
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let activity = Arc::new(Activity {
            network,
            requests: AtomicU64::new(0),
            busy: AtomicUsize::new(0),
            idle_since: AtomicU64::new(self.now()),
            answers: Mutex::default(),
            answer_begun: Notify::new(),
            evicted: CancellationToken::new(),
        });
        self.open().insert(number, Arc::clone(&activity));
        Some(Slot {
            connections: Arc::clone(self),
            number,
            activity,
            _permit: permit,
        })
    }

    /// Evicts one: first those that never asked for anything, then those that have been idle the longest. Who has just come in goes
    /// last: that may be a scrape whose request is on its way. Whether somebody has gone or is going.
    pub(super) fn evict_one(&self) -> bool {
        let now = self.now();
        let open = self.open();
        let idle = open
            .values()
            .filter(|one| one.busy.load(Ordering::Relaxed) == 0 && !one.evicted.is_cancelled());
        let least = idle.min_by_key(|one| {
            let idle_since = one.idle_since.load(Ordering::Relaxed);
            let rank = if one.requests.load(Ordering::Relaxed) > 0 {
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
        open.values().any(|one| one.evicted.is_cancelled())
    }

    /// With all of them busy: evicts who has been it the longest, of the network that has more than half. Whether it is worth waiting for a
    /// slot; a newcomer from that network itself would wait in front of everybody else.
    fn evict_from_crowd(&self, newcomer: Network) -> bool {
        let open = self.open();
        let mut crowds: HashMap<Network, usize> = HashMap::new();
        for one in open.values() {
            *crowds.entry(one.network).or_default() += 1;
        }
        let Some((crowd, _)) = crowds.into_iter().find(|(_, many)| *many > self.most / 2) else {
            return true;
        };
        if crowd == newcomer {
            return false;
        }
        let of_crowd = open.values().filter(|one| one.network == crowd);
        if let Some(longest) = of_crowd.min_by_key(|one| one.idle_since.load(Ordering::Relaxed)) {
            longest.evicted.cancel();
        }
        true
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

    /// How many whole requests have come.
    pub(super) fn requests(&self) -> u64 {
        self.activity.requests.load(Ordering::Relaxed)
    }

    /// Waits until an answer has been on its way for longer than it may.
    pub(super) async fn overdue(&self) {
        loop {
            let begun = self.activity.answer_begun.notified();
            match self.activity.next_deadline() {
                None => begun.await,
                Some(deadline) if deadline <= Instant::now() => return,
                Some(deadline) => tokio::select! {
                    () = begun => {}
                    () = tokio::time::sleep_until(deadline) => {}
                },
            }
        }
    }

    /// Notes that a request came. It is being answered as long as the result is kept.
    pub(super) fn request(&self) -> InFlight {
        self.activity.requests.fetch_add(1, Ordering::Relaxed);
        self.activity.busy.fetch_add(1, Ordering::Relaxed);
        InFlight {
            connections: Arc::clone(&self.connections),
            activity: Arc::clone(&self.activity),
        }
    }
}

impl Activity {
    fn answers(&self) -> MutexGuard<'_, Vec<Weak<Progress>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_deadline(&self) -> Option<Instant> {
        let answers = self.answers();
        answers
            .iter()
            .filter_map(|answer| Some(answer.upgrade()?.deadline()))
            .min()
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

impl InFlight {
    /// Notes that the answer begins. It is on its way as long as the result is kept.
    pub(super) fn begin_answer(&self) -> Arc<Progress> {
        let progress = Arc::new(Progress::begin());
        let mut answers = self.activity.answers();
        answers.retain(|answer| answer.strong_count() > 0);
        answers.push(Arc::downgrade(&progress));
        self.activity.answer_begun.notify_one();
        progress
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity
            .idle_since
            .store(self.connections.now(), Ordering::Relaxed);
        self.activity.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use futures_util::FutureExt as _;

    use super::super::answer::{AnswerBody, GRACE, LEAST_RATE};
    use super::*;
    use axum::body::{Body, Bytes, HttpBody as _};

    fn network(number: u8) -> Network {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)).into()
    }

    async fn acquire(connections: &Arc<Connections>, number: u8) -> Slot {
        connections.acquire(network(number)).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_asked_goes_first_then_who_was_idle_longest_and_never_who_is_answered() {
        let connections = Connections::at_most(4);
        let answered = acquire(&connections, 1).await;
        let _in_flight = answered.request();
        let idle_long = acquire(&connections, 1).await;
        drop(idle_long.request());
        tokio::time::advance(Duration::from_secs(1)).await;
        let idle = acquire(&connections, 1).await;
        drop(idle.request());
        let silent = acquire(&connections, 1).await;
        tokio::time::advance(Duration::from_millis(NEWCOMER_MS)).await;
        let mut slots = [Some(idle_long), Some(idle), Some(silent), Some(answered)];
        for (index, number) in [(2, 1), (0, 2), (1, 2)] {
            let evicted = slots[index].as_ref().unwrap().evicted();
            let has_gone = async {
                evicted.cancelled().await;
                slots[index] = None;
            };
            let (newcomer, ()) = tokio::join!(acquire(&connections, number), has_gone);
            let in_flight = newcomer.request();
            std::mem::forget((newcomer, in_flight));
        }
        assert!(!slots[3].as_ref().unwrap().evicted().is_cancelled());
        let full = tokio::time::timeout(Duration::from_secs(60), connections.acquire(network(1))).await;
        assert!(full.is_err());
        slots[3] = None;
        acquire(&connections, 1).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_just_come_in_may_ask_before_anybody_is_has_gone_for_not_asking() {
        let connections = Connections::at_most(2);
        let idle = acquire(&connections, 1).await;
        drop(idle.request());
        let newcomer = acquire(&connections, 1).await;
        assert!(connections.evict_one());
        assert!(idle.evicted().is_cancelled() && !newcomer.evicted().is_cancelled());
        // There is nobody else left to go.
        connections.evict_one();
        assert!(newcomer.evicted().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_that_is_being_answered_on_most_connections_makes_room_for_others_only() {
        let connections = Connections::at_most(4);
        let mut crowd = Vec::new();
        for number in [2, 1, 1, 1] {
            let slot = acquire(&connections, number).await;
            let in_flight = slot.request();
            crowd.push((slot, in_flight));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(connections.acquire(network(1)).await.is_none(), "it has enough");
        assert!(crowd.iter().all(|(slot, _)| !slot.evicted().is_cancelled()));
        let mut newcomer = Box::pin(connections.acquire(network(3)));
        assert!(newcomer.as_mut().now_or_never().is_none());
        let evicted: Vec<_> = crowd.iter().map(|(slot, _)| slot.evicted().is_cancelled()).collect();
        assert_eq!(evicted, [false, true, false, false], "who is busy the longest");
        crowd.remove(1);
        assert!(newcomer.await.is_some());
    }

    /// Takes this many bytes of an answer.
    async fn take(body: &mut AnswerBody, bytes: u64) {
        let mut taken = 0;
        while taken < bytes {
            let frame = std::future::poll_fn(|context| std::pin::Pin::new(&mut *body).poll_frame(context)).await;
            taken += u64::try_from(frame.unwrap().unwrap().into_data().unwrap().len()).unwrap();
        }
        assert_eq!(taken, bytes);
    }

    fn answer(slot: &Slot, length: usize) -> AnswerBody {
        AnswerBody::begin(Body::from(Bytes::from(vec![0; length])), slot.request())
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_has_its_grace_and_the_time_that_its_bytes_need() {
        let connections = Connections::new();
        let slot = acquire(&connections, 1).await;
        let start = Instant::now();
        let mut overdue = Box::pin(slot.overdue());
        assert!(overdue.as_mut().now_or_never().is_none(), "there is no answer");
        tokio::time::advance(GRACE * 2).await;
        let mut body = answer(&slot, 10 * usize::try_from(LEAST_RATE).unwrap());
        take(&mut body, LEAST_RATE * 5).await;
        overdue.await;
        assert_eq!(start.elapsed().as_secs(), (GRACE * 3).as_secs() + 5);
        drop(body);
        let ended = tokio::time::timeout(GRACE * 9, slot.overdue()).await;
        assert!(ended.is_err(), "it is out");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_handed_over_but_not_taken_keeps_the_answer_on_its_way() {
        let connections = Connections::new();
        let slot = acquire(&connections, 1).await;
        let mut body = answer(&slot, 100);
        let start = Instant::now();
        let frame = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await;
        assert!(body.is_end_stream());
        drop(body);
        slot.overdue().await;
        assert_eq!(start.elapsed().as_secs(), GRACE.as_secs());
        assert_eq!(slot.activity.busy.load(Ordering::Relaxed), 1);
        drop(frame);
        assert_eq!(slot.activity.busy.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_of_several_answers_counts() {
        let connections = Connections::new();
        let slot = acquire(&connections, 1).await;
        let start = Instant::now();
        let mut fast = answer(&slot, 100 * usize::try_from(LEAST_RATE).unwrap());
        take(&mut fast, LEAST_RATE * 100).await;
        let mut overdue = Box::pin(slot.overdue());
        assert!(overdue.as_mut().now_or_never().is_none());
        tokio::time::advance(Duration::from_secs(7)).await;
        let _stalled = answer(&slot, 1);
        overdue.await;
        assert_eq!(start.elapsed().as_secs(), GRACE.as_secs() + 7);
    }
}
