//! What a scrape costs over a real socket, against the same state through a plain prometheus-client collector and against nginx.
//!
//! `cargo bench --bench socket` measures the release binary while it polls a simulated upstream in this process. One yardstick is this
//! very program started again as a server of nothing but the collector's text; the other is nginx, where it is installed, which hands the
//! exporter's own text out as a file.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark may end with a panic, and prints its findings"
)]

#[path = "support/collector.rs"]
mod collector;
mod support;

use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use collector::{PlainCollector, store};
use flate2::Compression;
use flate2::write::GzEncoder;
use procfs::process::Process;
use prometheus_client::registry::Registry;
use support::{Exporter, Pace, cpu, median, runtime, upstream};
use tokio::net::TcpListener;

const FLOWS: u64 = 10_000;
const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0";
const ROUNDS: usize = 31;
/// As the defaults poll so many flows.
const USUAL: Pace = Pace {
    interval: "60s",
    rate: 1e6,
    concurrent: 8,
};

/// Serves the collector's text as an exporter usually does it: into one `String`, gzip at its default level.
async fn serve_collector(port: u16) {
    let registry = Arc::new(PlainCollector::registry(store(FLOWS)));
    let metrics = move |headers: HeaderMap| async move { collected(&registry, &headers) };
    let router = Router::new().route("/metrics", get(metrics));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    axum::serve(listener, router).await.unwrap();
}

