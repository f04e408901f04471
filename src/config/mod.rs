//! The checked configuration.
//!
//! In: the YAML file (and the environment and secret files it names). Out: a [`Config`] in which every value is usable as it
//! stands, or one error that lists every problem of the file at once.
//!
//! [`schema`] says which keys there are, the toolkit's YAML reader reads them, `check` has the rules between them.

mod check;
mod exposure;
#[cfg(test)]
mod reference;
pub mod schema;
mod url;

use std::path::Path;

use ::url::Url;
pub use exporter_toolkit::duration::{Interval, PrometheusDuration, parse_duration};
pub use exporter_toolkit::http_config::{BasicAuth, ClientTls, HttpConfig};
pub use exporter_toolkit::secret::{Secret, SecretError, SecretSource, SecretUse};
pub use exporter_toolkit::secret_reader::SecretReader;
use exporter_toolkit::surroundings::Surroundings;
use exporter_toolkit::yaml;
pub use exporter_toolkit::yaml::{LoadError, Position, Problem};

pub use self::exposure::warn_of_open_files;
pub use self::schema::HttpClient;
use self::schema::{Flow, Global, Labels};
use crate::model::{AccountName, FlowInfo};

/// Reads and checks a configuration file. `env` gives the value of an environment variable, where it is set.
///
/// # Errors
/// Where the file cannot be read, and otherwise as [`parse`].
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, LoadError> {
    parse(&read(path)?, path, env)
}

/// Reads a configuration file, for [`parse`].
///
/// # Errors
/// Where the file cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    yaml::read_file("--config.file", path)
}

/// Checks the content of a configuration file, and the files and environment variables it names. `path` is where it comes from: relative
/// paths start from its folder, and problems begin with it.
///
/// # Errors
/// Everything that is wrong, at once; what is not UTF-8, or not YAML, has the one problem that it is not.
pub fn parse(
    content: impl AsRef<[u8]>,
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, LoadError> {
    let around = Surroundings::new(path, env);
    let check = |file, rules: &mut yaml::Rules| check::check(file, &around, rules);
    let (mut config, warnings) = yaml::load(path, content.as_ref(), check)?;
    config.warnings = warnings;
    Ok(config)
}

/// A whole configuration, checked.
#[derive(Debug, Default)]
pub struct Config {
    /// What holds for all accounts.
    pub global: Global,
    /// The accounts, in the order of the file; never empty where they come from one.
    pub accounts: Vec<Account>,
    /// What can be used, but is hardly meant so.
    pub warnings: Vec<Problem>,
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
    /// The keys of the account as they were written, with paths as they lead somewhere, and without its flows.
    pub settings: schema::Account,
    /// The flows to poll, in the order of the file; each key once.
    pub flows: Vec<FlowInfo>,
}

/// The configuration in force as YAML, every secret as `<secret>` and every interval as it is in force. `flows` are those of the account
/// of this name.
///
/// # Errors
/// If it cannot be written as YAML.
pub fn show<'a>(config: &Config, flows: impl Fn(&str) -> Vec<&'a FlowInfo>) -> Result<String, serde_yaml::Error> {
    let shown = |account: &Account| schema::Account {
        flows: flows(&account.name).into_iter().map(flow).collect(),
        ..account.settings.clone()
    };
    serde_yaml::to_string(&schema::File {
        global: config.global.clone(),
        accounts: Some(config.accounts.iter().map(shown).collect()),
    })
}

fn flow(flow: &FlowInfo) -> Flow {
    Flow {
        key_id: schema::KeyNumber::new(flow.key_id.get()),
        name: flow.name.clone().map(yaml::Filled),
        poll_interval: Interval::new(flow.poll_interval),
        labels: Labels(flow.labels.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
accounts:
  - name: main
    base_url: https://api.example.org/v3
    api_key: planted-key
    api_secret_env: SECRET
    http_client: { proxy_url: 'http://user:planted-password@proxy:3128' }
    flows:
      - key_id: 12
        name: 'overdue: \"reminder\"'
        poll_interval: 90s
        labels: { team: collections, version: 1.10 }
      - key_id: 13
";

    #[test]
    fn everything_is_shown_but_the_secrets() {
        let env = |name: &str| (name == "SECRET").then(|| "planted-secret".to_owned());
        let config = parse(FILE, Path::new("config.yaml"), &env).unwrap();
        let text = show(&config, |name| {
            let account = config.accounts.iter().find(|account| &*account.name == name);
            account.unwrap().flows.iter().collect()
        });
        assert_eq!(
            text.unwrap(),
            "\
global:
  poll_interval: 1m
  terminal_poll_interval: 15m
  request_timeout: 10s
  stale_after: 5m
accounts:
- name: main
  base_url: https://api.example.org/v3
  api_key: <secret>
  api_secret_env: SECRET
  rate_limit: 5.0
  max_concurrent_requests: 4
  http_client:
    proxy_url: <secret>
  flows:
  - key_id: 12
    name: 'overdue: \"reminder\"'
    poll_interval: 1m30s
    labels:
      team: collections
      version: '1.10'
  - key_id: 13
    poll_interval: 1m
"
        );
    }
}
