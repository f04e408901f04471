//! The configuration file: each key is one field here, with what it means, its type and its default.
//!
//! `check` has the rules between the values, and what there is to a value that its type does not say. `docs/configuration.md` and
//! `docs/config.schema.json` are made from this file. A key without a value counts as not given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use exporter_toolkit::duration::Interval;
use exporter_toolkit::http_config::ClientTls;
use exporter_toolkit::secret::Secret;
use exporter_toolkit::yaml::{Filled, Leaf, Pairs, Whole, lenient, number_in_words, whole_key};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The configuration of laaffic-exporter.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "laaffic-exporter"))]
#[serde(default)]
pub struct File {
    /// How all flows are fetched.
    pub global: Global,
    /// One entry per LAAFFIC account; at least one.
    #[cfg_attr(test, schemars(length(min = 1), extend("x-required" = true)))]
    pub accounts: Option<Vec<Account>>,
}

/// How all flows are fetched.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Global {
    /// How often a flow is fetched while it may still change.
    pub poll_interval: Interval<60>,
    /// How often a completed or cancelled flow is still fetched.
    pub terminal_poll_interval: Interval<{ 15 * 60 }>,
    /// How long one HTTP request may take, from connecting to the last byte.
    pub request_timeout: Interval<10>,
    /// After this long without a success (or three of the flow's intervals, if that is longer), the flow's numbers leave /metrics: stale
    /// numbers are worse than none.
    pub stale_after: Interval<{ 5 * 60 }>,
}

/// One account: a base URL, credentials, limits and the flows to poll.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Account {
    /// The value of the `account` label; every account needs its own.
    #[cfg_attr(test, schemars(extend("x-required" = true)))]
    pub name: Option<Filled>,
    /// What the API's paths hang off: http or https, without a query.
    #[cfg_attr(test, schemars(extend("x-required" = true)))]
    pub base_url: Option<String>,
    /// The key itself. Exactly one of `api_key`, `api_key_file` and `api_key_env` must be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Secret>,
    /// A file that holds the key. A change of it is picked up without restart or reload; its last newline does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// An environment variable that holds the key, read at start and reload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// The secret itself, which signs requests and is never sent. Exactly one of `api_secret`, `api_secret_file` and `api_secret_env` must
    /// be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_secret: Option<Secret>,
    /// A file that holds the secret, as with `api_key_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_secret_file: Option<PathBuf>,
    /// An environment variable that holds the secret, as with `api_key_env`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_secret_env: Option<String>,
    /// Requests per second, all calls of this account together.
    pub rate_limit: Rate,
    /// Requests under way at the same time.
    pub max_concurrent_requests: Whole<1, 10_000, 4>,
    /// How connections are made. By default directly, trusting the system's authorities.
    #[serde(skip_serializing_if = "HttpClient::is_default")]
    pub http_client: HttpClient,
    /// Ask every five minutes what the account has (balance, gift, credit).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub balance: bool,
    /// Find flows in the vendor's list, instead of or beside those under `flows`, which win where both know a flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
    /// Read what became of the calls of each round, from the list of group calls: every five minutes (or after five
    /// `global.poll_interval`, if that is sooner), and only while flows have rounds that are not over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub outcomes: bool,
    /// The redial tasks to watch, each once per account.
    pub flows: Vec<Flow>,
}

impl Account {
    /// [`Account::max_concurrent_requests`], for what counts in memory.
    pub fn most_concurrent(&self) -> usize {
        usize::try_from(self.max_concurrent_requests.get()).unwrap_or(usize::MAX)
    }
}

/// How connections are made; the ecosystem's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct HttpClient {
    /// Proxy for all requests: http, https, socks5 or socks5h. May hold a user and a password, so it is never printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<Secret>,
    /// TLS towards the API.
    #[serde(rename = "tls_config", skip_serializing_if = "is_default")]
    pub tls: ClientTls,
}

