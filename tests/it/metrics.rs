//! The telemetry path over real HTTP: formats, compression, limits.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may end with a panic"
)]

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use exporter_toolkit::exposition::{Format, MetricsHandler};
use flate2::read::GzDecoder;
use laaffic_exporter::metrics::{Activity, registry};
use laaffic_exporter::model::{AccountName, CountByStatus, FlowInfo, FlowReport, KeyId, RecallType, Status};
use laaffic_exporter::pages::telemetry::Telemetry;
use laaffic_exporter::store::{AccountFlows, Policy, Store};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

fn store(flows: u64) -> Arc<Store> {
    let policy = Policy {
        stale_after: Duration::from_secs(300),
        terminal_poll_interval: Duration::from_secs(900),
        request_timeout: Duration::from_secs(10),
    };
    let infos = (1..=flows).map(|number| FlowInfo {
        key_id: KeyId::new(number).unwrap(),
        name: Some(format!("reminder-{number}").into()),
        labels: Box::default(),
        poll_interval: Duration::from_secs(60),
    });
    let store = Store::new(policy, [AccountFlows::new("main".into(), infos)]);
    for number in 1..=flows {
        let report = FlowReport {
            status: Status::InProgress,
            recall_type: RecallType::All,
            recall_attempts: Some(3),
            recall_interval_minutes: Some(5),
            nodes: CountByStatus::default(),
            nodes_truncated: false,
        };
        let key_id = KeyId::new(number).unwrap();
        store.succeeded("main", key_id, report, SystemTime::UNIX_EPOCH).unwrap();
    }
    Arc::new(store)
}

fn scrapes(flows: u64, max_requests: usize) -> MetricsHandler<Telemetry> {
    let activity = Activity::new([AccountName::from("main")], SystemTime::UNIX_EPOCH);
    // Without the process' numbers, which differ from one scrape to the next.
    let mut own = Registry::default();
    Arc::new(activity).register(&mut own);
    handler(flows, own, max_requests)
}

fn handler(flows: u64, registry: Registry, max_requests: usize) -> MetricsHandler<Telemetry> {
    let store = store(flows);
    MetricsHandler::new(Telemetry { store, registry }, max_requests)
}

async fn serve(scrapes: MetricsHandler<Telemetry>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/metrics", scrapes.into_route());
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// An answer as it came over the wire, chunks put together.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

fn request(method: &str, headers: &str) -> String {
    format!("{method} /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n")
}

async fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).await.unwrap();
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(raw[..end].to_vec()).unwrap();
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked && end < raw.len() {
        joined(&raw[end..])
    } else {
        raw[end..].to_vec()
    };
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head,
        body,
    }
}

fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = chunks.windows(2).position(|window| window == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&chunks[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&chunks[line + 2..line + 2 + size]);
        chunks = &chunks[line + 2 + size + 2..];
    }
}

async fn get(address: SocketAddr, headers: &str) -> Answer {
    ask(address, &request("GET", headers)).await
}

#[tokio::test]
async fn each_scraper_gets_its_content_type_and_a_body_that_fits() {
    let address = serve(scrapes(3, 40)).await;
    for (accept, content_type) in [
        ("", CLASSIC),
        ("Accept: */*\r\n", CLASSIC),
        ("Accept: text/plain;version=0.0.4;q=1,*/*;q=0.1\r\n", CLASSIC),
        (
            "Accept: application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n",
            CLASSIC,
        ),
        (
            "Accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n",
            OPENMETRICS,
        ),
        (
            "Accept: application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=2\r\n",
            OPENMETRICS,
        ),
        (
            "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;escaping=allow-utf-8;q=0.3,*/*;q=0.2\r\n",
            OPENMETRICS,
        ),
        (
            "Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1\r\n",
            OPENMETRICS,
        ),
        (
            "Accept: text/plain;q=0.1\r\nAccept: application/openmetrics-text\r\n",
            OPENMETRICS,
        ),
    ] {
        let answer = get(address, accept).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some(content_type), "{accept}");
        assert_eq!(answer.header("vary"), Some("Accept, Accept-Encoding"));
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(
            answer.text().ends_with("\n# EOF\n"),
            content_type == OPENMETRICS,
            "{accept}"
        );
        assert!(
            answer
                .text()
                .contains("laaffic_redial_flow_up{account=\"main\",key_id=\"3\"} 1\n")
        );
    }
}

