//! The exporter's inside (poller, store, metrics) between a played vendor and a clock that only tests move.
//!
//! A test says which accounts there are ([`Setup`]), lets time pass ([`World::pass`]), which takes none, gives the vendor trouble
//! ([`everywhere`]), and looks at a scrape ([`World::scrape`]) and at what the vendor saw.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use exporter_toolkit::clock::{Clock, SharedClock};
use exporter_toolkit::exposition::{Format, Frames};
use exporter_toolkit::yaml::Whole;
use futures_util::future::BoxFuture;
use laaffic_exporter::api::{Error, Transport};
use laaffic_exporter::config::schema::{self, Rate};
use laaffic_exporter::config::{Account, Config, Discovery, HttpClient, Secret, SecretSource};
use laaffic_exporter::metrics::{Activity, Exposition, registry};
use laaffic_exporter::model::{FlowInfo, KeyId};
use laaffic_exporter::poll::{Connect, Plan as PollPlan, PollError, Poller, PollerHandle, Prober};
use laaffic_exporter::store::{Policy, Store};
use laaffic_simulator::{Fault, FaultPlan, Flow, Scope, Settings, Vendor};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt;

use crate::vendor;
pub use crate::vendor::{still, with_status};

/// What tests count time in.
pub const MINUTE: Duration = Duration::from_secs(60);

/// The calendar, moving with tokio's clock.
#[derive(Debug)]
pub struct Calendar {
    start: Instant,
    /// Makes the next reading panic: a bug in the scheduler itself.
    pub broken: AtomicBool,
}

impl Default for Calendar {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            broken: AtomicBool::new(false),
        }
    }
}

impl Clock for Calendar {
    fn now(&self) -> SystemTime {
        assert!(!self.broken.load(Ordering::Relaxed), "the calendar is broken");
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000) + self.start.elapsed()
    }
}

/// Reaches the vendor within the process.
#[derive(Debug, Default)]
pub struct Wire {
    router: Router,
    /// Requests that never reach the vendor: refused connections.
    pub unplugged: AtomicBool,
    /// How many of them there were.
    pub refused: AtomicU64,
    /// Requests for a further page of nodes.
    pub pages: AtomicU64,
    /// Makes the next request panic: a bug in a poll.
    pub cursed: AtomicBool,
    script: OnceLock<Script>,
    asked: Mutex<Vec<Asked>>,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Which flow.
    pub key_id: u64,
    /// Which page of its nodes, where it says so.
    pub page: Option<u64>,
    /// The `Timestamp` that it is signed with.
    pub timestamp: i64,
}

impl Asked {
    fn of(request: &reqwest::Request) -> Self {
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap();
        let body: serde_json::Value = serde_json::from_slice(body).unwrap();
        let timestamp = request.headers()["timestamp"].to_str().unwrap();
        Self {
            key_id: body["keyId"].as_u64().unwrap(),
            page: body["current"].as_u64(),
            timestamp: timestamp.parse().unwrap(),
        }
    }
}

/// An answer in place of the played vendor's.
#[derive(Debug, Clone)]
pub struct Scripted {
    /// The HTTP status.
    pub status: u16,
    /// A header.
    pub header: Option<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// How long it takes.
    pub after: Duration,
}

impl Scripted {
    /// An answer with this status and body.
    pub fn new(status: u16, body: impl ToString) -> Self {
        Self {
            status,
            header: None,
            body: body.to_string(),
            after: Duration::ZERO,
        }
    }

    /// The same with this header.
    pub fn with(self, name: &'static str, value: impl ToString) -> Self {
        Self {
            header: Some((name, value.to_string())),
            ..self
        }
    }
}

/// Gives the answer to a request; the number is how many came before it.
struct Script(Box<dyn Fn(Asked, usize) -> Scripted + Send + Sync>);

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

impl Wire {
    /// All requests from now on are answered so, and none by the played vendor.
    pub fn answer(&self, script: impl Fn(Asked, usize) -> Scripted + Send + Sync + 'static) {
        self.script.set(Script(Box::new(script))).unwrap();
    }

