//! The telemetry path over real HTTP: formats, compression, limits.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use exporter_toolkit::exposition::MetricsHandler;
use flate2::read::GzDecoder;
use laaffic_exporter::metrics::Activity;
use laaffic_exporter::model::{AccountName, Status};
use laaffic_exporter::pages::telemetry::Telemetry;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;
use reqwest::Method;
use testkit::answer::{self, Answer};
use testkit::assertions::has_lines;
use testkit::store::{report, store_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

fn scrapes(flows: u64, max_requests: usize) -> MetricsHandler<Telemetry> {
    let activity = Activity::new([AccountName::from("main")], SystemTime::UNIX_EPOCH);
    // Without the process' numbers, which differ from one scrape to the next.
    let mut own = Registry::default();
    Arc::new(activity).register(&mut own);
    handler(flows, own, max_requests)
}

fn handler(flows: u64, registry: Registry, max_requests: usize) -> MetricsHandler<Telemetry> {
    let store = store_with(flows, |_| (report(Status::InProgress, &[]), SystemTime::UNIX_EPOCH));
    MetricsHandler::new(Telemetry { store, registry }, max_requests)
}

async fn serve(scrapes: MetricsHandler<Telemetry>) -> SocketAddr {
    answer::serve(Router::new().route("/metrics", scrapes.into_route())).await
}

async fn ask(method: Method, address: SocketAddr, headers: &[(&str, &str)]) -> Answer {
    answer::ask(method, address, "/metrics", headers).await.unwrap()
}

async fn get(address: SocketAddr, headers: &[(&str, &str)]) -> Answer {
    ask(Method::GET, address, headers).await
}

/// A scrape whose client has not read it.
async fn begin(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    stream
}

#[tokio::test]
async fn each_scraper_gets_its_content_type_and_a_body_that_fits() {
    let address = serve(scrapes(3, 40)).await;
    // What each Prometheus sends, and what it gets for it, is in the toolkit's tests of the negotiation.
    for (accept, content_type) in [
        (&[][..], CLASSIC),
        (
            &["application/openmetrics-text;version=0.0.1,text/plain;q=0.5"],
            CLASSIC,
        ),
        (
            &["application/openmetrics-text;version=1.0.0,text/plain;q=0.5"],
            OPENMETRICS,
        ),
        (&["text/plain;q=0.1", "application/openmetrics-text"], OPENMETRICS),
    ] {
        let headers: Vec<_> = accept.iter().map(|accept| ("accept", *accept)).collect();
        let answer = get(address, &headers).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), content_type, "{accept:?}");
        assert_eq!(answer.header("vary"), "Accept, Accept-Encoding");
        assert_eq!(answer.header("content-encoding"), "");
        assert_eq!(
            answer.text().ends_with("\n# EOF\n"),
            content_type == OPENMETRICS,
            "{accept:?}"
        );
        let up = "laaffic_redial_flow_up{account=\"main\",key_id=\"3\"} 1";
        has_lines(answer.text(), &[up]);
    }
}

#[tokio::test]
async fn compressed_answers_are_the_same_text() {
    // Several frames, so that the compressors' streams are cut.
    let address = serve(scrapes(500, 40)).await;
    for accept in ["*/*", "application/openmetrics-text"] {
        let accept = ("accept", accept);
        let plain = get(address, &[accept]).await;
        assert!(plain.body.len() > 10 * 64 * 1024);

        let gzip = get(address, &[accept, ("accept-encoding", "gzip")]).await;
        assert_eq!(gzip.header("content-encoding"), "gzip");
        assert_eq!(gzip.header("vary"), "Accept, Accept-Encoding");
        let mut text = Vec::new();
        GzDecoder::new(&gzip.body[..]).read_to_end(&mut text).unwrap();
        assert!(text == plain.body, "gzip gives another text");

        let zstd = get(address, &[accept, ("accept-encoding", "gzip, deflate, br, zstd")]).await;
        assert_eq!(zstd.header("content-encoding"), "zstd");
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
    let head = ask(Method::HEAD, address, &[("accept-encoding", "gzip")]).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("content-type"), CLASSIC);
    assert_eq!(head.header("content-encoding"), "gzip");
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let refused = ask(method.clone(), address, &[]).await;
        assert_eq!(refused.status, 405, "{method}");
        assert_eq!(refused.header("allow"), "GET,HEAD");
    }
    assert_eq!(get(address, &[]).await.status, 200, "none of these kept the one permit");
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
    let mut slow = begin(address).await;
    // The first part comes while the rest is not made yet.
    read_until(&mut slow, "# TYPE laaffic_redial_flow_info gauge").await;

    let refused = get(address, &[]).await;
    assert_eq!(refused.status, 503);
    assert_eq!(
        refused.text(),
        "1 scrape is being answered already, which is the limit (--web.max-requests); try again later.\n"
    );

    // The client goes away; the server notices when it writes, in its own time.
    drop(slow);
    while get(address, &[]).await.status == 503 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn zero_is_no_limit() {
    let address = serve(scrapes(20_000, 0)).await;
    let mut slow = Vec::new();
    for _ in 0..5 {
        let mut stream = begin(address).await;
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
    let answer = get(address, &[]).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.text(), "The metrics could not be written; the log says why.\n");
}
