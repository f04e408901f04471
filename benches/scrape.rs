//! What a scrape costs: CPU, bytes and time to the first byte, against the same state through a plain prometheus-client collector.
//!
//! `cargo bench --bench scrape` runs criterion over all variants and prints the table of docs/performance.md at the end;
//! `cargo bench --bench scrape -- --table` prints only the table, in a minute.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark may end with a panic, and prints its findings"
)]

use std::fmt;
use std::hint::black_box;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use axum::body::HttpBody;
use criterion::{BenchmarkId, Criterion, Throughput};
use exporter_toolkit::clock::unix_seconds;
use exporter_toolkit::exposition::body::FrameBody;
use exporter_toolkit::exposition::negotiate::Encoding;
use exporter_toolkit::exposition::{Format, Source};
use flate2::Compression;
use flate2::write::GzEncoder;
use laaffic_exporter::metrics::Exposition;
use laaffic_exporter::metrics::{Activity, registry};
use laaffic_exporter::model::{
    AccountName, ApiCode, CountByStatus, FailureReason, FlowInfo, FlowReport, KeyId, Nodes, Outcome, RecallType, Status,
};
use laaffic_exporter::pages::telemetry::Telemetry;
use laaffic_exporter::store::{AccountFlows, FlowRecord, Known, Policy, Snapshot, Store};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

const SIZES: [u64; 3] = [1_000, 10_000, 50_000];
const ACCOUNTS: u64 = 2;

/// A store as it is after hours of polling, at its worst: records scattered over memory, every status, some failures, some labels.
fn store(flows: u64) -> Arc<Store> {
    let mut random = StdRng::seed_from_u64(7);
    let name = |account: u64| AccountName::from(format!("account-{account}"));
    let policy = Policy {
        stale_after: Duration::from_secs(24 * 3600),
        terminal_poll_interval: Duration::from_secs(900),
        request_timeout: Duration::from_secs(10),
    };
    let accounts = (0..ACCOUNTS).map(|account| {
        let infos = (1..=flows / ACCOUNTS).map(|number| FlowInfo {
            key_id: KeyId::new(number * 7 + account).unwrap(),
            name: Some(format!("overdue-reminder-{number}").into()),
            labels: Box::new([(
                "team".into(),
                ["collections", "sales", "care"][number as usize % 3].into(),
            )]),
            poll_interval: Duration::from_secs(60),
        });
        AccountFlows::new(name(account), infos)
    });
    let store = Store::new(policy, accounts);
    let begin = SystemTime::UNIX_EPOCH + Duration::from_secs(1_763_848_500);
    let mut order: Vec<_> = (0..flows).collect();
    for round in 0..3 {
        order.shuffle(&mut random);
        // As if a scrape were under way: every record of this round is a new one.
        let _held = store.snapshot();
        for index in &order {
            let (account, key_id) = (
                name(index % ACCOUNTS),
                KeyId::new((index / ACCOUNTS + 1) * 7 + index % ACCOUNTS).unwrap(),
            );
            let at = begin + Duration::from_nanos(round * 60_000_000_000 + random.random_range(0..60_000_000_000));
            if random.random_ratio(1, 50) {
                let reason = [
                    FailureReason::Api(ApiCode(-18)),
                    FailureReason::Transport(Outcome::Timeout),
                ][*index as usize % 2];
                store.failed(&account, key_id, reason, None, at).unwrap();
                continue;
            }
            let mut nodes = CountByStatus::default();
            for _ in 0..random.random_range(0..12) {
                nodes.add(Status::ALL[random.random_range(0..5)]);
            }
            let report = FlowReport {
                status: Some(Status::from_code(Some(random.random_range(0..5)))),
                recall_type: Some(RecallType::from_code(Some(random.random_range(0..2)))),
                recall_attempts: Some(random.random_range(1..8)),
                recall_interval_seconds: Some(random.random_range(1..60) * 60),
                nodes: Some(Nodes {
                    by_status: nodes,
                    ..Nodes::default()
                }),
                ..FlowReport::default()
            };
            store.succeeded(&account, key_id, report, at).unwrap();
        }
    }
    Arc::new(store)
}

/// The yardstick: the same families from the same store through prometheus-client alone, as an exporter usually does it.
#[derive(Debug)]
struct PlainCollector(Arc<Store>);

impl PlainCollector {
    fn each(
        encoder: &mut DescriptorEncoder<'_>,
        snapshot: &Snapshot,
        (name, unit, kind): (&str, Option<&Unit>, MetricType),
        mut put: impl FnMut(&mut MetricEncoder<'_>, &AccountFlows, &FlowRecord, Option<&Known>) -> fmt::Result,
    ) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, "Help of usual length, as of the last poll.", unit, kind)?;
        for account in &snapshot.accounts {
            for flow in &account.flows {
                put(&mut family, account, flow, snapshot.fresh(account, flow))?;
            }
        }
        Ok(())
    }
}

