//! Builds the parts, connects them, and owns their tasks until the stop.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use exporter_toolkit::clock::SharedClock;
use exporter_toolkit::exposition::MetricsHandler;
use exporter_toolkit::server::{AllowedHosts, Guard, NoRandomNumbers, Server, shutdown, systemd};
use exporter_toolkit::web_config::LiveWebConfig;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::config::{Config, LoadError};
use crate::metrics::{Activity, registry};
use crate::pages::Pages;
use crate::pages::flow::FlowPages;
use crate::pages::flows::Flows;
use crate::pages::health::Health;
use crate::pages::links::{Grafana, external_url};
use crate::pages::running::Running;
use crate::pages::status::StatusPage;
use crate::pages::telemetry::{Telemetry, TelemetryPath};
use crate::pages::view::Site;
use crate::poll::{self, Plan, PollError, Poller};
use crate::reload::{ConfigFile, Reloader};
use crate::store::{Policy, Store};

/// How to serve.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// Path of the metrics.
    pub telemetry_path: TelemetryPath,
    /// Scrapes served at once; 0 means no limit.
    pub max_requests: usize,
    /// Names by which people may ask for pages.
    pub allowed_hosts: AllowedHosts,
    /// Where people reach this exporter; `None` means the host's name and `port`.
    pub external_url: Option<Url>,
    /// The first port that is listened on.
    pub port: u16,
    /// Where Grafana is, for links to the dashboards.
    pub grafana_url: Option<Url>,
    /// File with TLS, passwords and headers; none means plain HTTP for everybody.
    pub config_file: Option<PathBuf>,
}

/// Why the exporter ended although nobody stopped it.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Polling could not begin, or ended by itself.
    #[error(transparent)]
    Poll(#[from] PollError),
    /// The host cannot give what passwords need.
    #[error(transparent)]
    NoRandomNumbers(#[from] NoRandomNumbers),
    /// The web-config file cannot be used.
    #[error(transparent)]
    WebConfig(#[from] LoadError),
    /// A listening socket failed.
    #[error("serving failed")]
    Serve(#[from] io::Error),
}

/// Where the configuration came from, and how it may be loaded again.
#[derive(Debug)]
pub struct Reloads {
    /// The file, as it was loaded for the start.
    pub file: ConfigFile,
    /// Load it again when its content changes.
    pub watch: bool,
    /// Load it again on request over HTTP.
    pub on_request: bool,
}

/// The exporter, ready to run.
#[derive(Debug)]
pub struct App {
    poller: Poller,
    reloader: Option<Reloader>,
    server: Server,
    health: Health,
}

impl App {
    /// Builds everything that the configuration asks for, and begins to poll. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the web-config file, or an account's secrets, TLS files or proxy cannot be used.
    pub fn new(
        config: Config,
        reloads: Option<Reloads>,
        options: &WebOptions,
        clock: SharedClock,
    ) -> Result<Self, AppError> {
        let live = match &options.config_file {
            Some(path) => LiveWebConfig::open(path)?,
            None => LiveWebConfig::none(),
        };
        let names: Vec<_> = config.accounts.iter().map(|account| account.name.clone()).collect();
        let shard = config.shard;
        let activity = Arc::new(Activity::of_shard(shard, names, clock.now()));
        let plan = Plan::new(config, &clock, &poll::over_network)?;
        let store = Arc::new(Store::new(Policy::default(), []));
        let poller = Poller::new(plan, Arc::clone(&store), Arc::clone(&activity), Arc::clone(&clock));
        let on_request = reloads.as_ref().is_some_and(|reloads| reloads.on_request);
        let reloader = reloads
            .map(|reloads| {
                let activity = Arc::clone(&activity);
                Reloader::new(
                    reloads.file,
                    reloads.watch,
                    poller.handle(),
                    activity,
                    Arc::clone(&clock),
                )
            })
            .transpose()?;
        let asked = reloader.as_ref().filter(|_| on_request).map(Reloader::handle);
        let health = Health::new(Arc::clone(&store));
        let telemetry = Telemetry {
            store: Arc::clone(&store),
            registry: registry(&activity),
        };
        let site = Site::new(
            options.telemetry_path.as_str(),
            options.grafana_url.as_ref().map(Grafana::new),
            shard,
        );
        let pages = Pages {
            metrics: MetricsHandler::new(telemetry, options.max_requests),
            flows: Flows::new(Arc::clone(&store), Arc::clone(&clock), shard),
            prober: poller.prober(),
            running: Running::new(poller.config(), Arc::clone(&store)),
            health: health.clone(),
            reload: asked,
            flow: FlowPages::new(Arc::clone(&store), Arc::clone(&clock), site.clone()),
            status: StatusPage::new(store, clock, site.clone()),
            site,
        };
        let pages = pages.into_router(&options.telemetry_path);
        // What Prometheus, orchestrators and health checks ask for, by whatever name they know; it reveals nothing beyond numbers.
        let public = [options.telemetry_path.as_str(), "/-/healthy", "/-/ready"].map(str::to_owned);
        let guard = Guard::new(pages, Arc::new(live))?.only_as(options.allowed_hosts.clone(), public);
        let server = Server::new(guard);
        activity.reached_at(&external_url(
            options.external_url.as_ref(),
            options.port,
            server.has_tls(),
        ));
        Ok(Self {
            poller,
            reloader,
            server,
            health,
        })
    }

    /// Polls and serves until told to stop; then gives scrapes under way a moment to finish.
    ///
    /// # Errors
    /// If polling or serving ends before that: serving on would be serving old numbers.
    pub async fn run(self, listeners: Vec<TcpListener>, stop: CancellationToken) -> Result<(), AppError> {
        let mut tasks = JoinSet::new();
        if self.server.has_tls() {
            tracing::info!("TLS is enabled");
        }
        for listener in listeners {
            tracing::info!(address = listener.local_addr()?.to_string(), "Listening on");
            let serving = self.server.clone().serve(listener, stop.clone());
            tasks.spawn(async {
                serving.await;
                Ok(())
            });
        }
        let poller = self.poller;
        let polling = stop.clone();
        tasks.spawn(async move { Ok(poller.run(polling).await?) });
        if let Some(reloader) = self.reloader {
            let reloading = stop.clone();
            tasks.spawn(async move {
                reloader.run(reloading).await;
                Ok(())
            });
        }
        let (health, watched) = (self.health, stop.clone());
        tasks.spawn(async move {
            systemd::watchdog(|| health.healthy(), watched).await;
            Ok(())
        });
        systemd::ready();
        let result = first_failure(&mut tasks, &stop).await;
        systemd::stopping();
        stop.cancel();
        drain(tasks, shutdown::GRACE).await;
        result
    }
}

/// Waits for the stop, or for the first task that ends before it.
async fn first_failure(tasks: &mut JoinSet<Result<(), AppError>>, stop: &CancellationToken) -> Result<(), AppError> {
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        Some(ended) = tasks.join_next() => match ended {
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) if stop.is_cancelled() => Ok(()),
            // No task ends by itself: whichever did, the numbers would grow old unnoticed.
            Ok(Ok(())) | Err(_) => Err(PollError::Stopped.into()),
        },
    }
}

async fn drain(mut tasks: JoinSet<Result<(), AppError>>, grace: Duration) {
    let drained = tokio::time::timeout(grace, async { while tasks.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!("some connections were still busy and are cut off");
    }
}