impl HttpClient {
    fn is_default(&self) -> bool {
        is_default(self)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A redial task to watch.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Flow {
    /// The task's keyId.
    #[cfg_attr(test, schemars(extend("x-required" = true)))]
    pub key_id: Option<KeyNumber>,
    /// A name to show to people, instead of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Filled>,
    /// Instead of the global `poll_interval`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_interval: Option<Interval>,
    /// Further labels, on `laaffic_redial_flow_info` only: join on (account, key_id). None of `account`, `key_id`, `name`, `status`,
    /// `recall_type`, `job`, `instance`, `le`, `quantile`, and none that begins with `__`. One without a value is no label.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
}

/// Which flows of the vendor's list are watched, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Discovery {
    /// How often the list is read: the freshness of every status, of the attempts and of the progress.
    pub interval: Interval<60>,
    /// Flows that were created this long ago or later are looked for. One that is older and was found before is watched until it is over.
    pub lookback: Interval<{ 7 * 86_400 }>,
    /// The vendor's own filter: fuzzy on the name of the parent task, or exact on its id. An empty one is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_name: Option<String>,
    /// A completed or cancelled flow leaves this long after it was first seen so; at most `lookback`.
    pub keep_terminal: Interval<{ 6 * 3600 }>,
    /// Most flows that are watched. Where there are more, those that are over go first, oldest first; what is left out is counted.
    pub max_flows: Whole<1, 1_000_000, 2_000>,
    /// The zone of the times in the vendor's list, which say none: an offset from UTC like "+08:00". By default it is worked out from the
    /// newest flow and the clock of the vendor's server, and said in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
    /// What the names of flows say of them, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<NameRule>,
}

/// What the name of a flow says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct NameRule {
    /// A regular expression on the whole `taskName`, anchored at both ends as in Prometheus' relabelling; a flow without a name has an empty
    /// one. Groups need names: `(?P<team>[a-z]+)-.*`, or `(?:…)` where nothing is to be captured.
    #[cfg_attr(test, schemars(extend("x-required" = true)))]
    #[serde(rename = "match")]
    pub pattern: Option<Filled>,
    /// `label` goes on with the next rule; `drop` leaves flows out that match, `keep` those that do not, as in Prometheus' relabelling.
    #[serde(skip_serializing_if = "is_default")]
    #[cfg_attr(test, schemars(with = "String", extend("enum" = ["label", "drop", "keep"], "default" = "label")))]
    pub action: RuleAction,
    /// Labels of flows that match, on `laaffic_redial_flow_info` only; `$team` or `${team}` stands for what that group has captured. A later
    /// rule wins, and a label that comes out empty is no label.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// How often the rounds of flows that match are looked at while they are in progress; by default every 5m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_interval: Option<Interval<300>>,
}

/// What becomes of flows whose name matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleAction {
    /// They get the labels, and the next rule.
    #[default]
    Label,
    /// They are left out.
    Drop,
    /// All others are left out.
    Keep,
}

impl Leaf for RuleAction {
    const KIND: &'static str = "an action";
    const HINT: &'static str = "write label, drop or keep";

    fn parse(text: &str, _: bool) -> Result<Self, String> {
        match text {
            "label" => Ok(Self::Label),
            "drop" => Ok(Self::Drop),
            "keep" => Ok(Self::Keep),
            _ => Err(format!("{} is not {}; {}", whole_key(text), Self::KIND, Self::HINT)),
        }
    }
}

impl<'de> Deserialize<'de> for RuleAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient(deserializer)
    }
}

/// A fixed offset from UTC, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct TimeZone(
    #[cfg_attr(test, schemars(with = "String", extend("pattern" = "^(Z|[+-][0-9]{2}:[0-9]{2})$")))] i32,
);

impl TimeZone {
    /// No clock on earth shows more than this before or after UTC.
    pub const LARGEST_SECONDS: i32 = 14 * 3600;

    /// This offset, if there can be a clock with it.
    pub fn from_seconds(seconds: i32) -> Option<Self> {
        (-Self::LARGEST_SECONDS..=Self::LARGEST_SECONDS)
            .contains(&seconds)
            .then_some(Self(seconds))
    }

    /// What a clock of this zone shows minus UTC.
    pub fn seconds(self) -> i32 {
        self.0
    }
}

impl std::fmt::Display for TimeZone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let minutes = self.0.abs() / 60;
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl Leaf for TimeZone {
    const KIND: &'static str = "an offset from UTC";
    const HINT: &'static str = "write it like \"+08:00\", \"-03:00\" or Z, since a name would change with the season";

    fn parse(text: &str, _: bool) -> Result<Self, String> {
        let offset = || {
            if text == "Z" {
                return Some(Self(0));
            }
            let (hours, minutes) = text.get(1..)?.split_once(':')?;
            let two = |digits: &str| {
                let both = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
                digits.parse::<i32>().ok().filter(|_| both)
            };
            let seconds = two(hours)? * 3600 + two(minutes).filter(|minutes| *minutes < 60)? * 60;
            match text.as_bytes().first()? {
                b'+' => Self::from_seconds(seconds),
                b'-' => Self::from_seconds(-seconds),
                _ => None,
            }
        };
        offset().ok_or_else(|| format!("{} is not {}; {}", whole_key(text), Self::KIND, Self::HINT))
    }
}

