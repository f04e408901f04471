//! `check --live`: whether every configured flow would work, before a deployment.

use std::io::Write;

use anyhow::{Result, bail};
use comfy_table::{Table, presets};
use exporter_toolkit::clock::{SharedClock, unix_seconds};

use super::ask::{Asker, Failed, sentence};
use super::flows::recent;
use crate::api::ListedFlow;
use crate::config::{Config, Discovery};
use crate::poll::Listing;
use crate::words;

/// Asks for every configured flow once, and for every list that flows are found in, and prints a verdict for each.
///
/// # Errors
/// If any flow cannot be fetched, or any list be read.
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
                Ok(report) => ("ok", words::status_in_full(report.status)),
                Err(failure) => {
                    failed += 1;
                    ("FAILED", sentence(failure))
                }
            };
            let name = flow.name.as_deref().unwrap_or_default();
            table.add_row([account, &*flow.key_id.to_string(), name, verdict, &*detail]);
        }
    }
    let now = unix_seconds(clock.now());
    for (account, discovery) in &asker.lists {
        let query = recent(now, discovery.lookback, discovery.task_name.clone());
        let listing = asker.list(account, query, discovery.max_flows).await?;
        asked += 1;
        let (verdict, detail) = match &listing {
            Ok(listing) => ("ok", found(listing, discovery)),
            Err(failure) => {
                failed += 1;
                ("FAILED", sentence(failure))
            }
        };
        table.add_row([account, "", "the list of flows", verdict, &*detail]);
    }
    writeln!(out, "{table}")?;
    out.flush()?;
    if failed > 0 {
        bail!(Failed(format!("{failed} of {asked} would not work; see the table")));
    }
    Ok(())
}

/// How many flows would be watched.
fn found(listing: &Listing, discovery: &Discovery) -> String {
    let name = |flow: &ListedFlow| flow.name.as_deref().unwrap_or_default().to_owned();
    let dropped = listing
        .flows
        .iter()
        .filter(|flow| discovery.rules.drops(&name(flow)))
        .count();
    let found = format!("{} found", listing.flows.len() - dropped);
    match dropped {
        0 => found,
        _ => format!("{found}, {dropped} left out by rules"),
    }
}
