//! LAAFFIC's redial API, simulated over real HTTP: for a demo, for tests, and for trying an exporter without an account.
//!
//! In: [`Settings`]. Out: answers as the vendor's page describes them, and [`Counts`] of what was asked. Nothing here knows the
//! exporter's client or configuration, so that the two sides cannot be wrong together.
//!
//! [`Simulator`] serves a [`Vendor`] on a listener. The vendor is also the handle by which a test changes what happens; a person does
//! the same with curl on `/control` (see `docs/simulator.md`).
//!
//! A request goes through these, each of which uses only what stands below it:
//!
//! - `server`, the routes and the checks that all calls share, and `control`, the control endpoint
//! - `query_detail`, the one call there is so far; a further one is another `endpoint` in a file of its own
//! - `request`, what applies to one request and how it is counted
//! - `vendor`, everything that lasts: accounts, flows, faults, counts
//! - `fault_response`, a fault as it goes out; `fault`, which one strikes; `dialect`, the forms of an answer; `lifecycle`, flows over time

mod connection;
mod control;
mod counts;
mod demo;
mod dialect;
mod endpoint;
mod fault;
mod fault_response;
mod lifecycle;
mod odd;
mod query_detail;
mod random;
mod request;
mod response;
mod server;
mod settings;
mod signature;
mod vendor;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::SystemTime;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;

pub use counts::{Arrival, Counts};
pub use demo::{DemoAccount, DemoFlow, demo_accounts};
pub use dialect::{Dialect, Envelope, Shape};
pub use fault::{Fault, FaultPlan, InvalidFault, RetryAfter, WeightedFault};
pub use lifecycle::{FlowState, Lifecycle, NodeState, Outcome, Script};
pub use query_detail::CUSTOMER_TEXT_MARKER;
pub use settings::{Account, Flow, Latency, Settings};
pub use vendor::{Error, Scope, Vendor};

use connection::ConnectionHandle;

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
    /// `now` is the calendar that the vendor goes by. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// If the listener does not know its address.
    pub fn start(
        listener: TcpListener,
        settings: Settings,
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let vendor = Vendor::new(settings, now);
        let service = vendor
            .router()
            .into_make_service_with_connect_info::<ConnectionHandle>();
        let stop = vendor.stop().clone();
        let stopped = stop.clone().cancelled_owned();
        let server = tokio::spawn(async move { axum::serve(listener, service).with_graceful_shutdown(stopped).await });
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
    ///
    /// # Errors
    /// If the server could not go on.
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
