//! `simulate`: the simulated vendor alone, to point an exporter at.

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Result;
use exporter_toolkit::clock::SharedClock;
use exporter_toolkit::server::{listen, shutdown};
use laaffic_simulator::{DemoAccount, DemoFlow, Settings, Simulator, demo_accounts};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::SimulateArgs;

/// Runs the simulated vendor alone until SIGTERM or SIGINT, and tells on `out` how to point an exporter at it.
///
/// # Errors
/// If the address cannot be used.
pub async fn simulate(arguments: &SimulateArgs, clock: SharedClock, mut out: impl Write) -> Result<()> {
    outlive_hangups()?;
    let stop = shutdown::on_signal()?;
    let simulator = simulator(listen(&arguments.address)?, arguments.seed.seed, &clock)?;
    introduce_simulator(&mut out, &simulator)?;
    stop.cancelled().await;
    Ok(end(simulator).await?)
}

/// SIGHUP makes an exporter load its configuration again. Here is none to load, and so nothing to end for.
pub(super) fn outlive_hangups() -> io::Result<()> {
    signal(SignalKind::hangup()).map(drop)
}

/// A simulated vendor with the demo's flows.
pub(super) fn simulator(listener: TcpListener, seed: u64, clock: &SharedClock) -> io::Result<Simulator> {
    let clock = Arc::clone(clock);
    Simulator::start(listener, Settings::demo(seed), move || clock.now())
}

/// Stops the simulator, whoever still holds a connection.
pub(super) async fn end(simulator: Simulator) -> io::Result<()> {
    tokio::time::timeout(shutdown::GRACE, simulator.shutdown())
        .await
        .unwrap_or(Ok(()))
}

/// Prose as YAML comments, so that the whole output can be saved and used as a configuration.
fn introduce_simulator(out: &mut impl Write, simulator: &Simulator) -> Result<()> {
    let url = simulator.url();
    let control = simulator.address();
    write!(
        out,
        "# The simulated vendor listens on {url}, a simulated minute every second. Ctrl-C ends it.\n\
         # What it does can be looked at and changed: http://{control}/control (docs/simulator.md)\n\
         # An exporter with this configuration watches all its flows; save these lines and point --config.file at them.\n"
    )?;
    serde_yaml::to_writer(&mut *out, &configuration(&url))?;
    out.flush()?;
    Ok(())
}

/// The demo's accounts as a configuration file. A simulated minute passes in a second, so a flow is asked for every second.
pub(super) fn configuration(base_url: &str) -> serde_json::Value {
    let flow = |flow: &DemoFlow| json!({"key_id": flow.key_id, "name": flow.name, "labels": {"team": flow.team}});
    // A flow leaves two simulated hours after it has ended.
    let team = json!({"match": "(?P<team>[a-z]+)-.*", "labels": {"team": "$team"}, "node_interval": "5s"});
    let discovery = json!({"interval": "1s", "keep_terminal": "2m", "rules": [team]});
    let account = |account: &DemoAccount| {
        json!({
            "name": account.name,
            "base_url": base_url,
            "api_key": account.api_key,
            "api_secret": account.api_secret,
            "rate_limit": account.rate_limit,
            // Its money runs out while one looks.
            "balance": account.name == "retail",
            "outcomes": matches!(account.name, "finance" | "retail"),
            "flows": account.flows.iter().filter(|_| account.listed).map(flow).collect::<Vec<_>>(),
            "discovery": account.discovered.then(|| discovery.clone()),
        })
    };
    json!({
        "global": {"poll_interval": "1s", "terminal_poll_interval": "5s"},
        "accounts": demo_accounts().iter().map(account).collect::<Vec<_>>(),
    })
}
