//! `check --live`: whether every configured flow would work, before a deployment.

use std::io::Write;

use anyhow::{Result, bail};
use comfy_table::{Table, presets};
use exporter_toolkit::clock::SharedClock;

use super::ask::{Asker, Failed, sentence};
use crate::config::Config;
use crate::words;

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
    writeln!(out, "{table}")?;
    out.flush()?;
    if failed > 0 {
        bail!(Failed(format!(
            "{failed} of {asked} flows would not work; see the table"
        )));
    }
    Ok(())
}
