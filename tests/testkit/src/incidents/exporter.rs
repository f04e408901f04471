//! One exporter's process: the project's own poller, store and writer, between the played vendor and a clock of its host.

use std::collections::BTreeSet;
use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use exporter_toolkit::clock::{Clock, SharedClock};
use exporter_toolkit::exposition::{Format, Frames};
use futures_util::future::BoxFuture;
use laaffic_exporter::api::{Error, Transport};
use laaffic_exporter::config::schema::{self, Rate};
use laaffic_exporter::config::{Account, Config, Secret, SecretSource};
use laaffic_exporter::metrics::{Activity, Exposition};
use laaffic_exporter::model::{FlowInfo, KeyId};
use laaffic_exporter::poll::{Connect, Plan, Poller, PollerHandle};
use laaffic_exporter::store::{Policy, Store};
use prometheus_client::registry::Registry;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

use super::life::{Life, Seconds};
use super::series;

/// Requests a second, and at once: more than any life asks for.
const ENOUGH: f64 = 1000.0;

/// The calendar of one host: the moment since 1970, and so many seconds off.
#[derive(Debug)]
pub struct HostClock {
    began: Instant,
    off: AtomicI64,
}

impl HostClock {
    /// A calendar that began at this moment.
    pub fn new(began: Instant) -> Self {
        Self {
            began,
            off: AtomicI64::new(0),
        }
    }

    /// Sets it so many seconds off.
    pub fn set_off(&self, seconds: i64) {
        self.off.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for HostClock {
    fn now(&self) -> SystemTime {
        let now = SystemTime::UNIX_EPOCH + self.began.elapsed();
        let off = self.off.load(Ordering::Relaxed);
        let by = Duration::from_secs(off.unsigned_abs());
        match off < 0 {
            true => now - by,
            false => now + by,
        }
    }
}

/// What is between exporters and the vendor.
#[derive(Debug, Default)]
pub struct Network {
    /// The vendor.
    pub router: Router,
    /// Accounts whose connections are refused.
    pub unreachable: Mutex<BTreeSet<String>>,
}

/// One account's way to the vendor.
struct Wire {
    network: Arc<Network>,
    account: String,
    frozen: Arc<AtomicBool>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl Transport for Wire {
    fn send(&self, request: reqwest::Request) -> BoxFuture<'_, Result<reqwest::Response, Error>> {
        if self.frozen.load(Ordering::Relaxed) {
            return Box::pin(pending());
        }
        if self.network.unreachable.lock().unwrap().contains(&self.account) {
            return Box::pin(async { Err(Error::Connect("connection refused".to_owned())) });
        }
        let request: axum::http::Request<reqwest::Body> = request.try_into().unwrap();
        let answer = self.network.router.clone().oneshot(request.map(Body::new));
        Box::pin(async {
            let response = answer.await.unwrap();
            Ok(response
                .map(|body| reqwest::Body::wrap_stream(body.into_data_stream()))
                .into())
        })
    }
}

/// A running process. Dropping it ends it, and all that it knew.
pub struct Exporter {
    target: usize,
    store: Arc<Store>,
    registry: Registry,
    handle: PollerHandle,
    clock: SharedClock,
    connect: Box<Connect>,
    started: Seconds,
    frozen: Arc<AtomicBool>,
    _stop: DropGuard,
}

impl Exporter {
    /// Starts with the configuration of this moment.
    pub fn start(life: &Life, target: usize, at: Seconds, network: &Arc<Network>, clock: SharedClock) -> Self {
        let config = config(life, target, at);
        let names = config.accounts.iter().map(|account| account.name.clone());
        let activity = Arc::new(Activity::new(names, clock.now()));
        activity.reached_at(&format!("http://{}/", life.targets[target].instance));
        let frozen = Arc::new(AtomicBool::new(false));
        let (network, is_frozen) = (Arc::clone(network), Arc::clone(&frozen));
        let connect: Box<Connect> = Box::new(move |account: &Account, _: &Config| {
            let wire: Arc<dyn Transport> = Arc::new(Wire {
                network: Arc::clone(&network),
                account: account.name.to_string(),
                frozen: Arc::clone(&is_frozen),
            });
            Ok(wire)
        });
        let store = Arc::new(Store::new(Policy::default(), []));
        let plan = Plan::new(config, &clock, &*connect).unwrap();
        let poller = Poller::new(plan, Arc::clone(&store), Arc::clone(&activity), Arc::clone(&clock));
        let handle = poller.handle();
        let stop = CancellationToken::new();
        tokio::spawn(poller.run(stop.clone()));
        let mut registry = Registry::default();
        activity.register(&mut registry);
        Self {
            target,
            store,
            registry,
            handle,
            clock,
            connect,
            started: at,
            frozen,
            _stop: stop.drop_guard(),
        }
    }

    /// Goes over to the configuration of this moment.
    pub async fn reload(&self, life: &Life, at: Seconds) {
        let plan = Plan::new(config(life, self.target, at), &self.clock, &*self.connect).unwrap();
        self.handle.apply(plan).await.unwrap();
    }

    /// Stands still, or goes on.
    pub fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Relaxed);
    }

    /// A scrape, of these families only, as series and values.
    pub fn scrape(&self, life: &Life, families: &BTreeSet<String>) -> Vec<(String, String)> {
        let mut exposition = Exposition::new(&self.registry, self.store.snapshot(), Format::Classic).unwrap();
        let mut body = Vec::new();
        while exposition.fill(&mut body) {}
        // Those of the process are this program's own; of them only one differs from restart to restart.
        let mut text = String::from_utf8(body).unwrap();
        text.push_str(&format!("process_start_time_seconds {}\n", self.started));
        series::read(&text, families, &labels(&life.targets[self.target].instance))
    }
}

/// The labels that Prometheus gives all series of a target.
pub fn labels(instance: &str) -> String {
    format!("job=\"laaffic-exporter\",instance=\"{instance}\"")
}

/// The configuration of this exporter at this moment.
fn config(life: &Life, target: usize, at: Seconds) -> Config {
    let accounts = life.targets[target].accounts.iter();
    Config {
        accounts: accounts.map(|name| account(life, name, at)).collect(),
        ..Config::default()
    }
}

fn account(life: &Life, name: &str, at: Seconds) -> Account {
    let played = crate::vendor::account(name, []);
    let flows = life.flows.iter().filter(|flow| flow.account == name);
    let info = |flow: &super::life::Flow| {
        Some(FlowInfo {
            name: Some(flow.name(at)?.into()),
            ..FlowInfo::configured(KeyId::new(flow.key_id).unwrap(), Duration::from_secs(flow.interval))
        })
    };
    Account {
        name: name.into(),
        base_url: "http://vendor/v3".parse().unwrap(),
        api_key: SecretSource::Value(Secret::new(played.api_key)),
        api_secret: SecretSource::Value(Secret::new(played.api_secret)),
        settings: schema::Account {
            rate_limit: Rate::new(ENOUGH).unwrap(),
            ..schema::Account::default()
        },
        flows: flows.filter_map(info).collect(),
        discovery: None,
    }
}
