//! `query --raw`: the vendor's answer as it came, without anything of a customer's, for a bug report.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Result, bail};
use exporter_toolkit::clock::SharedClock;

use super::ask::{Asker, failed};
use crate::api::{Recorder, Recording, Transport};
use crate::cli::QueryArgs;
use crate::config::Config;
use crate::poll::over_network;

/// Asks for one flow and prints the answer to it: its body to `out`, so that this alone can be kept as a file, and its head to `head`.
///
/// # Errors
/// If the flow cannot be fetched, as `query` tells it; an answer that came all the same is printed first.
pub async fn query_raw(
    config: Config,
    arguments: &QueryArgs,
    clock: &SharedClock,
    mut out: impl Write,
    mut head: impl Write,
) -> Result<()> {
    let recording = Recording::default();
    let recorded = recording.clone();
    // Flows are not polled here, so the only requests are those for this one.
    let asker = Asker::over(
        &move |account, config| {
            let network = over_network(account, config)?;
            Ok(Arc::new(Recorder::new(network, recording.clone())) as Arc<dyn Transport>)
        },
        config,
        clock,
    )?;
    let key_id = arguments.key_id;
    let account = asker.account(arguments.account.as_deref(), key_id)?;
    let reply = asker.ask_first_page(account, key_id).await?;
    if let Some(answer) = recorded.last() {
        writeln!(head, "{}", answer.head)?;
        match answer.body {
            Some(body) => writeln!(out, "{}", body.trim_end_matches('\n'))?,
            None => writeln!(head, "The body was not read to its end.")?,
        }
        out.flush()?;
    }
    match reply {
        Ok(_) => Ok(()),
        Err(failure) => bail!(failed(account, key_id, &failure)),
    }
}
