//! `query` and `check --live`: signed requests now, for a person or for jq.
//!
//! They are requests to the tasks of the accounts, made for the purpose, so limits hold and three refusals end the asking here as well.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use comfy_table::{Table, presets};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::cli::{OutputFormat, QueryArgs};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::metrics::Activity;
use crate::model::{AccountName, FlowInfo, FlowReport, KeyId, RecallType, Status};
use crate::poll::{self, Plan, Poller, ProbeFailure, Probed, Prober};
use crate::store::{Policy, Store};
use crate::words::failure::explain;

/// Everything that is needed to ask, without anything that polls.
#[derive(Debug)]
struct Asker {
    prober: Prober,
    timeout: Duration,
    flows: Vec<(AccountName, Vec<FlowInfo>)>,
    stop: CancellationToken,
}

/// A failed query or check has been told on standard output already; nothing is left to say but the exit code.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failed(String);

impl Asker {
    fn new(mut config: Config, clock: &SharedClock) -> Result<Self> {
        // Long enough for the retries of a passing trouble.
        let timeout = config.global.request_timeout.get() * 3;
        let take = |account: &mut crate::config::Account| (account.name.clone(), std::mem::take(&mut account.flows));
        let flows: Vec<_> = config.accounts.iter_mut().map(take).collect();
        let names: Vec<_> = flows.iter().map(|(name, _)| name.clone()).collect();
        let plan = Plan::new(config, clock, &poll::over_network)?;
        let store = Arc::new(Store::new(Policy::default(), []));
        let activity = Arc::new(Activity::new(names, clock.now()));
        let poller = Poller::new(plan, store, activity, Arc::clone(clock));
        let prober = poller.prober();
        let stop = CancellationToken::new();
        tokio::spawn(poller.run(stop.clone()));
        Ok(Self {
            prober,
            timeout,
            flows,
            stop,
        })
    }

    async fn ask(&self, account: &AccountName, key_id: KeyId) -> Result<Probed> {
        Ok(self.prober.probe(account, key_id, self.timeout).await?)
    }

    /// The account that a flow belongs to: the one that was named, else the only one, else the only one that has the flow.
    fn account(&self, named: Option<&str>, key_id: KeyId) -> Result<&AccountName> {
        let names = || self.flows.iter().map(|(name, _)| name);
        let listed = || names().map(|name| &**name).collect::<Vec<_>>().join(", ");
        if let Some(named) = named {
            return match names().find(|name| ***name == *named) {
                Some(name) => Ok(name),
                None => bail!("there is no account {named:?}; the configuration has {}", listed()),
            };
        }
        let has_flow = |flows: &[FlowInfo]| flows.iter().any(|flow| flow.key_id == key_id);
        let with_flow: Vec<_> = self
            .flows
            .iter()
            .filter(|(_, flows)| has_flow(flows))
            .map(|(name, _)| name)
            .collect();
        match (with_flow.as_slice(), self.flows.as_slice()) {
            ([name], _) => Ok(name),
            ([], [(name, _)]) => Ok(name),
            _ => bail!(
                "say which account flow {key_id} belongs to with --account; the configuration has {}",
                listed()
            ),
        }
    }

