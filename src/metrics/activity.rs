//! What the exporter itself does, counted: requests, errors, retries, reloads.
//!
//! In: calls from the poller and from whoever loads the configuration. Out: a prometheus-client collector. Every counter that can be
//! known in advance exists at 0 before its first event, since `increase()` does not see the event that creates a series.
//!
//! The instruments of an account are resolved once into an [`AccountActivity`], so that counting is an atomic addition.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use exporter_toolkit::clock::unix_seconds;

use super::catalogue;
use crate::build_info;
use crate::shard::Shard;

use crate::model::{AccountName, ApiCode, Endpoint, Outcome, ResponseField, UnreadableFields};

/// How many distinct codes of an account become label values; more would let the vendor make series without end.
const MAX_CODES: usize = 32;

/// Upper bounds of the duration buckets in seconds: from a healthy answer nearby (10 ms) past the default timeout (10 s).
const DURATION_BUCKETS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The exporter's own instruments.
#[derive(Debug)]
pub struct Activity {
    accounts: Mutex<BTreeMap<AccountName, AccountActivity>>,
    external_url: OnceLock<Box<str>>,
    shard: Shard,
    poll_panics: Counter,
    reload_successful: Gauge,
    reload_success_at: Gauge<f64, AtomicU64>,
}

/// The instruments of one account. Cheap to clone; counts go on after the account is forgotten, but are not shown any more.
#[derive(Debug, Clone)]
pub struct AccountActivity {
    inner: Arc<AccountInstruments>,
}

#[derive(Debug)]
struct AccountInstruments {
    endpoints: [EndpointInstruments; Endpoint::ALL.len()],
    // Errors are rare; a lock keeps the number of distinct codes exact across endpoints.
    errors: Mutex<BTreeMap<(CodeLabel, usize), Counter>>,
}

#[derive(Debug)]
struct EndpointInstruments {
    /// Whether the account makes this call; else it is not shown.
    called: AtomicBool,
    requests: [Counter; Outcome::ALL.len()],
    retries: Counter,
    duration: Histogram,
    unreadable: [Counter; ResponseField::ALL.len()],
}

/// The `code` label; codes sort as numbers, and the rest comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum CodeLabel {
    Code(ApiCode),
    Other,
}

impl Activity {
    /// Instruments at 0 for these accounts, all there are, and a configuration that was loaded at `loaded`.
    pub fn new(accounts: impl IntoIterator<Item = AccountName>, loaded: SystemTime) -> Self {
        Self::of_shard(Shard::default(), accounts, loaded)
    }

    /// The same for the accounts of a shard.
    pub fn of_shard(shard: Shard, accounts: impl IntoIterator<Item = AccountName>, loaded: SystemTime) -> Self {
        let activity = Self {
            accounts: Mutex::default(),
            external_url: OnceLock::new(),
            shard,
            poll_panics: Counter::default(),
            reload_successful: Gauge::default(),
            reload_success_at: Gauge::default(),
        };
        activity.reload_succeeded(loaded);
        for account in accounts {
            activity.track_account(&account);
        }
        activity
    }

    /// Makes the registry show these instruments.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        registry.register_collector(Box::new(Arc::clone(self)));
    }

    /// Shows from now on where people reach this exporter. It does not change while it runs.
    pub fn reached_at(&self, external_url: &str) {
        self.external_url.get_or_init(|| external_url.into());
    }

    /// Begins to show an account, at 0. One that is shown already goes on counting.
    pub fn track_account(&self, name: &AccountName) {
        self.account(name);
    }

    /// Stops showing an account. Tracked again, it begins at 0.
    pub fn forget_account(&self, name: &str) {
        lock(&self.accounts).remove(name);
    }

    /// The instruments of an account, which is tracked from now on if it was not.
    pub fn account(&self, name: &AccountName) -> AccountActivity {
        lock(&self.accounts)
            .entry(Arc::clone(name))
            .or_insert_with(AccountActivity::new)
            .clone()
    }

    /// A poll ended in a bug of ours.
    pub fn poll_panicked(&self) {
        self.poll_panics.inc();
    }

    /// A configuration came into force at this moment.
    pub fn reload_succeeded(&self, at: SystemTime) {
        self.reload_successful.set(1);
        self.reload_success_at.set(unix_seconds(at));
    }

    /// A configuration was refused.
    pub fn reload_failed(&self) {
        self.reload_successful.set(0);
    }
}