    /// The requests that were answered so.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Transport for Wire {
    fn send(&self, request: reqwest::Request) -> BoxFuture<'_, Result<reqwest::Response, Error>> {
        assert!(!self.cursed.swap(false, Ordering::Relaxed), "cursed");
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        if String::from_utf8_lossy(body).contains("\"current\"") {
            self.pages.fetch_add(1, Ordering::Relaxed);
        }
        if self.unplugged.load(Ordering::Relaxed) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Box::pin(async { Err(Error::Connect("connection refused".to_owned())) });
        }
        if let Some(Script(script)) = self.script.get() {
            let asked = Asked::of(&request);
            let mut before = self.asked.lock().unwrap();
            let scripted = script(asked, before.len());
            before.push(asked);
            let mut answer = axum::http::Response::builder().status(scripted.status);
            if let Some((name, value)) = scripted.header {
                answer = answer.header(name, value);
            }
            let answer = answer.body(scripted.body).unwrap();
            return Box::pin(async move {
                tokio::time::sleep(scripted.after).await;
                Ok(answer.into())
            });
        }
        let request: axum::http::Request<reqwest::Body> = request.try_into().unwrap();
        let answer = self.router.clone().oneshot(request.map(Body::new));
        Box::pin(async {
            let response = answer.await.unwrap();
            Ok(response
                .map(|body| reqwest::Body::wrap_stream(body.into_data_stream()))
                .into())
        })
    }
}

/// What a test says of an account.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Its name.
    pub name: &'static str,
    /// Its flows, at the vendor and in the configuration.
    pub flows: Vec<Flow>,
    /// How often each is asked for.
    pub poll_interval: Duration,
    /// Requests a second.
    pub rate_limit: f64,
    /// Requests at once.
    pub max_concurrent_requests: usize,
    /// Where it is asked for.
    pub base_url: &'static str,
    /// How it is reached, for what the configuration says of that.
    pub http_client: HttpClient,
    /// Whether it is asked what it has.
    pub balance: bool,
    /// How further flows are found, where they are.
    pub discovery: Option<Discovery>,
    /// Whether the outcomes of its flows' rounds are read.
    pub outcomes: bool,
    /// A folder with the key and the secret as files, where they are not in the configuration.
    pub secrets: Option<PathBuf>,
}

impl Setup {
    /// An account whose flows are polled every minute, with no limit that matters.
    pub fn new(name: &'static str, flows: Vec<Flow>) -> Self {
        Self {
            name,
            flows,
            poll_interval: MINUTE,
            rate_limit: 1000.0,
            max_concurrent_requests: 50,
            base_url: "http://vendor/v3",
            http_client: HttpClient::default(),
            balance: false,
            discovery: None,
            outcomes: false,
            secrets: None,
        }
    }
}

/// A fault at the vendor, of all its accounts.
pub fn everywhere(world: &World, faults: impl Into<Option<FaultPlan>>) {
    world.vendor.set_faults(&Scope::Everywhere, faults.into()).unwrap();
}

/// A code other than 0.
pub fn code(code: i64) -> Fault {
    Fault::code(code)
}

/// Everything between configuration and scrape.
pub struct World {
    /// The played vendor.
    pub vendor: Vendor,
    /// What is between it and the exporter.
    pub wire: Arc<Wire>,
    /// The exporter's clock.
    pub calendar: Arc<Calendar>,
    /// When polling began.
    pub started: Instant,
    /// What the exporter knows.
    pub store: Arc<Store>,
    registry: prometheus_client::registry::Registry,
    clock: SharedClock,
    connect: Box<Connect>,
    handle: PollerHandle,
    /// For polls out of turn.
    pub prober: Prober,
    _stop: DropGuard,
}

/// The poller's own task, for what happens to it.
pub type Polling = JoinHandle<Result<(), PollError>>;