impl Collector for PlainCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = self.0.snapshot();
        let encoder = &mut encoder;
        let seconds = Some(&Unit::Seconds);
        let key = |flow: &FlowRecord| ("key_id", flow.info.key_id.to_string());
        let account = |account: &AccountFlows| ("account", account.name.to_string());
        let gauge = |name| (name, None, MetricType::Gauge);
        Self::each(
            encoder,
            &snapshot,
            gauge("laaffic_redial_flow_info"),
            |family, at, flow, known| {
                let mut labels = vec![
                    account(at),
                    key(flow),
                    ("name", flow.info.name.as_deref().unwrap_or_default().to_owned()),
                    (
                        "recall_type",
                        known
                            .and_then(|known| known.recall_type)
                            .map_or(RecallType::Unknown, |reported| reported.value)
                            .label()
                            .to_owned(),
                    ),
                ];
                labels.extend(flow.info.labels.iter().map(|(_, value)| ("team", value.to_string())));
                ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)
            },
        )?;
        Self::each(
            encoder,
            &snapshot,
            gauge("laaffic_redial_flow_up"),
            |family, at, flow, _| {
                ConstGauge::new(i64::from(flow.up())).encode(family.encode_family(&[account(at), key(flow)])?)
            },
        )?;
        Self::each(
            encoder,
            &snapshot,
            gauge("laaffic_redial_flow_error"),
            |family, at, flow, _| {
                let Some(failure) = &flow.failure else { return Ok(()) };
                let labels = [account(at), key(flow), ("reason", failure.reason.label().to_owned())];
                ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)
            },
        )?;
        let stamped = |name| (name, seconds, MetricType::Gauge);
        Self::each(
            encoder,
            &snapshot,
            stamped("laaffic_redial_flow_last_success_timestamp"),
            |family, at, flow, _| {
                let Some(known) = flow.known else { return Ok(()) };
                ConstGauge::new(unix_seconds(known.at)).encode(family.encode_family(&[account(at), key(flow)])?)
            },
        )?;
        Self::each(
            encoder,
            &snapshot,
            stamped("laaffic_redial_flow_poll_interval"),
            |family, at, flow, _| {
                let interval = snapshot.poll_interval(at, flow).as_secs_f64();
                ConstGauge::new(interval).encode(family.encode_family(&[account(at), key(flow)])?)
            },
        )?;
        Self::each(
            encoder,
            &snapshot,
            gauge("laaffic_redial_flow_status"),
            |family, at, flow, known| {
                let Some(reported) = known.and_then(|known| known.status) else {
                    return Ok(());
                };
                for status in Status::ALL {
                    let labels = [account(at), key(flow), ("status", status.label().to_owned())];
                    let present = i64::from(status.index() == reported.value.index());
                    ConstGauge::new(present).encode(family.encode_family(&labels)?)?;
                }
                Ok(())
            },
        )?;
        Self::each(
            encoder,
            &snapshot,
            gauge("laaffic_redial_flow_status_code"),
            |family, at, flow, known| {
                let Some(code) = known.and_then(|known| known.status?.value.code()) else {
                    return Ok(());
                };
                ConstGauge::new(code).encode(family.encode_family(&[account(at), key(flow)])?)
            },
        )?;
        Self::each(
            encoder,
            &snapshot,
            stamped("laaffic_redial_flow_status_since_timestamp"),
            |family, at, flow, known| {
                let Some(known) = known else { return Ok(()) };
                ConstGauge::new(unix_seconds(known.status_since))
                    .encode(family.encode_family(&[account(at), key(flow)])?)
            },
        )?;
        let exceptions = ("laaffic_redial_flow_exceptions", None, MetricType::Counter);
        Self::each(encoder, &snapshot, exceptions, |family, at, flow, _| {
            ConstCounter::new(flow.exceptions).encode(family.encode_family(&[account(at), key(flow)])?)
        })?;
        Self::each(
            encoder,
            &snapshot,
            gauge("laaffic_redial_flow_nodes"),
            |family, at, flow, known| {
                let Some(nodes) = known.and_then(|known| known.nodes) else {
                    return Ok(());
                };
                for (status, count) in nodes.value.by_status.iter() {
                    let labels = [account(at), key(flow), ("status", status.label().to_owned())];
                    ConstGauge::new(count).encode(family.encode_family(&labels)?)?;
                }
                Ok(())
            },
        )?;
        Self::each(
            encoder,
            &snapshot,
            gauge("laaffic_redial_flow_nodes_truncated"),
            |family, at, flow, known| {
                let Some(nodes) = known.and_then(|known| known.nodes) else {
                    return Ok(());
                };
                let truncated = i64::from(nodes.value.truncated);
                ConstGauge::new(truncated).encode(family.encode_family(&[account(at), key(flow)])?)
            },
        )?;
        Self::each(
            encoder,
            &snapshot,
            gauge("laaffic_redial_flow_recall_attempts"),
            |family, at, flow, known| {
                let Some(attempts) = known.and_then(|known| known.recall_attempts) else {
                    return Ok(());
                };
                ConstGauge::new(attempts.value).encode(family.encode_family(&[account(at), key(flow)])?)
            },
        )?;
        Self::each(
            encoder,
            &snapshot,
            stamped("laaffic_redial_flow_recall_interval"),
            |family, at, flow, known| {
                let Some(interval) = known.and_then(|known| known.recall_interval_seconds) else {
                    return Ok(());
                };
                ConstGauge::new(interval.value).encode(family.encode_family(&[account(at), key(flow)])?)
            },
        )
    }
}

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
        let mut plain = Registry::default();
        plain.register_collector(Box::new(PlainCollector(Arc::clone(&store))));
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
