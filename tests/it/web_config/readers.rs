//! Clients that ask and do not take the answer, or that send much and ask for nothing.

use std::fs;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use exporter_toolkit::exposition::{Format, Frames, MetricsHandler, Source, Whole};
use futures_util::stream;
use h2::client::SendRequest;
use reqwest::{Request, StatusCode};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use testkit::certificates::Authority;
use testkit::process::Process;
use testkit::server::{TLS, WebFolder, WebServer, trusting};
use testkit::wait::{PATIENCE, wait_for};

use crate::exporter_in;

/// Addresses of this host that an attacker and others come from.
const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// What nobody reads to its end.
struct Endless;

impl Frames for Endless {
    fn fill(&mut self, out: &mut Vec<u8>) -> bool {
        out.resize(64 * 1024, b'#');
        true
    }
}

impl Source for Endless {
    type Frames = Endless;

    fn exposition(&self, _format: Format) -> Result<Endless, std::fmt::Error> {
        Ok(Endless)
    }
}

/// A single sample.
struct Short;

impl Source for Short {
    type Frames = Whole;

    fn exposition(&self, _format: Format) -> Result<Whole, std::fmt::Error> {
        Ok(Whole(b"answer 42\n".to_vec()))
    }
}

/// A server of so many endless scrapes at once.
async fn endless(web_config: &str, max_requests: usize) -> WebServer {
    let metrics = MetricsHandler::new(Endless, max_requests).into_route();
    WebServer::new(WebFolder::new(web_config), Router::new().route("/metrics", metrics)).await
}

/// Whether this address gets the head of an answer.
async fn status(server: &WebServer, from: IpAddr) -> (StatusCode, Option<String>) {
    let client = server.builder().local_address(from).build().unwrap();
    let response = client.get(server.url("/metrics")).send().await.unwrap();
    let again = response.headers().get("retry-after");
    (response.status(), again.map(|again| again.to_str().unwrap().to_owned()))
}

async fn tls(address: SocketAddr, authority: &Authority) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.cert_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

/// An HTTP/2 client whose answers may have no byte, and its connection, which tells how it ended.
async fn without_window(
    address: SocketAddr,
    authority: &Authority,
) -> (SendRequest<Bytes>, tokio::task::JoinHandle<Result<(), h2::Error>>) {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(0);
    let (requests, connection) = builder.handshake(tls(address, authority).await).await.unwrap();
    (requests, tokio::spawn(connection))
}

/// Asks once more on it; what keeps the answer on its way, and its status.
async fn ask(requests: &mut SendRequest<Bytes>) -> Result<(StatusCode, h2::RecvStream), h2::Error> {
    poll_fn(|context| requests.poll_ready(context)).await?;
    let request = axum::http::Request::get("https://localhost/metrics").body(()).unwrap();
    let (answer, _) = requests.send_request(request, true)?;
    let (head, body) = answer.await?.into_parts();
    Ok((head.status, body))
}