impl AccountActivity {
    fn new() -> Self {
        let mut errors = BTreeMap::new();
        for endpoint in 0..Endpoint::ALL.len() {
            for code in ApiCode::DOCUMENTED
                .map(CodeLabel::Code)
                .into_iter()
                .chain([CodeLabel::Other])
            {
                errors.insert((code, endpoint), Counter::default());
            }
        }
        Self {
            inner: Arc::new(AccountInstruments {
                endpoints: Endpoint::ALL.map(|endpoint| EndpointInstruments {
                    called: AtomicBool::new(endpoint == Endpoint::QueryDetail),
                    requests: Outcome::ALL.map(|_| Counter::default()),
                    retries: Counter::default(),
                    duration: Histogram::new(DURATION_BUCKETS),
                    unreadable: ResponseField::ALL.map(|_| Counter::default()),
                }),
                errors: Mutex::new(errors),
            }),
        }
    }

    /// The account makes this call from now on: its counters are there before its first request.
    pub fn calls(&self, endpoint: Endpoint) {
        if let Some(instruments) = self.endpoint(endpoint) {
            instruments.called.store(true, Ordering::Relaxed);
        }
    }

    /// One HTTP request ended like this after this long.
    pub fn request(&self, endpoint: Endpoint, outcome: Outcome, duration: Duration) {
        let Some(instruments) = self.endpoint(endpoint) else {
            return;
        };
        if let Some(counter) = place(&Outcome::ALL, &outcome).and_then(|index| instruments.requests.get(index)) {
            counter.inc();
        }
        instruments.duration.observe(duration.as_secs_f64());
    }

    /// An answer came with a code other than 0.
    pub fn api_error(&self, endpoint: Endpoint, code: ApiCode) {
        let Some(endpoint) = place(&Endpoint::ALL, &endpoint) else {
            return;
        };
        let mut errors = lock(&self.inner.errors);
        let known = errors.keys().any(|(label, _)| *label == CodeLabel::Code(code));
        let label = if known || distinct_codes(&errors) < MAX_CODES {
            CodeLabel::Code(code)
        } else {
            CodeLabel::Other
        };
        errors.entry((label, endpoint)).or_default().inc();
    }

    /// A request is sent again.
    pub fn retry(&self, endpoint: Endpoint) {
        if let Some(instruments) = self.endpoint(endpoint) {
            instruments.retries.inc();
        }
    }

    /// An answer had these fields, and they could not be read.
    pub fn unreadable(&self, endpoint: Endpoint, fields: UnreadableFields) {
        let Some(instruments) = self.endpoint(endpoint) else {
            return;
        };
        for field in fields.iter() {
            if let Some(counter) =
                place(&ResponseField::ALL, &field).and_then(|index| instruments.unreadable.get(index))
            {
                counter.inc();
            }
        }
    }

    fn endpoint(&self, endpoint: Endpoint) -> Option<&EndpointInstruments> {
        self.inner.endpoints.get(place(&Endpoint::ALL, &endpoint)?)
    }
}

impl EndpointInstruments {
    fn is_called(&self) -> bool {
        self.called.load(Ordering::Relaxed)
    }
}

/// Where in a list of all its kind a value stands; the lists are a few words long.
fn place<T: PartialEq>(all: &[T], value: &T) -> Option<usize> {
    all.iter().position(|one| one == value)
}

