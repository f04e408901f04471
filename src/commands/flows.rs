//! `flows`: the list of an account's flows now, for a person, for jq, or to paste into the configuration.

use std::io::Write;
use std::time::Duration;

use anyhow::{Result, bail};
use comfy_table::{Table, presets};
use exporter_toolkit::clock::{SharedClock, unix_seconds};
use serde_json::{Value, json};

use super::ask::{Asker, Failed, sentence};
use crate::api::{ListQuery, ListedFlow, written};
use crate::cli::{FlowsArgs, ListFormat};
use crate::config::{Config, flows_block};
use crate::model::{AccountName, RecallType, Status, WrittenTime};
use crate::poll::Listing;
use crate::words;

/// Flows that were created longer ago are not asked for.
const LOOKBACK: Duration = Duration::from_secs(7 * 86_400);

/// No clock on earth shows more than this before or after UTC; which of them the platform's is nobody says.
const ANY_ZONE: Duration = Duration::from_secs(14 * 3600);

/// So many flows are as many as anybody reads.
const MOST_FLOWS: usize = 100_000;

/// Reads the list of the account, or of all accounts, and prints it.
///
/// # Errors
/// If a list cannot be read: the reason, and the likely cure. Those that can are printed.
pub async fn flows(
    config: Config,
    arguments: &FlowsArgs,
    clock: &SharedClock,
    mut out: impl Write,
    mut notes: impl Write,
) -> Result<()> {
    let asker = Asker::new(config, clock)?;
    let accounts = asker.accounts(arguments.account.as_deref())?;
    let query = recent(unix_seconds(clock.now()), LOOKBACK, None);
    let (mut lists, mut failed) = (Vec::new(), Vec::new());
    for account in accounts {
        let listing = match asker.list(account, query.clone(), MOST_FLOWS).await? {
            Ok(listing) => listing,
            Err(failure) => {
                // The others are printed all the same.
                failed.push(format!("the list of account {account}: {}", sentence(&failure)));
                continue;
            }
        };
        if !listing.whole {
            let total = listing.total.map(|total| format!(" of {total}")).unwrap_or_default();
            writeln!(
                notes,
                "account {account}: only the first {}{total} flows were read",
                listing.flows.len()
            )?;
        }
        lists.push((account, listing));
    }
    match arguments.output {
        ListFormat::Table => writeln!(out, "{}", table(&lists))?,
        ListFormat::Json => writeln!(out, "{:#}", Value::Array(flat(&lists).map(to_json).collect()))?,
        ListFormat::Yaml => print_yaml(&lists, &mut out)?,
    }
    out.flush()?;
    if !failed.is_empty() {
        bail!(Failed(failed.join("; ")));
    }
    Ok(())
}

/// What was created of late, whatever the zone of the platform's clock.
#[allow(clippy::cast_possible_truncation, reason = "seconds of this era")]
pub(super) fn recent(now: f64, lookback: Duration, task_name: Option<String>) -> ListQuery {
    let now = now as i64;
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    ListQuery {
        from: now - seconds(lookback.saturating_add(ANY_ZONE)),
        until: now + seconds(ANY_ZONE),
        task_name,
    }
}

fn flat<'l>(lists: &'l [(&'l AccountName, Listing)]) -> impl Iterator<Item = (&'l AccountName, &'l ListedFlow)> {
    lists
        .iter()
        .flat_map(|(account, listing)| listing.flows.iter().map(move |flow| (*account, flow)))
}

fn table(lists: &[(&AccountName, Listing)]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["ACCOUNT", "KEY_ID", "STATUS", "ROUNDS", "CREATED", "TASK_ID", "NAME"]);
    for (account, flow) in flat(lists) {
        table.add_row([
            account,
            &*flow.key_id.to_string(),
            &*words::status_in_full(flow.status),
            &*rounds(flow),
            &*flow.created.map(moment).unwrap_or_default(),
            flow.task_id.as_deref().unwrap_or_default(),
            flow.name.as_deref().unwrap_or_default(),
        ]);
    }
    table
}

/// Rounds that are over, of those planned.
fn rounds(flow: &ListedFlow) -> String {
    match (flow.recall_attempts_completed, flow.recall_attempts) {
        (Some(over), Some(planned)) => format!("{over} of {planned}"),
        (Some(over), None) => over.to_string(),
        (None, Some(planned)) => format!("? of {planned}"),
        (None, None) => String::new(),
    }
}

/// As the platform's clock shows it, which says no zone; else in UTC.
fn moment(moment: WrittenTime) -> String {
    match moment {
        WrittenTime::Local(seconds) => written(seconds),
        WrittenTime::Unix(seconds) => format!("{} UTC", written(seconds)),
    }
}

fn to_json((account, flow): (&AccountName, &ListedFlow)) -> Value {
    json!({
        "account": &**account,
        "key_id": flow.key_id.get(),
        "name": flow.name,
        "task_id": flow.task_id,
        "created": flow.created.map(moment),
        "status": flow.status.unwrap_or(Status::Unknown(None)).label(),
        "status_code": flow.status.and_then(Status::code),
        "recall_type": flow.recall_type.unwrap_or(RecallType::Unknown).label(),
        "recall_attempts": flow.recall_attempts,
        "recall_attempts_completed": flow.recall_attempts_completed,
        "recall_interval_seconds": flow.recall_interval_seconds,
    })
}

/// For each account the block that watches what is not over yet.
fn print_yaml(lists: &[(&AccountName, Listing)], mut out: impl Write) -> Result<()> {
    for (account, listing) in lists {
        let is_over = |flow: &&ListedFlow| flow.status.is_some_and(Status::is_terminal);
        let going_on = listing.flows.iter().filter(|flow| !is_over(flow));
        let block = flows_block(going_on.map(|flow| (flow.key_id, flow.name.as_deref())))?;
        let over = listing.flows.iter().filter(is_over).count();
        // A name is quoted as a text of the language, so that it cannot end the comment.
        writeln!(
            out,
            "# account {:?}; left out because they are over: {over}",
            &***account
        )?;
        write!(out, "{block}")?;
    }
    Ok(())
}
