//! What a scrape costs: CPU, bytes and time to the first byte, against the same state through a plain prometheus-client collector.
//!
//! `cargo bench --bench scrape` runs criterion over all variants and prints the table of docs/performance.md at the end;
//! `cargo bench --bench scrape -- --table` prints only the table, in a minute.

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

use std::hint::black_box;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use axum::body::HttpBody;
use collector::{ACCOUNTS, PlainCollector, store};
use criterion::{BenchmarkId, Criterion, Throughput};
use exporter_toolkit::exposition::body::FrameBody;
use exporter_toolkit::exposition::negotiate::Encoding;
use exporter_toolkit::exposition::{Format, Source};
use flate2::Compression;
use flate2::write::GzEncoder;
use laaffic_exporter::metrics::Exposition;
use laaffic_exporter::metrics::{Activity, registry};
use laaffic_exporter::model::AccountName;
use laaffic_exporter::pages::telemetry::Telemetry;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

const SIZES: [u64; 3] = [1_000, 10_000, 50_000];

/// The ways to answer that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    Ours(Format, Encoding),
    /// Into one `String`; gzipped at the default level or not.
    Plain {
        gzip: bool,
    },
}

impl Variant {
    const ALL: [Self; 8] = [
        Self::Plain { gzip: false },
        Self::Plain { gzip: true },
        Self::Ours(Format::Classic, Encoding::Identity),
        Self::Ours(Format::Classic, Encoding::Gzip),
        Self::Ours(Format::Classic, Encoding::Zstd),
        Self::Ours(Format::OpenMetrics, Encoding::Identity),
        Self::Ours(Format::OpenMetrics, Encoding::Gzip),
        Self::Ours(Format::OpenMetrics, Encoding::Zstd),
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Plain { gzip: false } => "collector, identity",
            Self::Plain { gzip: true } => "collector, gzip default",
            Self::Ours(Format::Classic, Encoding::Identity) => "classic, identity",
            Self::Ours(Format::Classic, Encoding::Gzip) => "classic, gzip",
            Self::Ours(Format::Classic, Encoding::Zstd) => "classic, zstd",
            Self::Ours(Format::OpenMetrics, Encoding::Identity) => "openmetrics, identity",
            Self::Ours(Format::OpenMetrics, Encoding::Gzip) => "openmetrics, gzip",
            Self::Ours(Format::OpenMetrics, Encoding::Zstd) => "openmetrics, zstd",
        }
    }
}

/// Both sides of the comparison over one store.
struct Bench {
    telemetry: Telemetry,
    plain: Registry,
}

impl Bench {
    fn new(flows: u64) -> Self {
        let store = store(flows);
        let accounts = (0..ACCOUNTS).map(|account| AccountName::from(format!("account-{account}")));
        let activity = Arc::new(Activity::new(accounts, SystemTime::UNIX_EPOCH));
        let plain = PlainCollector::registry(Arc::clone(&store));
        Self {
            telemetry: Telemetry {
                store,
                registry: registry(&activity),
            },
            plain,
        }
    }

    /// One answer; its size in bytes.
    fn scrape(&self, variant: Variant) -> usize {
        match variant {
            Variant::Ours(format, encoding) => {
                let mut body = self.body(format, encoding);
                let mut bytes = 0;
                while let Some(frame) = next_frame(&mut body) {
                    bytes += black_box(frame).len();
                }
                bytes
            }
            Variant::Plain { gzip } => {
                let mut text = String::new();
                prometheus_client::encoding::text::encode(&mut text, &self.plain).unwrap();
                if !gzip {
                    return black_box(text).len();
                }
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(text.as_bytes()).unwrap();
                black_box(encoder.finish().unwrap()).len()
            }
        }
    }

    fn body(&self, format: Format, encoding: Encoding) -> FrameBody<Exposition> {
        FrameBody::new(self.telemetry.exposition(format).unwrap(), encoding, None).unwrap()
    }

    fn first_byte(&self, format: Format, encoding: Encoding) -> Duration {
        let begin = Instant::now();
        let mut body = self.body(format, encoding);
        assert!(!next_frame(&mut body).unwrap().is_empty());
        begin.elapsed()
    }
}

fn next_frame(body: &mut FrameBody<Exposition>) -> Option<axum::body::Bytes> {
    let mut context = Context::from_waker(Waker::noop());
    loop {
        // Pending only means that other tasks get their turn.
        if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(&mut context) {
            return frame.map(|frame| frame.unwrap().into_data().unwrap());
        }
    }
}

fn criterion(criterion: &mut Criterion) {
    for flows in SIZES {
        let bench = Bench::new(flows);
        let mut group = criterion.benchmark_group("scrape");
        group.throughput(Throughput::Elements(flows));
        for variant in Variant::ALL {
            group.bench_function(BenchmarkId::new(variant.name(), flows), |bencher| {
                bencher.iter(|| bench.scrape(variant));
            });
        }
        group.finish();
    }
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

/// Medians with the variants taking turns, so that a busy moment of the machine hits all of them.
fn table() {
    println!(
        "\n| flows | variant | median ms | µs per flow | bytes | CPU ÷ collector | bytes ÷ collector | first frame µs |"
    );
    println!("|--:|---|--:|--:|--:|--:|--:|--:|");
    for flows in SIZES {
        let bench = Bench::new(flows);
        let rounds = (200_000 / flows).clamp(7, 41);
        let mut samples = vec![Vec::new(); Variant::ALL.len()];
        let mut bytes = vec![0; Variant::ALL.len()];
        for _ in 0..rounds {
            for (index, variant) in Variant::ALL.into_iter().enumerate() {
                let begin = Instant::now();
                bytes[index] = bench.scrape(variant);
                samples[index].push(begin.elapsed());
            }
        }
        let medians: Vec<_> = samples.into_iter().map(median).collect();
        for (index, variant) in Variant::ALL.into_iter().enumerate() {
            let (against, first) = match variant {
                Variant::Plain { gzip } => (usize::from(gzip), None),
                Variant::Ours(format, encoding) => (
                    usize::from(encoding != Encoding::Identity),
                    Some(median((0..101).map(|_| bench.first_byte(format, encoding)).collect())),
                ),
            };
            println!(
                "| {flows} | {} | {:.2} | {:.3} | {} | {:.3} | {:.3} | {} |",
                variant.name(),
                medians[index].as_secs_f64() * 1e3,
                medians[index].as_secs_f64() * 1e6 / flows as f64,
                bytes[index],
                medians[index].as_secs_f64() / medians[against].as_secs_f64(),
                bytes[index] as f64 / bytes[against] as f64,
                first.map_or("".to_owned(), |first| first.as_micros().to_string()),
            );
        }
    }
}

fn main() {
    let asked = |flag: &str| std::env::args().any(|argument| argument == flag);
    if !asked("--table") {
        let mut all = Criterion::default()
            .sample_size(20)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(2))
            .configure_from_args();
        criterion(&mut all);
        all.final_summary();
    }
    // Not where `cargo test --benches` only wants to see that it runs.
    if asked("--table") || asked("--bench") {
        table();
    }
}