fn collected(registry: &Registry, headers: &HeaderMap) -> Response {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    let kind = (CONTENT_TYPE, OPEN_METRICS);
    if headers.get(ACCEPT_ENCODING).is_none_or(|accepted| accepted != "gzip") {
        return ([kind], text).into_response();
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    let encoding = (CONTENT_ENCODING, "gzip");
    ([kind, encoding], encoder.finish().unwrap()).into_response()
}

/// A yardstick, in a process of its own.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn collector() -> Self {
        let port = free_port();
        let program = std::env::current_exe().unwrap();
        let child = Command::new(program).args(["--collector", &port.to_string()]).spawn();
        Self {
            child: child.unwrap(),
            address: format!("127.0.0.1:{port}"),
        }
    }

    /// nginx with the files of a folder, at `/sendfile/` by the kernel alone and at `/copied/` through its buffers; `None` where it is not
    /// installed.
    fn nginx(folder: &Path) -> Option<Self> {
        let address = format!("127.0.0.1:{}", free_port());
        let folder = folder.display();
        // One process, so that all its CPU is counted.
        let settings = format!(
            "daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;\n\
             events {{}}\n\
             http {{\n\
                 access_log off; gzip_static off; tcp_nopush on;\n\
                 client_body_temp_path {folder}/temporary; proxy_temp_path {folder}/temporary; fastcgi_temp_path {folder}/temporary;\n\
                 uwsgi_temp_path {folder}/temporary; scgi_temp_path {folder}/temporary;\n\
                 server {{\n\
                     listen {address};\n\
                     location /sendfile/ {{ alias {folder}/; sendfile on; }}\n\
                     location /copied/ {{ alias {folder}/; sendfile off; }}\n\
                 }}\n\
             }}\n"
        );
        std::fs::write(format!("{folder}/nginx.conf"), settings).unwrap();
        let mut command = Command::new("nginx");
        command.args(["-c", &format!("{folder}/nginx.conf"), "-e", &format!("{folder}/errors")]);
        match command.stdin(Stdio::null()).spawn() {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            spawned => Some(Self {
                child: spawned.unwrap(),
                address,
            }),
        }
    }

    fn process(&self) -> Process {
        Process::new(self.child.id().cast_signed()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_port() -> u16 {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

/// One way to get an answer, and what was measured of it.
struct Variant {
    name: &'static str,
    url: String,
    encoding: &'static str,
    process: Process,
    /// CPU seconds of each answer.
    samples: Vec<f64>,
    /// Of an answer as it is sent.
    bytes: usize,
    /// Of the text that it is.
    text: usize,
}

impl Variant {
    fn new(name: &'static str, url: String, encoding: &'static str, process: Process) -> Self {
        Self {
            name,
            url,
            encoding,
            process,
            samples: Vec::new(),
            bytes: 0,
            text: 0,
        }
    }

    /// Takes one answer.
    async fn measure(&mut self, client: &reqwest::Client) {
        let before = cpu(&self.process);
        self.bytes = fetch(client, &self.url, self.encoding).await;
        self.samples.push((cpu(&self.process) - before).as_secs_f64());
    }

    fn per_megabyte(&self) -> f64 {
        median(self.samples.clone()) * 1e3 / (self.text as f64 / 1e6)
    }
}

/// A whole answer; how many bytes came.
async fn fetch(client: &reqwest::Client, url: &str, encoding: &str) -> usize {
    let request = client.get(url).header("accept", OPEN_METRICS);
    let answer = request.header("accept-encoding", encoding).send().await.unwrap();
    let mut answer = answer.error_for_status().unwrap();
    let mut bytes = 0;
    while let Some(chunk) = answer.chunk().await.unwrap() {
        bytes += chunk.len();
    }
    bytes
}

/// Waits until a server answers.
async fn listens(client: &reqwest::Client, address: &str) {
    while client.head(format!("http://{address}/")).send().await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn compare() {
    let simulator = upstream(FLOWS).await;
    let exporter = Exporter::start(&simulator.url(), FLOWS, USUAL);
    exporter.ready().await;
    let client = exporter.client.clone();
    let collector = Server::collector();
    listens(&client, &collector.address).await;

    let ours = format!("http://{}/metrics", exporter.address);
    let theirs = format!("http://{}/metrics", collector.address);
    let mut variants = vec![
        Variant::new("collector, identity", theirs.clone(), "identity", collector.process()),
        Variant::new("collector, gzip", theirs, "gzip", collector.process()),
        Variant::new("exporter, identity", ours.clone(), "identity", exporter.process()),
        Variant::new("exporter, gzip", ours.clone(), "gzip", exporter.process()),
    ];
    let folder = tempfile::tempdir().unwrap();
    let text = client.get(&ours).header("accept", OPEN_METRICS).send().await.unwrap();
    std::fs::write(folder.path().join("metrics"), text.bytes().await.unwrap()).unwrap();
    let nginx = Server::nginx(folder.path());
    if let Some(nginx) = &nginx {
        listens(&client, &nginx.address).await;
        for (name, path) in [("nginx, copied", "copied"), ("nginx, sendfile", "sendfile")] {
            let url = format!("http://{}/{path}/metrics", nginx.address);
            variants.push(Variant::new(name, url, "identity", nginx.process()));
        }
    } else {
        println!("nginx is not installed, so it is not compared.");
    }

    for variant in &mut variants {
        variant.text = fetch(&client, &variant.url, "identity").await;
    }
    // In turns, so that a busy moment of the machine hits all of them.
    for _ in 0..ROUNDS {
        for variant in &mut variants {
            variant.measure(&client).await;
        }
    }
    table(&variants);
}

fn table(variants: &[Variant]) {
    let cost = |name: &str| {
        variants
            .iter()
            .find(|variant| variant.name == name)
            .map(Variant::per_megabyte)
    };
    println!(
        "\n| 10,000 flows | text MB | sent MB | CPU ms per MB of text | ÷ collector | ÷ nginx, copied | ÷ nginx, sendfile | aimed at |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for variant in variants {
        let here = variant.per_megabyte();
        let ratio = |other: Option<f64>| other.map_or(String::new(), |other| format!("{:.2}", here / other));
        let collector = ratio(cost(&format!("collector, {}", variant.encoding)));
        let [copied, sendfile] = ["nginx, copied", "nginx, sendfile"].map(|name| match variant.encoding {
            "identity" => ratio(cost(name)),
            _ => String::new(),
        });
        let aim = match variant.name {
            "exporter, identity" => "≤ 0.21, ≤ 1.4",
            "exporter, gzip" => "≤ 0.12",
            _ => "",
        };
        println!(
            "| {} | {:.1} | {:.2} | {here:.3} | {collector} | {copied} | {sendfile} | {aim} |",
            variant.name,
            variant.text as f64 / 1e6,
            variant.bytes as f64 / 1e6,
        );
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--collector") {
        runtime().block_on(serve_collector(arguments[at + 1].parse().unwrap()));
    } else if arguments.iter().any(|argument| argument == "--bench") {
        // Not where `cargo test --benches` only wants to see that it runs.
        runtime().block_on(compare());
    }
}