impl World {
    /// Starts polling these accounts; the vendor knows exactly their flows.
    pub fn start(setups: Vec<Setup>) -> Self {
        Self::start_supervised(setups).0
    }

    /// The same, with the poller's own task.
    pub fn start_supervised(setups: Vec<Setup>) -> (Self, Polling) {
        let calendar = Arc::new(Calendar::default());
        let clock: SharedClock = calendar.clone();
        let settings = Settings {
            record_arrivals: true,
            accounts: setups.iter().map(vendor_account).collect(),
            ..Settings::default()
        };
        Self::start_with(setups, settings, calendar, clock)
    }

    /// The same, with a vendor that is set up in every detail.
    pub fn start_with(
        setups: Vec<Setup>,
        settings: Settings,
        calendar: Arc<Calendar>,
        clock: SharedClock,
    ) -> (Self, Polling) {
        let vendor_clock = clock.clone();
        let vendor = Vendor::new(settings, move || vendor_clock.now());
        let wire = Arc::new(Wire {
            router: vendor.router(),
            ..Wire::default()
        });
        let config = config(&setups);
        let activity = Arc::new(Activity::new(
            config.accounts.iter().map(|account| account.name.clone()),
            clock.now(),
        ));
        let over: Arc<dyn Transport> = wire.clone();
        let connect: Box<Connect> = Box::new(move |_: &Account, _: &Config| Ok(Arc::clone(&over)));
        let store = Arc::new(Store::new(Policy::default(), []));
        let plan = PollPlan::new(config, &clock, &*connect).unwrap();
        let poller = Poller::new(plan, Arc::clone(&store), Arc::clone(&activity), clock.clone());
        let handle = poller.handle();
        let prober = poller.prober();
        let stop = CancellationToken::new();
        let polling = tokio::spawn(poller.run(stop.clone()));
        let world = Self {
            vendor,
            wire,
            calendar,
            started: Instant::now(),
            store,
            registry: registry(&activity),
            clock,
            connect,
            handle,
            prober,
            _stop: stop.drop_guard(),
        };
        (world, polling)
    }

    /// Goes over to these accounts; what is new in them the vendor does not know by itself.
    pub async fn reload(&self, setups: &[Setup]) {
        let plan = PollPlan::new(config(setups), &self.clock, &*self.connect).unwrap();
        self.handle.apply(plan).await.unwrap();
    }

    /// Lets this much time pass.
    pub async fn pass(&self, time: Duration) {
        // On a paused clock this is no waiting: time jumps from one timer to the next.
        tokio::time::sleep(time).await;
    }

    /// A scrape, as series and values.
    pub fn scrape(&self) -> Samples {
        Samples::read(Exposition::new(&self.registry, self.store.snapshot(), Format::Classic).unwrap())
    }

    /// When requests for this flow arrived, since the start.
    pub fn arrivals(&self, account: &str, key_id: u64) -> Vec<Duration> {
        let arrivals = self.vendor.arrivals(account).unwrap();
        arrivals
            .iter()
            .filter(|arrival| arrival.key_id == Some(key_id))
            .map(|arrival| arrival.at - self.started)
            .collect()
    }
}

/// The times between consecutive moments.
pub fn gaps(times: &[Duration]) -> Vec<Duration> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// A flow that is asked for every minute, give or take a few milliseconds.
#[track_caller]
pub fn every_minute(key_id: u64, gaps: &[Duration]) {
    let on_time = |gap: &Duration| gap.abs_diff(MINUTE) < Duration::from_millis(5);
    assert!(gaps.iter().all(on_time), "flow {key_id}: {gaps:?}");
}

/// The samples of one scrape.
#[derive(Debug)]
pub struct Samples(HashMap<String, f64>);

impl Samples {
    /// Reads a whole answer.
    pub fn read(mut exposition: Exposition) -> Self {
        let mut body = Vec::new();
        while exposition.fill(&mut body) {}
        Self::of_text(&String::from_utf8(body).unwrap())
    }

