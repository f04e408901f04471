//! The checked configuration.
//!
//! In: the YAML file (and the environment and secret files it names). Out: a [`Config`] in which every value is usable as it
//! stands, or one error that lists every problem of the file at once.
//!
//! [`load`] reads the file, [`parse`] takes its text: `yaml` makes values with positions of it, `walk` reads them as what they
//! should be and collects problems, `file` with `flow`, `http_client` and `credential` knows which keys there are. `http_config` is a
//! file of its own, for the health check.

mod credential;
mod duration;
mod exposure;
mod file;
mod flow;
mod http_client;
mod http_config;
mod identity;
use exporter_toolkit::problem;
mod secret;
mod secret_reader;
mod show;
mod walk;
mod wording;
mod yaml;

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

pub use self::duration::{DurationError, PrometheusDuration, parse_duration};
pub use self::exposure::warn_of_open_files;
pub use self::http_config::{BasicAuth, HttpConfig};
pub use self::secret::{Secret, SecretError, SecretSource, SecretUse};
pub use self::secret_reader::SecretReader;
pub use self::show::show;
use crate::model::{AccountName, FlowInfo};
pub use exporter_toolkit::problem::{LoadError, Position, Problem};

/// Reads and checks a configuration file. `env` gives the value of an environment variable, where it is set.
///
/// # Errors
/// Where the file cannot be read, and otherwise as [`parse`].
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, LoadError> {
    parse_bytes(&read(path)?, path, env)
}

/// Reads a configuration file, for [`parse_bytes`].
///
/// # Errors
/// Where the file cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    read_file_of("--config.file", path)
}

/// Reads the file that this flag names.
fn read_file_of(flag: &str, path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|error| {
        let message = format!("cannot be read: {error}; name a readable configuration file with {flag}");
        LoadError::new(path, vec![Problem::new(None, "", message)])
    })
}

/// Checks a configuration that was read from `path` already, and the files and environment variables it names.
///
/// # Errors
/// As [`parse`], and where the content is not UTF-8.
pub fn parse_bytes(content: &[u8], path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, LoadError> {
    parse(text_of(content, path)?, path, env)
}

/// The content of the file at `path` as text.
fn text_of<'c>(content: &'c [u8], path: &Path) -> Result<&'c str, LoadError> {
    std::str::from_utf8(content).map_err(|error| {
        let (before, _) = content.split_at_checked(error.valid_up_to()).unwrap_or_default();
        let position = Position::after(&String::from_utf8_lossy(before));
        let message = "this is not UTF-8 text; save the file as UTF-8";
        LoadError::new(path, vec![Problem::new(Some(position), "", message)])
    })
}

/// Checks the text of a configuration file, and the files and environment variables it names. `path` is where the text comes from:
/// relative paths start from its folder, and problems begin with it.
///
/// # Errors
/// Everything that is wrong, at once; a text that is not YAML has the one problem that it is not.
pub fn parse(text: &str, path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, LoadError> {
    file::read(text, &file::Surroundings::new(path, env)).map_err(|problems| LoadError::new(path, problems))
}

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

/// TLS towards a server; paths are absolute or relative to the working directory by now.
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
