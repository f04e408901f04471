//! The checked configuration.
//!
//! In: the YAML file (and the environment and secret files it names). Out: a [`Config`] in which every value is usable as it
//! stands, or one error that lists every problem of the file at once.

mod duration;
mod secret;
mod secret_reader;

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

pub use self::duration::{DurationError, PrometheusDuration, parse_duration};
pub use self::secret::{Secret, SecretError, SecretSource, SecretUse};
pub use self::secret_reader::SecretReader;
use crate::model::{AccountName, FlowInfo};

/// A whole configuration, checked.
#[derive(Debug)]
pub struct Config {
    /// How often a completed or cancelled flow is still fetched.
    pub terminal_poll_interval: Duration,
    /// One HTTP request, connect to last byte.
    pub request_timeout: Duration,
    /// After this long without a success (or three of the flow's intervals, if longer) a flow's state leaves /metrics.
    pub stale_after: Duration,
    /// The accounts, in the order of the file; never empty.
    pub accounts: Vec<Account>,
}

/// One account: a base URL, credentials, limits and the flows to poll.
#[derive(Debug)]
pub struct Account {
    /// The `account` label; unique.
    pub name: AccountName,
    /// What the API's paths hang off; http or https, with a host, without query or fragment.
    pub base_url: Url,
    /// `Api-Key` header. A secret as well: it names the customer.
    pub api_key: SecretSource,
    /// Never sent; signs every request.
    pub api_secret: SecretSource,
    /// Requests per second, all calls of the account together; finite and above 0.
    pub rate_limit: f64,
    /// Requests under way at once; at least 1.
    pub max_concurrent_requests: usize,
    /// How connections are made.
    pub http_client: HttpClient,
    /// The flows to poll, in the order of the file; each key once.
    pub flows: Vec<FlowInfo>,
}

/// The ecosystem's `http_client` block, as far as it is supported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpClient {
    /// Proxy for all requests; http, https or socks5. May carry a user and a password, so it is never printed.
    pub proxy_url: Option<Secret>,
    /// TLS towards the upstream.
    pub tls: ClientTls,
}

/// TLS towards the upstream; paths are absolute or relative to the working directory by now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file of our certificate chain.
    pub cert_file: Option<PathBuf>,
    /// PEM file of our private key.
    pub key_file: Option<PathBuf>,
    /// Trust any certificate. Only for tests and accidents.
    pub insecure_skip_verify: bool,
}
