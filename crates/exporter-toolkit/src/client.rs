//! Who asks. Limits are counted by what one client can choose its addresses from, so that nobody gets more by changing them.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What counts as one client: an IPv4 address or, with IPv6, the network of 64 bits that a host chooses its addresses from (RFC 4291,
/// section 2.5.4). Every request has it as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// The other end of one connection.
#[derive(Debug)]
pub struct Client {
    network: Network,
    password: Arc<Semaphore>,
    /// Whether a password was wrong on this connection.
    failed: AtomicBool,
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        Self {
            network: address.into(),
            password: Arc::new(Semaphore::new(1)),
            failed: AtomicBool::new(false),
        }
    }
}

impl Client {
    /// Where it is.
    pub fn network(&self) -> Network {
        self.network
    }

    /// Whether it has sent a wrong password before.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Notes that it has sent a wrong password.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Leave to have a password checked: one at a time, so that many requests on one connection weigh no more than one.
    pub(crate) fn password(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.password).try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_that_a_host_chooses_from_are_one_network() {
        let network = |address: &str| Network::from(address.parse::<IpAddr>().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