#[tokio::test]
async fn one_connection_without_a_window_has_half_of_the_places_and_not_for_long() {
    let server = endless(TLS, 6).await;
    let (mut requests, ended) = without_window(server.address, &server.folder.authority).await;
    let mut held = Vec::new();
    for number in 0..6 {
        let (status, body) = ask(&mut requests).await.unwrap();
        let wanted = if number < 3 { 200 } else { 503 };
        assert_eq!(status, wanted, "{number}");
        held.push(body);
    }
    assert_eq!(status(&server, OTHER).await, (StatusCode::OK, None));
    let refused = (StatusCode::SERVICE_UNAVAILABLE, Some("1".to_owned()));
    assert_eq!(status(&server, ATTACKER).await, refused);
    // Its window stays shut and it answers every PING: nothing but a deadline ends this.
    timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap_err();
    wait_for("the places to be free again", async || {
        let (status, _) = status(&server, ATTACKER).await;
        (status == StatusCode::OK).then_some(()).ok_or(status)
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_handed_over_but_not_taken_keeps_its_place() {
    // Small enough that HTTP/2 takes it from us as a whole and keeps it for the client.
    let metrics = MetricsHandler::new(Short, 2).into_route();
    let server = WebServer::new(WebFolder::new(TLS), Router::new().route("/metrics", metrics)).await;
    let (mut requests, _connection) = without_window(server.address, &server.folder.authority).await;
    let (first, _held) = ask(&mut requests).await.unwrap();
    let (second, _) = ask(&mut requests).await.unwrap();
    assert_eq!((first, second), (StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(status(&server, OTHER).await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_always_takes_a_little_does_not_hold_its_place() {
    let (given_up, mut hears) = tokio::sync::oneshot::channel::<()>();
    let endless = Arc::new(Mutex::new(Some(given_up)));
    let page = move || async move {
        let endless = endless.lock().unwrap().take();
        let chunks = stream::repeat_with(move || {
            let _kept = &endless;
            Ok::<_, std::io::Error>(vec![b'x'; 64 * 1024])
        });
        Body::from_stream(chunks)
    };
    let server = WebServer::new(WebFolder::new(""), Router::new().route("/metrics", get(page))).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let start = Instant::now();
    // Half of what it must take, and so much that the server never waits for 20 s; until it has dropped the sender with the body.
    let mut a_little = vec![0; 128 * 1024];
    while hears.try_recv() != Err(TryRecvError::Closed) {
        assert!(start.elapsed() < Duration::from_secs(300), "it goes on for ever");
        let _ = stream.read_exact(&mut a_little).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn floods_of_frames_that_ask_for_nothing_end_the_connection() {
    let server = endless(TLS, 0).await;
    let frame = |kind: u8, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, 0, 0, 0, 0, stream], payload].concat()
    };
    for (name, frame) in [
        ("PRIORITY", frame(2, 3, &[0, 0, 0, 0, 16])),
        ("SETTINGS", frame(4, 0, &[])),
        ("PING", frame(6, 0, b"12345678")),
        ("WINDOW_UPDATE", frame(8, 0, &[0, 0, 0, 1])),
        ("of no known kind", frame(99, 0, b"x")),
    ] {
        let mut stream = tls(server.address, &server.folder.authority).await;
        let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
        stream.write_all(&preface).await.unwrap();
        let (mut answers, mut sends) = tokio::io::split(stream);
        let reads = tokio::spawn(async move { tokio::io::copy(&mut answers, &mut tokio::io::sink()).await });
        let flood = frame.repeat(1000);
        let mut sent = 0;
        while sends.write_all(&flood).await.is_ok() && !reads.is_finished() {
            sent += flood.len();
            assert!(sent < 64 * 1024 * 1024, "{name}: {sent} bytes");
        }
        let _ = timeout(PATIENCE, reads).await.unwrap();
    }
    assert_eq!(status(&server, ATTACKER).await.0, StatusCode::OK);
}

/// Enough that one copy of the answer for each of the attackers would not go unnoticed.
const FLOWS: u32 = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn however_many_ask_and_do_not_read_memory_stays_bounded() {
    let flows: String = (1..=FLOWS)
        .map(|key_id| format!("      - key_id: {key_id}\n"))
        .collect();
    let config = format!(
        "accounts:\n  - name: main\n    base_url: http://127.0.0.1:9/v3\n    api_key: k\n    api_secret: s\n    flows:\n{flows}"
    );
    let folder = WebFolder::new(TLS);
    folder.write("config.yaml", config);
    let mut command = exporter_in(&folder, ["--web.config.file=web.yaml"]);
    command.arg("--web.listen-address=127.0.0.1:0");
    let process = Process::start(command);
    let [address] = process.listening().await;
    let client = trusting(&folder.authority, address)
        .local_address(OTHER)
        .build()
        .unwrap();
    let url = format!("https://localhost:{}/metrics", address.port());
    let scrape = || Request::new(reqwest::Method::GET, url.parse().unwrap());
    assert_eq!(client.execute(scrape()).await.unwrap().status(), 200);
    let idle = resident_kib(&process);
    let mut held = Vec::new();
    for number in 0..320 {
        let (mut requests, connection) = without_window(address, &folder.authority).await;
        for _ in 0..16 {
            // Those whose time is over are cut off meanwhile.
            held.extend(ask(&mut requests).await.ok().map(|(_, body)| body));
        }
        if number % 50 == 0 {
            assert_eq!(client.execute(scrape()).await.unwrap().status(), 200);
        }
        std::mem::forget(connection);
    }
    let attacked = resident_kib(&process);
    assert!(attacked < 2 * idle + 32 * 1024, "{idle} KiB, then {attacked} KiB");
}

fn resident_kib(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_page_that_was_made_whole_is_cut_off_too() {
    let page = || async { Body::from_stream(stream::iter([Ok::<_, std::io::Error>(vec![b'x'; 64 << 20])])) };
    let server = WebServer::new(WebFolder::new(TLS), Router::new().route("/metrics", get(page))).await;
    let (mut requests, ended) = without_window(server.address, &server.folder.authority).await;
    let _held = ask(&mut requests).await.unwrap();
    timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap_err();
}