#[tokio::test]
async fn compressed_answers_are_the_same_text() {
    // Several frames, so that the compressors' streams are cut.
    let address = serve(scrapes(500, 40)).await;
    for accept in ["Accept: */*\r\n", "Accept: application/openmetrics-text\r\n"] {
        let plain = get(address, accept).await;
        assert!(plain.body.len() > 10 * 64 * 1024);

        let gzip = get(address, &format!("{accept}Accept-Encoding: gzip\r\n")).await;
        assert_eq!(gzip.header("content-encoding"), Some("gzip"));
        assert_eq!(gzip.header("vary"), Some("Accept, Accept-Encoding"));
        let mut text = Vec::new();
        GzDecoder::new(&gzip.body[..]).read_to_end(&mut text).unwrap();
        assert!(text == plain.body, "gzip gives another text");

        let zstd = get(
            address,
            &format!("{accept}Accept-Encoding: gzip, deflate, br, zstd\r\n"),
        )
        .await;
        assert_eq!(zstd.header("content-encoding"), Some("zstd"));
        assert!(
            zstd::stream::decode_all(&zstd.body[..]).unwrap() == plain.body,
            "zstd gives another text"
        );
        assert!(zstd.body.len() * 10 < plain.body.len() && gzip.body.len() * 10 < plain.body.len());
    }
}

#[tokio::test]
async fn head_has_the_headers_alone_and_other_methods_are_refused() {
    let address = serve(scrapes(3, 1)).await;
    let head = ask(address, &request("HEAD", "Accept-Encoding: gzip\r\n")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-type"), Some(CLASSIC));
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let refused = ask(address, &request(method, "")).await;
        assert_eq!(refused.status, 405, "{method}");
        assert_eq!(refused.header("allow"), Some("GET,HEAD"));
    }
    assert_eq!(get(address, "").await.status, 200, "none of these kept the one permit");
}

#[tokio::test]
async fn absurd_headers_get_an_answer() {
    let address = serve(scrapes(3, 40)).await;
    let long = format!("Accept: {}\r\n", "application/openmetrics-text;q=0.5,".repeat(200));
    for headers in [
        "Accept: ;;;,,,=\"\\\r\nAccept-Encoding: ;q=,*;;q=\"\r\n",
        "Accept: \u{fffd}\u{fffd}\r\n",
        "Accept-Encoding: gzip;q=99999999999999999999999999\r\n",
        long.as_str(),
    ] {
        assert_eq!(get(address, headers).await.status, 200, "{headers}");
    }
}

/// Reads until the text has come; what came.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "closed before {wanted}");
        seen.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&seen);
        if text.contains(wanted) {
            return text.into_owned();
        }
    }
}

#[tokio::test]
async fn one_scrape_too_many_is_refused_at_once_until_another_ends() {
    // Far more than the socket's buffers take, so that a client who stops reading keeps its permit.
    let address = serve(scrapes(20_000, 1)).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(request("GET", "").as_bytes()).await.unwrap();
    // The first part comes while the rest is not made yet.
    read_until(&mut slow, "# TYPE laaffic_redial_flow_info gauge").await;

    let refused = get(address, "").await;
    assert_eq!(refused.status, 503);
    assert_eq!(
        refused.text(),
        "1 scrape is being answered already, which is the limit (--web.max-requests); try again later.\n"
    );

    // The client goes away; the server notices when it writes, in its own time.
    drop(slow);
    while get(address, "").await.status == 503 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn zero_is_no_limit() {
    let address = serve(scrapes(20_000, 0)).await;
    let mut slow = Vec::new();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request("GET", "").as_bytes()).await.unwrap();
        assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
        slow.push(stream);
    }
}

#[derive(Debug)]
struct Broken;

impl Collector for Broken {
    fn encode(&self, _encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        Err(std::fmt::Error)
    }
}

#[tokio::test]
async fn an_instrument_that_cannot_be_written_gives_500_and_no_half_of_an_answer() {
    let mut own = Registry::default();
    own.register_collector(Box::new(Broken));
    let address = serve(handler(3, own, 40)).await;
    let answer = get(address, "").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.text(), "The metrics could not be written; the log says why.\n");
}

#[tokio::test]
async fn the_process_shows_itself() {
    let activity = Arc::new(Activity::new([], SystemTime::UNIX_EPOCH));
    let address = serve(handler(3, registry(&activity), 40)).await;
    let answer = get(address, "").await;
    assert!(answer.text().contains("laaffic_exporter_build_info{version=\""));
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_virtual_memory_max_bytes",
        "process_start_time_seconds",
        "process_open_fds",
        "process_max_fds",
        "process_threads",
    ] {
        let line = answer
            .text()
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")));
        assert_eq!(
            line.is_some_and(|value| value.parse::<f64>().is_ok()),
            cfg!(target_os = "linux"),
            "{name}"
        );
    }
}

#[test]
fn the_content_types_are_the_exact_ones() {
    assert_eq!(Format::Classic.content_type(), CLASSIC);
    assert_eq!(Format::OpenMetrics.content_type(), OPENMETRICS);
}