    /// Reads the text of an answer.
    pub fn of_text(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| line.rsplit_once(' ').unwrap());
        Self(
            samples
                .map(|(series, value)| (series.to_owned(), value.parse().unwrap()))
                .collect(),
        )
    }

    /// The value of a series, written as in the exposition.
    pub fn get(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }

    /// The value of a series of flow `key_id` in account `main`.
    pub fn flow(&self, family: &str, key_id: u64) -> Option<f64> {
        self.get(&format!(
            "laaffic_redial_flow_{family}{{account=\"main\",key_id=\"{key_id}\"}}"
        ))
    }

    /// Why the last poll of a flow in account `main` failed.
    pub fn error(&self, key_id: u64) -> Option<String> {
        let prefix = format!("laaffic_redial_flow_error{{account=\"main\",key_id=\"{key_id}\",reason=\"");
        let mut reasons = self
            .0
            .keys()
            .filter_map(|series| series.strip_prefix(&prefix)?.strip_suffix("\"}"));
        let reason = reasons.next().map(str::to_owned);
        assert_eq!(reasons.next(), None, "two reasons at once");
        reason
    }

    /// Requests of account `main` that ended so.
    pub fn requests(&self, outcome: &str) -> f64 {
        let series =
            format!("laaffic_api_requests_total{{account=\"main\",endpoint=\"query_detail\",outcome=\"{outcome}\"}}");
        self.get(&series).unwrap()
    }

    /// Requests of account `main` that were sent again.
    pub fn retries(&self) -> f64 {
        self.get("laaffic_api_retries_total{account=\"main\",endpoint=\"query_detail\"}")
            .unwrap()
    }

    /// Answers of account `main` with this code.
    pub fn errors(&self, code: i64, reason: &str) -> Option<f64> {
        self.get(&format!(
            "laaffic_api_errors_total{{account=\"main\",endpoint=\"query_detail\",code=\"{code}\",reason=\"{reason}\"}}"
        ))
    }

    /// A series of account `main` as a whole.
    pub fn account(&self, family: &str) -> Option<f64> {
        self.get(&format!("laaffic_{family}{{account=\"main\"}}"))
    }

    /// The sum of all series of a family.
    pub fn sum(&self, family: &str) -> f64 {
        self.of(family).map(|(_, value)| value).sum()
    }

    /// Every series, written as in the exposition.
    pub fn series(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All series of a family that has labels.
    pub fn of(&self, family: &str) -> impl Iterator<Item = (&str, f64)> {
        let prefix = format!("{family}{{");
        let series = self.0.iter().map(|(series, value)| (series.as_str(), *value));
        series.filter(move |(series, _)| series.starts_with(&prefix))
    }
}

/// The account as the vendor has it.
pub fn vendor_account(setup: &Setup) -> laaffic_simulator::Account {
    vendor::account(setup.name, setup.flows.clone())
}

fn config(setups: &[Setup]) -> Config {
    Config {
        accounts: setups.iter().map(account).collect(),
        ..Config::default()
    }
}

fn account(setup: &Setup) -> Account {
    let played = vendor_account(setup);
    let flow = |flow: &Flow| FlowInfo::configured(KeyId::new(flow.key_id).unwrap(), setup.poll_interval);
    let source = |name, value| match &setup.secrets {
        Some(folder) => SecretSource::File(folder.join(name)),
        None => SecretSource::Value(Secret::new(value)),
    };
    Account {
        name: setup.name.into(),
        base_url: setup.base_url.parse().unwrap(),
        api_key: source("key", played.api_key),
        api_secret: source("secret", played.api_secret),
        settings: schema::Account {
            rate_limit: Rate::new(setup.rate_limit).unwrap(),
            max_concurrent_requests: Whole::new(setup.max_concurrent_requests as u64).unwrap(),
            http_client: setup.http_client.clone(),
            balance: setup.balance,
            outcomes: setup.outcomes,
            ..schema::Account::default()
        },
        flows: setup.flows.iter().map(flow).collect(),
        discovery: setup.discovery.clone(),
    }
}
