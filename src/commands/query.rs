//! `query`: one flow now, for a person or for jq.

use std::io::Write;

use anyhow::{Result, bail};
use comfy_table::{Table, presets};
use exporter_toolkit::clock::SharedClock;
use serde_json::{Value, json};

use super::ask::{Asker, failed};
use crate::cli::{OutputFormat, QueryArgs};
use crate::config::Config;
use crate::model::{FlowReport, KeyId, RecallType, ResponseField, Status};
use crate::poll::{ProbeFailure, Probed};
use crate::words;
use crate::words::failure::explain;

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
        Err(failure) => bail!(failed(account, key_id, failure)),
    }
}

/// Rounds that are over, of those planned.
fn progress(report: &FlowReport) -> String {
    let over = report.nodes.unwrap_or_default().by_status.get(Status::Completed);
    match report.recall_attempts {
        Some(planned) => format!("{over} of {planned} rounds completed"),
        None => format!("{over} rounds completed"),
    }
}

fn report_table(account: &str, key_id: KeyId, name: Option<&str>, report: &FlowReport, probed: &Probed) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let flow = name.map_or_else(|| key_id.to_string(), |name| format!("{key_id} {name}"));
    let handed_out = report.nodes.unwrap_or_default();
    let nodes = handed_out.by_status.iter().filter(|(_, count)| *count > 0);
    let nodes: Vec<_> = nodes
        .map(|(status, count)| format!("{count} {}", words::status(status)))
        .collect();
    let more = if handed_out.truncated {
        ", and more that the vendor did not hand out"
    } else {
        ""
    };
    let recalls = match report.recall_type {
        Some(RecallType::All) => "all numbers",
        Some(RecallType::Failed) => "numbers that were not reached",
        None | Some(RecallType::Unknown) => "not reported",
    };
    let interval = report
        .recall_interval_seconds
        .map_or_else(|| "not reported".to_owned(), |seconds| format!("{} min", seconds / 60));
    for (what, value) in [
        ("Flow", flow),
        ("Account", account.to_owned()),
        ("Status", words::status_in_full(report.status)),
        ("Progress", progress(report)),
        (
            "Rounds",
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
        .unwrap_or_default()
        .by_status
        .iter()
        .map(|(status, count)| (status.label().to_owned(), count.into()))
        .collect();
    json!({
        "account": account,
        "key_id": key_id.get(),
        "name": name,
        "status": report.status.unwrap_or(Status::Unknown(None)).label(),
        "status_code": report.status.and_then(Status::code),
        "recall_type": report.recall_type.unwrap_or(RecallType::Unknown).label(),
        "recall_attempts": report.recall_attempts,
        "recall_interval_seconds": report.recall_interval_seconds,
        "nodes": nodes,
        "nodes_truncated": report.nodes.unwrap_or_default().truncated,
        "nodes_reported": report.nodes.and_then(|nodes| nodes.reported),
        "unreadable_fields": report.unreadable.iter().map(ResponseField::label).collect::<Vec<_>>(),
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
