//! A line before something that one after the other uses, in which no crowd keeps others waiting.
//!
//! Networks take turns, so who comes from another one waits for two turns, however many wait. Within a network, newcomers go before those
//! who were served without success; and of each, the one who came last and the one who came first take turns: who floods comes again as
//! soon as he was served, and would keep somebody new at the end for long.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::client::Network;

/// The line.
#[derive(Debug, Default)]
pub(super) struct Line {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether somebody has the turn.
    taken: bool,
    networks: VecDeque<Waiting>,
}

/// Those of one network.
#[derive(Debug)]
struct Waiting {
    network: Network,
    newcomers: Clients,
    others: Clients,
    /// Whether it was the last one's turn when it was this network's.
    was_last: bool,
}

/// The first one in front.
type Clients = VecDeque<oneshot::Sender<Turn>>;

/// The turn; the next one has it when it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Option<Arc<Line>>);

/// So many may have left a network's line before it is looked through for them.
const GONE: usize = 512;

impl Line {
    /// Waits for the turn, as a newcomer or as one who has `failed` before. Who drops this has left the line.
    pub(super) async fn turn(self: Arc<Self>, network: Network, failed: bool) -> Turn {
        let turn = {
            let mut state = self.state();
            if !state.taken {
                state.taken = true;
                drop(state);
                return Turn(Some(self));
            }
            state.join(network, failed)
        };
        // The line gives each one the turn, unless it ends itself.
        turn.await.unwrap_or(Turn(None))
    }

    fn next(self: Arc<Self>) {
        loop {
            let Some(client) = self.state().leave() else { return };
            match client.send(Turn(Some(Arc::clone(&self)))) {
                Ok(()) => return,
                // Gone in this very moment: the turn is still to be given.
                Err(mut turn) => turn.0 = None,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn join(&mut self, network: Network, failed: bool) -> oneshot::Receiver<Turn> {
        let (client, turn) = oneshot::channel();
        if !self.networks.iter().any(|waiting| waiting.network == network) {
            self.networks.push_back(Waiting {
                network,
                newcomers: Clients::new(),
                others: Clients::new(),
                was_last: false,
            });
        }
        if let Some(waiting) = self.networks.iter_mut().find(|waiting| waiting.network == network) {
            waiting.join(client, failed);
        }
        turn
    }

    /// Who is next; nobody has the turn where nobody waits.
    fn leave(&mut self) -> Option<oneshot::Sender<Turn>> {
        while let Some(mut waiting) = self.networks.pop_front() {
            let client = waiting.leave();
            if !waiting.newcomers.is_empty() || !waiting.others.is_empty() {
                self.networks.push_back(waiting);
            }
            if client.is_some() {
                return client;
            }
        }
        self.taken = false;
        None
    }
}

impl Waiting {
    fn join(&mut self, client: oneshot::Sender<Turn>, failed: bool) {
        let clients = if failed { &mut self.others } else { &mut self.newcomers };
        if clients.len() >= GONE {
            clients.retain(|client| !client.is_closed());
        }
        clients.push_back(client);
    }

    fn leave(&mut self) -> Option<oneshot::Sender<Turn>> {
        self.was_last = !self.was_last;
        [&mut self.newcomers, &mut self.others].into_iter().find_map(|clients| {
            clients.retain(|client| !client.is_closed());
            match self.was_last {
                true => clients.pop_back(),
                false => clients.pop_front(),
            }
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(line) = self.0.take() {
            line.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::pin::Pin;

    use futures_util::FutureExt as _;

    use super::*;

    type Waiter = (&'static str, Pin<Box<dyn Future<Output = Turn>>>);

    fn network(number: u8) -> Network {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)).into()
    }

    fn join(line: &Arc<Line>, name: &'static str, number: u8) -> Waiter {
        join_as(line, name, number, false)
    }

    fn join_as(line: &Arc<Line>, name: &'static str, number: u8, failed: bool) -> Waiter {
        let mut turn: Pin<Box<dyn Future<Output = Turn>>> = Box::pin(Arc::clone(line).turn(network(number), failed));
        assert!(turn.as_mut().now_or_never().is_none(), "{name}");
        (name, turn)
    }

    /// Serves all that wait; in which order they came.
    fn serve(waiters: &mut Vec<Waiter>) -> Vec<&'static str> {
        let mut order = Vec::new();
        while let Some(index) = waiters
            .iter_mut()
            .position(|(_, turn)| turn.as_mut().now_or_never().is_some())
        {
            // The turn was dropped as soon as it was had.
            order.push(waiters.swap_remove(index).0);
        }
        order
    }

    #[tokio::test]
    async fn networks_take_turns_and_within_one_the_last_and_the_first() {
        let line = Arc::<Line>::default();
        let first = line.clone().turn(network(9), false).await;
        let mut waiters = Vec::new();
        for (name, number) in [("a1", 1), ("a2", 1), ("a3", 1), ("a4", 1), ("b1", 2), ("b2", 2)] {
            waiters.push(join(&line, name, number));
        }
        drop(first);
        assert_eq!(serve(&mut waiters), ["a4", "b2", "a1", "b1", "a3", "a2"]);
        line.clone().turn(network(1), false).now_or_never().unwrap();
    }

    #[tokio::test]
    async fn who_comes_again_and_again_keeps_no_newcomer_waiting() {
        let line = Arc::<Line>::default();
        let mut turn = line.clone().turn(network(1), false).await;
        let mut crowd: Vec<_> = (0..200).map(|_| join(&line, "crowd", 1)).collect();
        let mut newcomer = join(&line, "newcomer", 1);
        for round in 0.. {
            drop(turn);
            if newcomer.1.as_mut().now_or_never().is_some() {
                assert!(round < 2, "{round}");
                break;
            }
            let served = crowd.iter_mut().find_map(|(_, turn)| turn.as_mut().now_or_never());
            turn = served.unwrap();
            crowd.push(join(&line, "crowd", 1));
        }
    }

    #[tokio::test]
    async fn newcomers_go_before_those_who_have_failed() {
        let line = Arc::<Line>::default();
        let first = line.clone().turn(network(9), false).await;
        let mut waiters: Vec<_> = ["f1", "f2", "f3"].map(|name| join_as(&line, name, 1, true)).into();
        waiters.extend(["n1", "n2", "n3"].map(|name| join(&line, name, 1)));
        waiters.push(join_as(&line, "other", 2, true));
        drop(first);
        assert_eq!(serve(&mut waiters), ["n3", "other", "n1", "n2", "f1", "f3", "f2"]);
    }

    #[tokio::test]
    async fn who_is_gone_is_passed_over_and_not_kept() {
        let line = Arc::<Line>::default();
        let first = line.clone().turn(network(9), false).await;
        for _ in 0..GONE * 2 {
            drop(join(&line, "gone", 1));
        }
        assert!(line.state().networks[0].newcomers.len() <= GONE);
        let mut waiters = vec![join(&line, "here", 1)];
        drop(first);
        assert_eq!(serve(&mut waiters), ["here"]);
        // Whoever has been given the turn and does not come for it passes it on.
        let first = line.clone().turn(network(9), false).await;
        let gone = join(&line, "gone", 1);
        let mut waiters = vec![join(&line, "here", 2)];
        drop(first);
        drop(gone);
        assert_eq!(serve(&mut waiters), ["here"]);
    }
}
