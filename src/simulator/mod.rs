//! The vendor, played: a faithful stand-in for LAAFFIC's API over real HTTP, for the demo, for `simulate` and for tests.
//!
//! In: [`Settings`]. Out: answers as the vendor's page describes them, and [`Counts`] of what was asked. Nothing here knows the
//! exporter's client or configuration, so that the two sides cannot be wrong together.
//!
//! [`Simulator`] serves a [`Vendor`] on a listener; the vendor is also the handle by which a test or a person changes what happens.
//!
//! # Control
//!
//! What the handle does, a person with curl can do too (see `docs/simulator.md`). Everything hangs off `/control`; `?account=NAME` and
//! `&key_id=N` say where. `GET` shows, `PUT` sets, `DELETE` undoes, and every answer is JSON. Control requests are not counted.
//!
//! | Path | `PUT` takes | Where |
//! |---|---|---|
//! | `/control` | – (only `GET`: everything at a glance) | |
//! | `/control/fault` | a [`Fault`], `&times=N` for the next N requests only | everywhere, account or flow |
//! | `/control/mix` | a list of [`Chance`]s, `&times=N` likewise | everywhere, account or flow |
//! | `/control/flow` | nothing: adds a flow that lives by seed; `DELETE` takes it away | flow |
//! | `/control/state` | a [`FlowState`]: holds the flow there; `DELETE` lets it live on | flow |
//! | `/control/manner` | a [`Manner`]: in which form the flow answers; `DELETE` leaves it to the seed | flow |
//! | `/control/latency` | a [`Latency`] | |
//! | `/control/counts` | – (`GET` and `DELETE`: count from the start again) | in all, account or flow |
//!
//! A fault and a mix are the same place: the one set last is in force, and `GET` on either shows it.

mod body;
mod chance;
mod control;
mod counts;
mod demo;
mod fault;
mod life;
mod line;
mod page;
mod server;
mod settings;
mod sign;
mod vendor;
mod visit;
mod wreck;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;

use crate::clock::SharedClock;

pub use counts::{Arrival, Counts, FlowCounts};
pub use demo::{DemoAccount, DemoFlow, demo_accounts};
pub use fault::{Chance, Fault, Impossible, RetryAfter, Trouble};
pub use life::{Course, FlowState, NodeState, Plan, Script};
pub use page::{CUSTOMER_TEXT_MARKER, Envelope, Manner, Shape};
pub use settings::{Account, Flow, Latency, Settings};
pub use vendor::{Refused, Scope, Vendor};

use line::{LineListener, Scissors};

/// A vendor on a listener. Dropping it stops it too, without waiting for the end.
#[derive(Debug)]
pub struct Simulator {
    vendor: Vendor,
    address: SocketAddr,
    server: JoinHandle<io::Result<()>>,
    // Declared last: cancels the vendor's stop token when the simulator goes.
    _stop: DropGuard,
}

impl Simulator {
    /// Serves the vendor of these settings on this listener until [`Simulator::shutdown`].
    ///
    /// To be called inside a tokio runtime.
    pub fn start(listener: TcpListener, settings: Settings, clock: SharedClock) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let vendor = Vendor::new(settings, clock);
        let service = vendor.router().into_make_service_with_connect_info::<Scissors>();
        let stop = vendor.stop().clone();
        let stopped = stop.clone().cancelled_owned();
        let server = tokio::spawn(async move {
            axum::serve(LineListener(listener), service)
                .with_graceful_shutdown(stopped)
                .await
        });
        Ok(Self {
            vendor,
            address,
            server,
            _stop: stop.drop_guard(),
        })
    }

    /// The base URL of the API, ending in `/v3`. A listener on every address is named by the loopback one.
    pub fn url(&self) -> String {
        format!("http://{}/v3", reachable(self.address))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is being served: its state, its faults, its counts.
    pub fn vendor(&self) -> &Vendor {
        &self.vendor
    }

    /// Stops, and waits until every answer is out; those that were to take long are cut short.
    pub async fn shutdown(self) -> io::Result<()> {
        self.vendor.stop().cancel();
        self.server.await.map_err(io::Error::other)?
    }
}

fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(address) if address.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        SocketAddr::V6(address) if address.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_all_is_reached_by_loopback() {
        for (address, expected) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("10.1.2.3:80", "10.1.2.3:80"),
        ] {
            assert_eq!(reachable(address.parse().unwrap()).to_string(), expected);
        }
    }
}
