//! Clients of every kind but the honest scraper: who leaves, who probes, who reads pages, who reads slowly.
//!
//! None of them ever ends by itself, and stopping one leaves its request where it is. What they are answered breaks no bar: an exporter may
//! put them off, as long as it serves the scraper.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::other_client;
use crate::scene::{ACCOUNTS, FLOWS_OF_AN_ACCOUNT};
use crate::tally::Tally;

const LEAVERS: u64 = 2;
const PROBERS: u64 = 4;
const PAGE_READERS: u64 = 2;
const SLOW_READERS: u64 = 8;

/// How long a slow reader goes on.
const SLOW: Duration = Duration::from_secs(30);

/// A kind's n-th client.
#[derive(Debug, Clone)]
struct Visitor {
    exporter: SocketAddr,
    client: Client,
    tally: Arc<Tally>,
    number: u64,
}

/// Starts all of them.
pub(crate) fn start(
    load: &mut JoinSet<Option<()>>,
    exporter: SocketAddr,
    tally: &Arc<Tally>,
    stop: &CancellationToken,
) {
    let visitors = |number: u64| {
        (0..number).map(move |number| Visitor {
            exporter,
            client: other_client().build().unwrap(),
            tally: Arc::clone(tally),
            number,
        })
    };
    for visitor in visitors(LEAVERS) {
        load.spawn(stop.clone().run_until_cancelled_owned(visitor.leave()));
    }
    for visitor in visitors(PROBERS) {
        load.spawn(stop.clone().run_until_cancelled_owned(visitor.probe()));
    }
    for visitor in visitors(PAGE_READERS) {
        load.spawn(stop.clone().run_until_cancelled_owned(visitor.read_pages()));
    }
    for visitor in visitors(SLOW_READERS) {
        load.spawn(stop.clone().run_until_cancelled_owned(visitor.read_slowly()));
    }
}

impl Visitor {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.exporter)
    }

    /// Scrapes, and leaves after the first bytes, or some more, or before any.
    async fn leave(self) {
        for turn in self.number.. {
            let encoding = ["identity", "gzip", "zstd"][turn as usize % 3];
            let request = self
                .client
                .get(self.url("/metrics"))
                .header("accept-encoding", encoding);
            match turn % 4 {
                0 => drop(tokio::time::timeout(Duration::from_millis(2), request.send()).await),
                chunks => {
                    if let Ok(mut answer) = request.send().await {
                        for _ in 0..chunks {
                            drop(answer.chunk().await);
                        }
                    }
                }
            }
            self.tally.broken_off.add_one();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Probes one flow after the other, some that are not in the configuration and some that the vendor does not have; now and then it
    /// has little patience, or leaves.
    async fn probe(self) {
        for turn in self.number.. {
            let account = ACCOUNTS[turn as usize % ACCOUNTS.len()];
            let key_id = turn * 7_919 % (FLOWS_OF_AN_ACCOUNT + 20) + 1;
            let url = self.url(&format!("/probe?account={account}&key_id={key_id}"));
            let patience = ["10", "1", "0.2"][turn as usize % 3];
            let request = self.client.get(url);
            let request = request.header("x-prometheus-scrape-timeout-seconds", patience);
            let leaves = turn % 5 == 0;
            let time = Duration::from_millis(if leaves { 20 } else { 11_000 });
            match tokio::time::timeout(time, request.send()).await {
                Ok(Ok(answer)) if answer.status().is_success() => self.tally.probes.add_one(),
                Err(_) if leaves => self.tally.probes_left.add_one(),
                _ => self.tally.probes_not_had.add_one(),
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }

    /// Reads one page after the other to its end.
    async fn read_pages(self) {
        for turn in self.number.. {
            let flow = format!("/flows/first/{}", turn % FLOWS_OF_AN_ACCOUNT + 1);
            let pages = [
                "/",
                "/api/v1/flows",
                &flow,
                "/api/v1/flows?account=third",
                "/config",
                "/runbooks/",
            ];
            let encoding = ["gzip", "identity"][turn as usize % 2];
            let request = self.client.get(self.url(pages[turn as usize % pages.len()]));
            let whole = match request.header("accept-encoding", encoding).send().await {
                Ok(answer) => answer.status().is_success() & answer.bytes().await.is_ok(),
                Err(_) => false,
            };
            match whole {
                true => self.tally.pages.add_one(),
                false => self.tally.pages_not_had.add_one(),
            }
            tokio::time::sleep(Duration::from_millis(1_000)).await;
        }
    }

    /// Asks for something large and reads some 40 kB of it a second, or nothing.
    async fn read_slowly(self) {
        for turn in self.number.. {
            let path = ["/metrics", "/", "/metrics", "/api/v1/flows"][turn as usize % 4];
            // Refused or cut off: then it comes again.
            let reading = self.trickle(path, turn % 3 > 0);
            drop(tokio::time::timeout(SLOW, reading).await);
            self.tally.slow_readers.add_one();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn trickle(&self, path: &str, reads: bool) -> std::io::Result<()> {
        let socket = TcpSocket::new_v4()?;
        // Little fits in between: whoever does not read is waited for.
        socket.set_recv_buffer_size(16 * 1024)?;
        socket.bind(SocketAddr::from(([127, 0, 0, 2], 0)))?;
        let mut stream = socket.connect(self.exporter).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.exporter);
        stream.write_all(request.as_bytes()).await?;
        let mut buffer = [0; 4 * 1024];
        while !reads || stream.read(&mut buffer).await? > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}
