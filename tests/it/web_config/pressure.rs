//! What a crowd of bad clients can do to an honest one.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::get;
use futures_util::future::join_all;
use futures_util::stream;
use reqwest::{Body, Client, StatusCode};
use testkit::process::Process;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use testkit::server::{TLS, WebFolder, WebServer, trusting};
use testkit::wait::PATIENCE;

use crate::exporter;

/// The program itself, with the demo's flows, in a process of its own: its memory and its files are counted alone.
struct Crowded {
    process: Process,
    address: SocketAddr,
    folder: WebFolder,
    scheme: &'static str,
}

impl Crowded {
    async fn start(scheme: &'static str, web_config: &str) -> Self {
        let folder = WebFolder::new(web_config);
        let mut command = exporter(["demo", "--web.listen-address=127.0.0.1:0", "--web.max-requests=0"]);
        command.arg(format!("--web.config.file={}", folder.web_yaml().display()));
        let process = Process::start(command);
        let [address] = process.listening().await;
        Self {
            process,
            address,
            folder,
            scheme,
        }
    }

    /// Starts it, asks it once, and gives its memory before the crowd comes.
    async fn measured(scheme: &'static str, web_config: &str) -> (Self, u64) {
        let exporter = Self::start(scheme, web_config).await;
        exporter.honest().await;
        let before = exporter.resident_kib();
        (exporter, before)
    }

    fn url(&self) -> String {
        format!("{}://localhost:{}/metrics", self.scheme, self.address.port())
    }

    fn client(&self) -> Client {
        trusting(&self.folder.authority, self.address).build().unwrap()
    }

    /// Asks once on a connection of its own, and says how long that took.
    async fn honest(&self) -> Duration {
        let start = Instant::now();
        let response = self.client().get(self.url()).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.text().await.unwrap().contains("laaffic_redial_flow_info"));
        start.elapsed()
    }

    fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    fn has_not_grown(&self, before: u64) {
        let grown = self.resident_kib().saturating_sub(before);
        assert!(grown < MUCH, "{grown} KiB more");
    }
}

const SCHEMES: [(&str, &str); 2] = [("http", ""), ("https", TLS)];

const SOON: Duration = Duration::from_secs(1);

/// What a crowd may cost, in KiB.
const MUCH: u64 = 96 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn six_hundred_that_only_connect_or_dribble_do_not_keep_an_honest_scrape_out() {
    for (scheme, web_config) in SCHEMES {
        let (exporter, before) = Crowded::measured(scheme, web_config).await;
        let mut slow = Vec::new();
        for number in 0..600 {
            let mut stream = TcpStream::connect(exporter.address).await.unwrap();
            // Half of a head, a byte of a record, or nothing at all.
            let bytes: &[u8] = [&b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-"[..], b"\x16", b""][number % 3];
            let _ = stream.write_all(bytes).await;
            slow.push(stream);
            if number % 100 == 99 {
                let took = exporter.honest().await;
                assert!(took < SOON, "{took:?} with {number} of them");
            }
        }
        exporter.has_not_grown(before);
        // Those that are still connected are cut off in the end.
        let ended = join_all(slow.iter_mut().map(|stream| async {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }));
        timeout(PATIENCE, ended).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_of_request_is_not_kept() {
    for (scheme, web_config) in SCHEMES {
        let (exporter, before) = Crowded::measured(scheme, web_config).await;
        let mebibyte = vec![b'x'; 1024 * 1024];
        let chunks = stream::iter((0..1024).map(move |_| Ok::<_, std::io::Error>(mebibyte.clone())));
        let request = exporter.client().post(exporter.url()).body(Body::wrap_stream(chunks));
        let (sent, took) = tokio::join!(request.send(), exporter.honest());
        // The answer may be lost where the connection is closed on what is still being sent.
        if let Ok(response) = sent {
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        }
        assert!(took < SOON, "{took:?}");
        exporter.has_not_grown(before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_scrapers_at_once_leave_an_honest_one_its_second() {
    for (scheme, web_config) in SCHEMES {
        let (exporter, before) = Crowded::measured(scheme, web_config).await;
        let client = exporter.client();
        let scrapers = (0..200).map(|_| async {
            for _ in 0..3 {
                let response = client.get(exporter.url()).send().await.unwrap();
                assert_eq!(response.status(), StatusCode::OK);
                response.bytes().await.unwrap();
            }
        });
        let honest = async {
            let mut slowest = Duration::ZERO;
            for _ in 0..5 {
                slowest = slowest.max(exporter.honest().await);
            }
            slowest
        };
        let (_, slowest) = tokio::join!(join_all(scrapers), honest);
        // The two share this host's cores with whatever else is tested; a second is meant for a host of its own.
        assert!(slowest < SOON * 3, "{slowest:?}");
        exporter.has_not_grown(before);
    }
}

#[tokio::test]
async fn who_does_not_read_is_cut_off() {
    let (given_up, hears) = tokio::sync::oneshot::channel::<()>();
    let endless = Arc::new(Mutex::new(Some(given_up)));
    let page = move || async move {
        let endless = endless.lock().unwrap().take();
        let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
        let chunks = stream::repeat_with(move || {
            let _kept = &endless;
            Ok::<_, std::io::Error>(chunk.clone())
        });
        axum::body::Body::from_stream(chunks)
    };
    let world = WebServer::new(WebFolder::new(""), Router::new().route("/", get(page))).await;
    let mut stalled = TcpStream::connect(world.address).await.unwrap();
    stalled.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // The sender is dropped with the body.
    assert!(timeout(PATIENCE, hears).await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_does_not_hold_up_the_stop() {
    let hash = bcrypt::hash("x", 4).unwrap().replace("$04$", "$18$");
    let web_config = format!("basic_auth_users: {{alice: {hash}}}");
    let exporter = Crowded::start("http", &web_config).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(exporter.address).await.unwrap());
    }
    // A password that takes a minute to check.
    let client = exporter.client();
    let request = client.get(exporter.url()).basic_auth("alice", Some("y"));
    let asking = tokio::spawn(request.send());
    let url = exporter.url();
    assert_eq!(client.get(url).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let start = Instant::now();
    exporter.process.stopped().await;
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    assert!(asking.await.unwrap().is_err());
}
