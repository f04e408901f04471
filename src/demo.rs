//! `demo` and `simulate`: the simulated upstream, with the exporter beside it or alone.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::app::{App, WebOptions};
use crate::cli::{DemoArgs, SimulateArgs};
use crate::clock::SharedClock;
use crate::config::{Account, Config, HttpClient, Secret, SecretSource};
use crate::model::{FlowInfo, KeyId};
use crate::simulator::{DemoAccount, DemoFlow, Settings, Simulator, demo_accounts};
use exporter_toolkit::server::listen;
use exporter_toolkit::server::shutdown;

/// A simulated minute passes in a second, so a flow is asked for every second.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Runs the exporter on a simulated upstream until SIGTERM or SIGINT, and tells on `out` where everything is.
///
/// # Errors
/// If an address cannot be used or a part ends by itself.
pub async fn demo(
    arguments: &DemoArgs,
    listeners: Vec<TcpListener>,
    options: &WebOptions,
    clock: SharedClock,
    mut out: impl Write,
) -> Result<()> {
    outlive_hangups()?;
    let stop = shutdown::on_signal()?;
    let upstream = listen(&"127.0.0.1:0".parse().map_err(io::Error::other)?)?;
    let simulator = Simulator::start(upstream, Settings::demo(arguments.seed.seed), clock.clone())?;
    let app = App::new(demo_config(&simulator.url())?, None, options, clock)?;
    let addresses = listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<io::Result<Vec<_>>>()?;
    if let Some(address) = addresses.first() {
        introduce_demo(&mut out, *address, options.telemetry_path.as_str(), &simulator)?;
    }
    let ended = CancellationToken::new();
    let exporter = async {
        let result = app.run(listeners, stop.clone()).await;
        ended.cancel();
        result
    };
    let upstream = async {
        tokio::select! { () = stop.cancelled() => {} () = ended.cancelled() => {} }
        end(simulator).await
    };
    let (exporter, upstream) = tokio::join!(exporter, upstream);
    exporter?;
    Ok(upstream?)
}

/// Runs the simulated upstream alone until SIGTERM or SIGINT, and tells on `out` how to point an exporter at it.
///
/// # Errors
/// If the address cannot be used.
pub async fn simulate(arguments: &SimulateArgs, clock: SharedClock, mut out: impl Write) -> Result<()> {
    outlive_hangups()?;
    let stop = shutdown::on_signal()?;
    let simulator = Simulator::start(listen(&arguments.address)?, Settings::demo(arguments.seed.seed), clock)?;
    introduce_simulator(&mut out, &simulator)?;
    stop.cancelled().await;
    Ok(end(simulator).await?)
}

/// SIGHUP makes an exporter load its configuration again. Here is none to load, and so nothing to end for.
fn outlive_hangups() -> io::Result<()> {
    signal(SignalKind::hangup()).map(drop)
}

/// Stops the simulator, whoever still holds a connection.
async fn end(simulator: Simulator) -> io::Result<()> {
    tokio::time::timeout(shutdown::GRACE, simulator.shutdown())
        .await
        .unwrap_or(Ok(()))
}

/// The configuration of an exporter that watches the demo's flows.
fn demo_config(base_url: &str) -> Result<Config> {
    let base_url = Url::parse(base_url).context("the simulator's own address")?;
    let accounts = demo_accounts();
    Ok(Config {
        terminal_poll_interval: POLL_INTERVAL * 5,
        request_timeout: Duration::from_secs(10),
        stale_after: Duration::from_secs(60),
        accounts: accounts
            .iter()
            .map(|account| demo_account(account, &base_url))
            .collect(),
    })
}

fn demo_account(account: &DemoAccount, base_url: &Url) -> Account {
    Account {
        name: account.name.into(),
        base_url: base_url.clone(),
        api_key: SecretSource::Value(Secret::new(account.api_key)),
        api_secret: SecretSource::Value(Secret::new(account.api_secret)),
        rate_limit: account.rate_limit,
        max_concurrent_requests: 4,
        http_client: HttpClient::default(),
        flows: account.flows.iter().filter_map(demo_flow).collect(),
    }
}

