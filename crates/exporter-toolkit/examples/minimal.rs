//! A whole exporter: `cargo run -p exporter-toolkit --example minimal -- 127.0.0.1:9999 [web-config.yml]`.
//!
//! Both text formats, gzip and zstd, TLS, passwords, the log and a graceful stop come from the toolkit; yours is what is counted.

use std::error::Error;
use std::io::{Write as _, stdout};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use exporter_toolkit::clock::SystemClock;
use exporter_toolkit::exposition::MetricsHandler;
use exporter_toolkit::exposition::process::ProcessMetrics;
use exporter_toolkit::logging::{self, Format};
use exporter_toolkit::pages::{LandingPage, Link};
use exporter_toolkit::server::{Guard, Server, listen, shutdown};
use exporter_toolkit::web_config::LiveWebConfig;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tracing::Level;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    logging::init(
        Level::INFO,
        Format::Logfmt,
        &[env!("CARGO_CRATE_NAME")],
        Arc::new(SystemClock),
    )?;
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| ":9999".to_owned());
    let web_config = match arguments.next() {
        Some(file) => LiveWebConfig::open(Path::new(&file))?,
        None => LiveWebConfig::none(),
    };

    let mut registry = Registry::default();
    let greetings: Counter = Counter::default();
    registry.register("minimal_greetings", "How often somebody was greeted", greetings.clone());
    ProcessMetrics::new().register(&mut registry);

    let landing = LandingPage {
        name: "Minimal exporter",
        description: "Counts greetings.",
        version: env!("CARGO_PKG_VERSION"),
        links: vec![Link {
            path: "metrics",
            text: "Metrics",
            description: "for Prometheus",
        }],
    };
    let greet = move || async move {
        greetings.inc();
        "Hello!\n"
    };
    let pages = Router::new()
        .route("/", landing.into_route())
        .route("/hello", get(greet))
        .route("/metrics", MetricsHandler::new(registry, 40).into_route());

    let stop = shutdown::on_signal()?;
    let listener = listen(&address.parse()?)?;
    writeln!(stdout(), "listening on {}", listener.local_addr()?)?;
    let server = Server::new(Guard::new(pages, Arc::new(web_config))?);
    server.serve(listener, stop).await;
    Ok(())
}