impl<'de> Deserialize<'de> for TimeZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient(deserializer)
    }
}

impl Serialize for TimeZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A number that [`crate::model::KeyId`] takes. What stands in for it after a mistake is none, so that it is taken for no other flow's.
pub type KeyNumber = Whole<1, { i64::MAX.unsigned_abs() }, 0>;

/// Requests per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline, extend("minimum" = Self::SLOWEST, "maximum" = Self::FASTEST)))]
#[serde(transparent)]
pub struct Rate(f64);

impl Rate {
    /// Slower than one request in 11 days is a typing error, and no rate limiter can count it.
    const SLOWEST: f64 = 0.000_001;
    /// One in a nanosecond.
    const FASTEST: f64 = 1_000_000_000.0;

    /// This rate, if it is one that can be kept.
    pub fn new(per_second: f64) -> Option<Self> {
        (Self::SLOWEST..=Self::FASTEST)
            .contains(&per_second)
            .then_some(Self(per_second))
    }

    /// Requests per second; finite and above 0.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Rate {
    fn default() -> Self {
        Self(5.0)
    }
}

impl Leaf for Rate {
    const KIND: &'static str = "a number";
    const HINT: &'static str = "write it like 5 or 0.5, without quotes";

    fn parse(text: &str, plain: bool) -> Result<Self, String> {
        // Rust also reads words like "inf", which YAML spells differently.
        let numeric = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        let number = text.parse().ok().filter(|_| numeric && plain);
        number.and_then(Self::new).ok_or_else(|| {
            let range = match number {
                Some(_) => format!(" from {} to {}", Self::SLOWEST, Self::FASTEST),
                None => String::new(),
            };
            let shown = number_in_words(text, plain);
            format!("{shown} is not {}{range}; {}", Self::KIND, Self::HINT)
        })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient(deserializer)
    }
}

/// Labels by name, sorted. In memory of just their size: there are some in very many flows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct Labels(#[cfg_attr(test, schemars(with = "BTreeMap<String, String>"))] pub Box<[(Box<str>, Box<str>)]>);

impl Labels {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Pairs(pairs) = Pairs::<LabelName, Option<Box<str>>>::deserialize(deserializer)?;
        // As in Prometheus, a label without a value is no label.
        let labels = pairs.into_iter().filter_map(|(name, value)| Some((name.0, value?)));
        let mut labels: Vec<_> = labels.collect();
        labels.sort_unstable();
        // A shrunken vector would leave a gap behind that nothing else fits.
        Ok(Self(labels.drain(..).collect()))
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let labels: BTreeMap<_, _> = self.0.iter().map(|(name, value)| (name, value)).collect();
        labels.serialize(serializer)
    }
}

/// Labels that the metrics carry already, that Prometheus adds to every target, or that mean something in its text format.
pub(super) const TAKEN_LABELS: [&str; 9] = [
    "account",
    "key_id",
    "name",
    "status",
    "recall_type",
    "job",
    "instance",
    "le",
    "quantile",
];

/// The name of a label: Prometheus' classic rule, <https://prometheus.io/docs/concepts/data_model/>, so that every version takes it.
#[derive(Default)]
struct LabelName(Box<str>);

impl Leaf for LabelName {
    const KIND: &'static str = "a label name";
    const HINT: &'static str = "use letters, digits and underscores, and no digit first";

    fn parse(text: &str, _: bool) -> Result<Self, String> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if text.is_empty() || !text.bytes().all(word) || text.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(format!("{} is not {}; {}", whole_key(text), Self::KIND, Self::HINT));
        }
        if text.starts_with("__") {
            return Err("label names that begin with __ belong to Prometheus; choose another name".to_owned());
        }
        if TAKEN_LABELS.contains(&text) {
            return Err("this label is already taken by the metrics or by Prometheus; choose another name".to_owned());
        }
        Ok(Self(text.into()))
    }
}

impl<'de> Deserialize<'de> for LabelName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient(deserializer)
    }
}