fn demo_flow(flow: &DemoFlow) -> Option<FlowInfo> {
    Some(FlowInfo {
        key_id: KeyId::new(flow.key_id)?,
        name: Some(flow.name.into()),
        labels: Box::new([("team".into(), flow.team.into())]),
        poll_interval: POLL_INTERVAL,
    })
}

/// How a person on this host reaches a listener.
fn address_for_people(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

/// What must be changed in the example configuration of Prometheus, for a demo that is not where that looks for it.
fn elsewhere(address: &str, telemetry_path: &str) -> String {
    let mut changes = Vec::new();
    if address != "localhost:10871" {
        changes.push(format!("'{address}' as its target"));
    }
    if telemetry_path != "/metrics" {
        changes.push(format!("'{telemetry_path}' as metrics_path"));
    }
    if changes.is_empty() {
        String::new()
    } else {
        format!("   (with {})", changes.join(" and "))
    }
}

fn introduce_demo(
    out: &mut impl Write,
    address: SocketAddr,
    telemetry_path: &str,
    simulator: &Simulator,
) -> io::Result<()> {
    let address = address_for_people(address);
    let upstream = simulator.address();
    let accounts = demo_accounts();
    let flows: usize = accounts.iter().map(|account| account.flows.len()).sum();
    write!(
        out,
        "\n\
         The demo runs: {flows} made-up redial flows in {} accounts, a simulated minute every second.\n\
         \n\
         \x20 Flows, for people     http://{address}/\n\
         \x20 Metrics               http://{address}{telemetry_path}\n\
         \x20 Simulated upstream    http://{upstream}/control\n\
         \n\
         Try next:\n\
         \x20 curl -s http://{address}{telemetry_path} | grep 'flow_status{{.*execution_exception.* 1'   which flows are stuck\n\
         \x20 curl -s http://{address}{telemetry_path} | grep api_errors                              what the API refuses\n\
         \n\
         Alerts and dashboards, from a checkout (or all at once: docker compose -f deploy/compose/compose.yaml up):\n\
         \x20 Prometheus            prometheus --config.file=deploy/prometheus/prometheus.yml{}\n\
         \x20 Alertmanager          alertmanager --config.file=deploy/alertmanager/alertmanager.yml\n\
         \x20 Grafana               import grafana/dashboards/*.json, with that Prometheus as the data source\n\
         The first page, for an account that is refused, goes out after about two minutes, the one for a stuck flow after about six.\n\
         \n\
         Ctrl-C ends it.\n\n",
        accounts.len(),
        elsewhere(&address, telemetry_path),
    )?;
    out.flush()
}

/// Prose as YAML comments, so that the whole output can be saved and used as a configuration.
fn introduce_simulator(out: &mut impl Write, simulator: &Simulator) -> Result<()> {
    let url = simulator.url();
    let control = simulator.address();
    write!(
        out,
        "# The simulated upstream listens on {url}, a simulated minute every second. Ctrl-C ends it.\n\
         # What it does can be looked at and changed: http://{control}/control (docs/simulator.md)\n\
         # An exporter with this configuration watches all its flows; save these lines and point --config.file at them.\n"
    )?;
    serde_yaml::to_writer(&mut *out, &demo_file(&url))?;
    out.flush()?;
    Ok(())
}

/// The demo's accounts as a configuration file.
fn demo_file(base_url: &str) -> serde_json::Value {
    let flow = |flow: &DemoFlow| json!({"key_id": flow.key_id, "name": flow.name, "labels": {"team": flow.team}});
    let account = |account: &DemoAccount| {
        json!({
            "name": account.name,
            "base_url": base_url,
            "api_key": account.api_key,
            "api_secret": account.api_secret,
            "rate_limit": account.rate_limit,
            "flows": account.flows.iter().map(flow).collect::<Vec<_>>(),
        })
    };
    json!({
        "global": {"poll_interval": "1s", "terminal_poll_interval": "5s"},
        "accounts": demo_accounts().iter().map(account).collect::<Vec<_>>(),
    })
}