fn distinct_codes(errors: &BTreeMap<(CodeLabel, usize), Counter>) -> usize {
    let mut codes: Vec<_> = errors
        .keys()
        .map(|(code, _)| *code)
        .filter(|code| *code != CodeLabel::Other)
        .collect();
    codes.dedup();
    codes.len()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A map is whole between any two of its calls, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Collector for Activity {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let build = [
            ("version", build_info::VERSION),
            ("revision", build_info::REVISION),
            ("rustc", build_info::RUSTC),
        ];
        let mut family = catalogue::BUILD_INFO.describe(encoder)?;
        ConstGauge::new(1_i64).encode(family.encode_family(&build)?)?;
        if let Some(url) = self.external_url.get() {
            let mut family = catalogue::EXTERNAL_URL_INFO.describe(encoder)?;
            ConstGauge::new(1_i64).encode(family.encode_family(&[("url", &**url)])?)?;
        }
        let (ordinal, total) = (self.shard.ordinal().to_string(), self.shard.total());
        let mut family = catalogue::SHARD_INFO.describe(encoder)?;
        let shard = [("shard", ordinal), ("total_shards", total.to_string())];
        ConstGauge::new(1_i64).encode(family.encode_family(&shard)?)?;
        let family = catalogue::TOTAL_SHARDS.describe(encoder)?;
        ConstGauge::new(i64::from(total)).encode(family)?;
        let family = catalogue::CONFIG_LAST_RELOAD_SUCCESSFUL.describe(encoder)?;
        self.reload_successful.encode(family)?;
        let family = catalogue::CONFIG_LAST_RELOAD_SUCCESS.describe(encoder)?;
        self.reload_success_at.encode(family)?;
        let family = catalogue::POLL_PANICS.describe(encoder)?;
        self.poll_panics.encode(family)?;

        let accounts = lock(&self.accounts).clone();
        if accounts.is_empty() {
            // prometheus-client would write the headers of families that have no samples.
            return Ok(());
        }
        let endpoints = || {
            accounts.iter().flat_map(|(name, account)| {
                let called = Endpoint::ALL.into_iter().zip(&account.inner.endpoints);
                called
                    .filter(|(_, instruments)| instruments.is_called())
                    .map(move |(endpoint, instruments)| (&**name, endpoint, instruments))
            })
        };
        let labels = |account, endpoint: Endpoint| [("account", account), ("endpoint", endpoint.label())];

        let mut family = catalogue::API_REQUESTS.describe(encoder)?;
        for (account, endpoint, instruments) in endpoints() {
            let [account, endpoint] = labels(account, endpoint);
            for (outcome, counter) in Outcome::ALL.into_iter().zip(&instruments.requests) {
                counter.encode(family.encode_family(&[account, endpoint, ("outcome", outcome.label())])?)?;
            }
        }
        let mut family = catalogue::API_ERRORS.describe(encoder)?;
        for (name, account) in &accounts {
            for ((code, endpoint), counter) in lock(&account.inner.errors).iter() {
                let is_called = account
                    .inner
                    .endpoints
                    .get(*endpoint)
                    .is_some_and(EndpointInstruments::is_called);
                let Some(endpoint) = Endpoint::ALL.get(*endpoint).filter(|_| is_called) else {
                    continue;
                };
                let (code, reason) = match code {
                    CodeLabel::Code(code) => (code.to_string(), code.reason()),
                    CodeLabel::Other => ("other".to_owned(), "api_other"),
                };
                let labels = [
                    ("account", &**name),
                    ("endpoint", endpoint.label()),
                    ("code", &code),
                    ("reason", reason),
                ];
                counter.encode(family.encode_family(&labels)?)?;
            }
        }
        let mut family = catalogue::API_RETRIES.describe(encoder)?;
        for (account, endpoint, instruments) in endpoints() {
            instruments
                .retries
                .encode(family.encode_family(&labels(account, endpoint))?)?;
        }
        let mut family = catalogue::API_REQUEST_DURATION.describe(encoder)?;
        for (account, endpoint, instruments) in endpoints() {
            instruments
                .duration
                .encode(family.encode_family(&labels(account, endpoint))?)?;
        }
        let mut family = catalogue::API_UNREADABLE_FIELDS.describe(encoder)?;
        for (account, endpoint, instruments) in endpoints() {
            let read: Vec<_> = endpoint.fields().collect();
            let counters = ResponseField::ALL.into_iter().zip(&instruments.unreadable);
            let [account, endpoint] = labels(account, endpoint);
            for (field, counter) in counters.filter(|(field, _)| read.contains(field)) {
                counter.encode(family.encode_family(&[account, endpoint, ("field", field.label())])?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use exporter_toolkit::exposition::Format;
    use exporter_toolkit::exposition::text::encode;

    use super::*;

    fn text(activity: &Arc<Activity>) -> String {
        let mut registry = Registry::default();
        activity.register(&mut registry);
        encode(&registry, Format::OpenMetrics).unwrap()
    }

    fn activity(accounts: &[&str]) -> Arc<Activity> {
        Arc::new(Activity::new(
            accounts.iter().map(|name| AccountName::from(*name)),
            SystemTime::UNIX_EPOCH + Duration::from_millis(1_500),
        ))
    }

    fn lines<'t>(text: &'t str, prefix: &str) -> Vec<&'t str> {
        text.lines().filter(|line| line.starts_with(prefix)).collect()
    }

    #[test]
    fn everything_known_in_advance_is_there_at_zero() {
        let text = text(&activity(&["main"]));
        let requests = lines(
            &text,
            "laaffic_api_requests_total{account=\"main\",endpoint=\"query_detail\",",
        );
        assert_eq!(requests.len(), Outcome::ALL.len());
        assert!(requests.iter().all(|line| line.ends_with("} 0")));
        let errors = lines(&text, "laaffic_api_errors_total{");
        assert_eq!(errors.len(), ApiCode::DOCUMENTED.len() + 1);
        assert!(errors.iter().all(|line| line.ends_with("} 0")));
        for line in [
            "laaffic_api_errors_total{account=\"main\",endpoint=\"query_detail\",code=\"-1\",reason=\"authentication_error\"} 0",
            "laaffic_api_errors_total{account=\"main\",endpoint=\"query_detail\",code=\"other\",reason=\"api_other\"} 0",
            "laaffic_api_retries_total{account=\"main\",endpoint=\"query_detail\"} 0",
            "laaffic_api_request_duration_seconds_count{account=\"main\",endpoint=\"query_detail\"} 0",
            "laaffic_exporter_poll_panics_total 0",
            "laaffic_exporter_config_last_reload_successful 1",
            "laaffic_exporter_config_last_reload_success_timestamp_seconds 1.5",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_call_is_shown_from_when_the_account_makes_it() {
        let activity = activity(&["main", "second"]);
        activity.account(&"main".into()).calls(Endpoint::QueryPage);
        let text = text(&activity);
        for line in [
            "laaffic_api_requests_total{account=\"main\",endpoint=\"query_page\",outcome=\"success\"} 0",
            "laaffic_api_errors_total{account=\"main\",endpoint=\"query_page\",code=\"-1\",reason=\"authentication_error\"} 0",
            "laaffic_api_retries_total{account=\"main\",endpoint=\"query_page\"} 0",
            "laaffic_api_unreadable_fields_total{account=\"main\",endpoint=\"query_page\",field=\"createTime\"} 0",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("account=\"second\",endpoint=\"query_page\""));
        assert!(
            !text.contains("endpoint=\"query_detail\",field=\"createTime\""),
            "{text}"
        );
    }

    #[test]
    fn events_are_counted_where_they_belong() {
        let activity = activity(&["main"]);
        let account = activity.account(&"main".into());
        account.request(Endpoint::QueryDetail, Outcome::Timeout, Duration::from_secs(10));
        account.retry(Endpoint::QueryDetail);
        account.api_error(Endpoint::QueryDetail, ApiCode(-7));
        activity.poll_panicked();
        activity.reload_failed();
        activity.reached_at("http://host:10871/");
        let text = text(&activity);
        for line in [
            "laaffic_api_requests_total{account=\"main\",endpoint=\"query_detail\",outcome=\"timeout\"} 1",
            "laaffic_api_request_duration_seconds_sum{account=\"main\",endpoint=\"query_detail\"} 10.0",
            "laaffic_api_request_duration_seconds_bucket{le=\"5.0\",account=\"main\",endpoint=\"query_detail\"} 0",
            "laaffic_api_request_duration_seconds_bucket{le=\"10.0\",account=\"main\",endpoint=\"query_detail\"} 1",
            "laaffic_api_retries_total{account=\"main\",endpoint=\"query_detail\"} 1",
            "laaffic_api_errors_total{account=\"main\",endpoint=\"query_detail\",code=\"-7\",reason=\"api_other\"} 1",
            "laaffic_exporter_external_url_info{url=\"http://host:10871/\"} 1",
            "laaffic_exporter_poll_panics_total 1",
            "laaffic_exporter_config_last_reload_successful 0",
            "laaffic_exporter_config_last_reload_success_timestamp_seconds 1.5",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn codes_beyond_the_limit_count_as_other() {
        let activity = activity(&["main", "second"]);
        let account = activity.account(&"main".into());
        for code in 100..200 {
            account.api_error(Endpoint::QueryDetail, ApiCode(code));
        }
        account.api_error(Endpoint::QueryDetail, ApiCode(100));
        let text = text(&activity);
        assert_eq!(
            lines(&text, "laaffic_api_errors_total{account=\"main\"").len(),
            MAX_CODES + 1
        );
        assert!(text.contains("code=\"100\",reason=\"api_other\"} 2\n"));
        assert!(text.contains("code=\"other\",reason=\"api_other\"} 73\n"));
        assert_eq!(
            lines(&text, "laaffic_api_errors_total{account=\"second\"").len(),
            ApiCode::DOCUMENTED.len() + 1,
            "each account has a limit of its own"
        );
    }

    #[test]
    fn a_forgotten_account_is_gone_and_a_kept_one_goes_on() {
        let activity = activity(&["main", "second"]);
        let kept = activity.account(&"main".into());
        let gone = activity.account(&"second".into());
        kept.retry(Endpoint::QueryDetail);
        activity.track_account(&"main".into());
        activity.forget_account("second");
        gone.retry(Endpoint::QueryDetail);
        let shown = text(&activity);
        assert!(!shown.contains("account=\"second\""));
        assert!(shown.contains("laaffic_api_retries_total{account=\"main\",endpoint=\"query_detail\"} 1\n"));
        activity.forget_account("main");
        assert!(!text(&activity).contains("laaffic_api"), "no header without a sample");
    }

    #[test]
    fn account_names_are_escaped_once() {
        let text = text(&activity(&["a\"b\\c\nd"]));
        assert!(text.contains("laaffic_api_retries_total{account=\"a\\\"b\\\\c\\nd\",endpoint=\"query_detail\"} 0\n"));
    }
}
