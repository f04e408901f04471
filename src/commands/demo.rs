//! `demo`: the exporter beside the simulated vendor.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use exporter_toolkit::clock::SharedClock;
use exporter_toolkit::server::{listen, shutdown};
use laaffic_simulator::{Simulator, demo_accounts};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::simulate::{configuration, end, outlive_hangups, simulator};
use crate::app::{App, WebOptions};
use crate::cli::DemoArgs;
use crate::config::{self, Config, Interval};

/// Runs the exporter on a simulated vendor until SIGTERM or SIGINT, and tells on `out` where everything is.
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
    let vendor = listen(&"127.0.0.1:0".parse().map_err(io::Error::other)?)?;
    let simulator = simulator(vendor, arguments.seed.seed, &clock)?;
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
    let vendor = async {
        tokio::select! { () = stop.cancelled() => {} () = ended.cancelled() => {} }
        end(simulator).await
    };
    let (exporter, vendor) = tokio::join!(exporter, vendor);
    exporter?;
    Ok(vendor?)
}

/// The configuration of an exporter that watches the demo's flows.
fn demo_config(base_url: &str) -> Result<Config> {
    let file = serde_yaml::to_string(&configuration(base_url))?;
    let mut config = config::parse(file, Path::new("the demo's configuration"), &|_| None)?;
    config.global.stale_after = Interval::new(Duration::from_secs(60)).unwrap_or_default();
    Ok(config)
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
    let vendor = simulator.address();
    let accounts = demo_accounts();
    let flows: usize = accounts.iter().map(|account| account.flows.len()).sum();
    write!(
        out,
        "\n\
         The demo runs: {flows} made-up redial flows in {} accounts, a simulated minute every second.\n\
         \n\
         \x20 Flows, for people     http://{address}/\n\
         \x20 Metrics               http://{address}{telemetry_path}\n\
         \x20 Simulated vendor      http://{vendor}/control\n\
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
