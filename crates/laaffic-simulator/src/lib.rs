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
//! - `query_detail`, `query_page`, `group_call_query` and `get_balance`, the calls, each an `endpoint`; `page`, what lists share
//! - `request`, what applies to one request and how it is counted
//! - `vendor`, everything that lasts: faults, counts and each `account` with its flows, its `balance` and its `births`
//! - `fault_response`, a fault as it goes out; `fault`, which one strikes; `dialect` and `list_dialect`, the forms of an answer
//! - `lifecycle`, flows over time, with `script`, one life of theirs, and `group_call`, the calls behind it; `keys` and `names`
//! - `calendar`, when that was, and `times`, how it is written

mod account;
#[cfg(test)]
mod asked;
mod balance;
mod births;
mod calendar;
mod connection;
mod control;
mod counts;
mod demo;
mod dialect;
mod endpoint;
mod fault;
mod fault_response;
mod get_balance;
mod group_call;
mod group_call_query;
mod keys;
mod lifecycle;
mod list_dialect;
mod names;
mod odd;
mod page;
mod progress;
mod query_detail;
mod query_page;
mod random;
mod request;
mod response;
mod script;
mod server;
mod settings;
mod signature;
mod times;
mod vendor;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::SystemTime;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;

pub use balance::Balance;
pub use births::Births;
pub use counts::{Arrival, Counts};
pub use demo::{DemoAccount, DemoFlow, demo_accounts};
pub use dialect::{Dialect, Envelope, Shape};
pub use fault::{Fault, FaultPlan, InvalidFault, RetryAfter, WeightedFault};
pub use lifecycle::{FlowState, Lifecycle, NodeState};
pub use list_dialect::{ListDialect, TotalForm};
pub use query_detail::CUSTOMER_TEXT_MARKER;
pub use script::{Outcome, Script};
pub use settings::{Account, Flow, Latency, Settings};
pub use times::{TimeForm, ZoneOffset};
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    async fn answer_to(simulator: &Simulator, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn every_call_has_its_path_with_and_without_the_version_and_its_method() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let simulator = Simulator::start(listener, Settings::default(), || SystemTime::UNIX_EPOCH).unwrap();
        for (method, other, path) in [
            ("POST", "GET", "/voice/recallFlow/queryDetail"),
            ("POST", "GET", "/voice/recallFlow/queryPage"),
            ("POST", "GET", "/voice/group/call/query"),
            ("GET", "POST", "/getBalance"),
        ] {
            for path in [path.to_owned(), format!("/v3{path}")] {
                // Nobody is known here: to be told so is to have been understood.
                let answer = answer_to(&simulator, method, &path).await;
                assert!(answer.contains("Authentication error"), "{path}: {answer}");
                let answer = answer_to(&simulator, other, &path).await;
                assert!(
                    answer.starts_with("HTTP/1.1 405") && answer.contains(&format!("allow: {method}")),
                    "{answer}"
                );
            }
        }
        assert_eq!(simulator.vendor().counts().answered("-1"), 8);
        simulator.shutdown().await.unwrap();
    }

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