    fn name(&self, account: &str, key_id: KeyId) -> Option<&str> {
        let (_, flows) = self.flows.iter().find(|(name, _)| **name == *account)?;
        flows.iter().find(|flow| flow.key_id == key_id)?.name.as_deref()
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Asks for one flow and prints what came.
///
/// # Errors
/// If the flow cannot be fetched: the code, its meaning and the likely cure.
pub async fn query(config: Config, arguments: &QueryArgs, clock: &SharedClock, mut out: impl Write) -> Result<()> {
    let asker = Asker::new(config, clock)?;
    let key_id = arguments.key_id;
    let account = asker.account(arguments.account.as_deref(), key_id)?;
    let probed = asker.ask(account, key_id).await?;
    let name = asker.name(account, key_id);
    match (&probed.result, arguments.output) {
        (Ok(report), OutputFormat::Table) => writeln!(out, "{}", report_table(account, key_id, name, report, &probed))?,
        (Ok(report), OutputFormat::Json) => writeln!(out, "{:#}", report_json(account, key_id, name, report, &probed))?,
        (Err(failure), OutputFormat::Json) => {
            writeln!(out, "{:#}", failure_json(account, key_id, name, failure, &probed))?
        }
        (Err(_), OutputFormat::Table) => {}
    }
    out.flush()?;
    match &probed.result {
        Ok(_) => Ok(()),
        Err(failure) => bail!(Failed(format!(
            "flow {key_id} of account {account}: {}",
            sentence(failure)
        ))),
    }
}

/// Asks for every configured flow once and prints a verdict for each.
///
/// # Errors
/// If any flow cannot be fetched.
pub async fn check_live(config: Config, clock: &SharedClock, mut out: impl Write) -> Result<()> {
    let asker = Asker::new(config, clock)?;
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["ACCOUNT", "KEY_ID", "NAME", "VERDICT", "DETAIL"]);
    let mut failed = 0_usize;
    let mut asked = 0_usize;
    for (account, flows) in &asker.flows {
        for flow in flows {
            let probed = asker.ask(account, flow.key_id).await?;
            asked += 1;
            let (verdict, detail) = match &probed.result {
                Ok(report) => ("ok", words(report.status)),
                Err(failure) => {
                    failed += 1;
                    ("FAILED", sentence(failure))
                }
            };
            let name = flow.name.as_deref().unwrap_or_default();
            table.add_row([account, &*flow.key_id.to_string(), name, verdict, &*detail]);
        }
    }
    writeln!(out, "{table}")?;
    out.flush()?;
    if failed > 0 {
        bail!(Failed(format!(
            "{failed} of {asked} flows would not work; see the table"
        )));
    }
    Ok(())
}

/// The failure with its code or the system's words, its meaning and the cure.
fn sentence(failure: &ProbeFailure) -> String {
    let explanation = explain(failure.reason);
    let error = failure.error.as_ref();
    let detail = error.map(|error| format!(" ({error})")).unwrap_or_default();
    format!("{}{detail}; {}", explanation.meaning, explanation.cure)
}

/// A status for people.
fn words(status: Status) -> String {
    match status {
        Status::Unknown(Some(code)) => format!("unknown (the vendor's number {code})"),
        Status::Unknown(None) => "not reported".to_owned(),
        status => status.label().replace('_', " "),
    }
}

/// Rounds that are over, of those planned.
fn progress(report: &FlowReport) -> String {
    let over = report.nodes.get(Status::Completed);
    match report.recall_attempts {
        Some(planned) => format!("{over} of {planned} rounds completed"),
        None => format!("{over} rounds completed"),
    }
}

fn report_table(account: &str, key_id: KeyId, name: Option<&str>, report: &FlowReport, probed: &Probed) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let flow = name.map_or_else(|| key_id.to_string(), |name| format!("{key_id} {name}"));
    let nodes = report.nodes.iter().filter(|(_, count)| *count > 0);
    let nodes: Vec<_> = nodes
        .map(|(status, count)| format!("{count} {}", words(status)))
        .collect();
    let more = if report.nodes_truncated {
        ", and more that the vendor did not hand out"
    } else {
        ""
    };
    let recalls = match report.recall_type {
        RecallType::All => "all numbers",
        RecallType::Failed => "numbers that were not reached",
        RecallType::Unknown => "not reported",
    };
    let interval = report
        .recall_interval_minutes
        .map_or_else(|| "not reported".to_owned(), |minutes| format!("{minutes} min"));
    for (what, value) in [
        ("Flow", flow),
        ("Account", account.to_owned()),
        ("Status", words(report.status)),
        ("Progress", progress(report)),
        (
            "Nodes",
            if nodes.is_empty() {
                format!("none{more}")
            } else {
                format!("{}{more}", nodes.join(", "))
            },
        ),
        ("Recalls", recalls.to_owned()),
        ("Interval", interval),
        ("Took", format!("{} ms", probed.duration.as_millis())),
    ] {
        table.add_row([what, &*value]);
    }
    table
}

fn report_json(account: &str, key_id: KeyId, name: Option<&str>, report: &FlowReport, probed: &Probed) -> Value {
    let nodes: serde_json::Map<_, _> = report
        .nodes
        .iter()
        .map(|(status, count)| (status.label().to_owned(), count.into()))
        .collect();
    json!({
        "account": account,
        "key_id": key_id.get(),
        "name": name,
        "status": report.status.label(),
        "status_code": report.status.code(),
        "recall_type": report.recall_type.label(),
        "recall_attempts": report.recall_attempts,
        "recall_interval_seconds": report.recall_interval_minutes.map(|minutes| minutes.saturating_mul(60)),
        "nodes": nodes,
        "nodes_truncated": report.nodes_truncated,
        "duration_seconds": probed.duration.as_secs_f64(),
    })
}

fn failure_json(account: &str, key_id: KeyId, name: Option<&str>, failure: &ProbeFailure, probed: &Probed) -> Value {
    let explanation = explain(failure.reason);
    json!({
        "account": account,
        "key_id": key_id.get(),
        "name": name,
        "error": {
            "reason": failure.reason.label(),
            "code": failure.reason.code(),
            "detail": failure.error,
            "meaning": explanation.meaning,
            "cure": explanation.cure,
        },
        "duration_seconds": probed.duration.as_secs_f64(),
    })
}
