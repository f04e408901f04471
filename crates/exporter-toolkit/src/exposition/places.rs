//! So many answers at once, shared out between those who ask.
//!
//! A network (see [`crate::client`]) gets one more only while it has fewer than are free. Alone it can have half; beside others their
//! share; and there is one left for a newcomer as long as only a few take all they can.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client::Network;

/// The places of a handler. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_network: HashMap<Network, usize>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// All are taken.
    All,
    /// Those that are free are for others.
    ForThisNetwork,
}

/// One place; given back by dropping it.
#[derive(Debug)]
pub struct Place {
    places: Places,
    network: Option<Network>,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Inner {
            most,
            taken: Mutex::default(),
        }))
    }

    pub(super) fn most(&self) -> usize {
        self.0.most
    }

    /// A place for this network. Where nobody knows who asks, there is nothing to share out.
    pub(super) fn take(&self, network: Option<Network>) -> Result<Place, Full> {
        let mut taken = self.taken();
        let free = self.0.most.saturating_sub(taken.all);
        if free == 0 {
            return Err(Full::All);
        }
        if let Some(network) = network {
            let held = taken.by_network.entry(network).or_default();
            if *held >= free {
                return Err(Full::ForThisNetwork);
            }
            *held += 1;
        }
        taken.all += 1;
        Ok(Place {
            places: self.clone(),
            network,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all = taken.all.saturating_sub(1);
        let Some(network) = self.network else { return };
        if let Some(held) = taken.by_network.get_mut(&network) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                taken.by_network.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn network(number: u8) -> Option<Network> {
        Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)).into())
    }

    /// Takes all that this network can have.
    fn grab(places: &Places, network: Option<Network>) -> Vec<Place> {
        std::iter::from_fn(|| places.take(network).ok()).collect()
    }

    #[test]
    fn one_network_has_half_and_the_next_ones_half_of_what_is_left() {
        for (most, shares) in [
            (1, &[1, 0][..]),
            (2, &[1, 1, 0]),
            (3, &[2, 1, 0]),
            (40, &[20, 10, 5, 3, 1, 1, 0]),
        ] {
            let places = Places::new(most);
            let held: Vec<_> = (0..)
                .zip(shares)
                .map(|(number, _)| grab(&places, network(number)))
                .collect();
            assert_eq!(held.iter().map(Vec::len).collect::<Vec<_>>(), shares, "{most}");
            drop(held);
            assert_eq!(grab(&places, None).len(), most, "all are given back");
            assert!(places.taken().by_network.is_empty());
        }
    }

    #[test]
    fn why_there_is_none_is_told() {
        let places = Places::new(2);
        let _one = places.take(network(1)).unwrap();
        assert_eq!(places.take(network(1)).unwrap_err(), Full::ForThisNetwork);
        let _two = places.take(network(2)).unwrap();
        assert_eq!(places.take(network(1)).unwrap_err(), Full::All);
    }
}
