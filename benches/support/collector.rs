//! The yardstick of scrapes: a store filled with flows, and its state through a plain `Collector` of prometheus-client.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use exporter_toolkit::clock::unix_seconds;
use laaffic_exporter::model::{
    AccountName, ApiCode, CountByStatus, FailureReason, FlowInfo, FlowReport, KeyId, Nodes, Outcome, RecallType, Status,
};
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

pub const ACCOUNTS: u64 = 2;

/// A store as it is after hours of polling, at its worst: records scattered over memory, every status, some failures, some labels.
pub fn store(flows: u64) -> Arc<Store> {
    let mut random = StdRng::seed_from_u64(7);
    let name = |account: u64| AccountName::from(format!("account-{account}"));
    let policy = Policy {
        stale_after: Duration::from_secs(24 * 3600),
        terminal_poll_interval: Duration::from_secs(900),
        request_timeout: Duration::from_secs(10),
    };
    let accounts = (0..ACCOUNTS).map(|account| {
        let infos = (1..=flows / ACCOUNTS).map(|number| FlowInfo {
            name: Some(format!("overdue-reminder-{number}").into()),
            labels: Box::new([(
                "team".into(),
                ["collections", "sales", "care"][number as usize % 3].into(),
            )]),
            ..FlowInfo::configured(KeyId::new(number * 7 + account).unwrap(), Duration::from_secs(60))
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
pub struct PlainCollector(Arc<Store>);

impl PlainCollector {
    /// A registry of nothing but these families.
    pub fn registry(store: Arc<Store>) -> Registry {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Self(store)));
        registry
    }

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
