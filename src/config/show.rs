//! The configuration in force, written for people, without a secret in it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{Account, ClientTls, Config, PrometheusDuration, Secret, SecretSource};
use crate::model::FlowInfo;

#[derive(Serialize)]
struct Shown<'a> {
    global: Global,
    accounts: Vec<ShownAccount<'a>>,
}

#[derive(Serialize)]
struct Global {
    terminal_poll_interval: String,
    request_timeout: String,
    stale_after: String,
}

#[derive(Serialize)]
struct ShownAccount<'a> {
    name: &'a str,
    base_url: &'a str,
    #[serde(flatten)]
    api_key: BTreeMap<&'static str, String>,
    #[serde(flatten)]
    api_secret: BTreeMap<&'static str, String>,
    rate_limit: f64,
    max_concurrent_requests: usize,
    #[serde(skip_serializing_if = "ShownClient::is_empty")]
    http_client: ShownClient,
    flows: Vec<ShownFlow<'a>>,
}

#[derive(Serialize)]
struct ShownClient {
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy_url: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tls_config: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct ShownFlow<'a> {
    key_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    poll_interval: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
}

impl ShownClient {
    fn is_empty(&self) -> bool {
        self.proxy_url.is_none() && self.tls_config.is_empty()
    }
}

/// The configuration as YAML, every secret as `<secret>` and every interval as it is in force. `flows` are those of the account of
/// this name.
///
/// # Errors
/// If it cannot be written as YAML.
pub fn show<'a>(config: &'a Config, flows: impl Fn(&str) -> Vec<&'a FlowInfo>) -> Result<String, serde_yaml::Error> {
    serde_yaml::to_string(&Shown {
        global: Global {
            terminal_poll_interval: duration(config.terminal_poll_interval),
            request_timeout: duration(config.request_timeout),
            stale_after: duration(config.stale_after),
        },
        accounts: config
            .accounts
            .iter()
            .map(|shown| account(shown, flows(&shown.name)))
            .collect(),
    })
}

fn account<'a>(account: &'a Account, flows: Vec<&'a FlowInfo>) -> ShownAccount<'a> {
    ShownAccount {
        name: &account.name,
        base_url: account.base_url.as_str(),
        api_key: source("api_key", "api_key_file", &account.api_key),
        api_secret: source("api_secret", "api_secret_file", &account.api_secret),
        rate_limit: account.rate_limit,
        max_concurrent_requests: account.max_concurrent_requests,
        http_client: ShownClient {
            proxy_url: account.http_client.proxy_url.as_ref().map(Secret::to_string),
            tls_config: tls(&account.http_client.tls),
        },
        flows: flows.into_iter().map(flow).collect(),
    }
}

fn flow(flow: &FlowInfo) -> ShownFlow<'_> {
    ShownFlow {
        key_id: flow.key_id.get(),
        name: flow.name.as_deref(),
        poll_interval: duration(flow.poll_interval),
        labels: flow.labels.iter().map(|(name, value)| (&**name, &**value)).collect(),
    }
}

fn source(value: &'static str, file: &'static str, source: &SecretSource) -> BTreeMap<&'static str, String> {
    let shown = match source {
        SecretSource::Value(secret) | SecretSource::Environment(secret) => (value, secret.to_string()),
        SecretSource::File(path) => (file, path.display().to_string()),
    };
    BTreeMap::from([shown])
}

fn tls(tls: &ClientTls) -> BTreeMap<&'static str, String> {
    let files = [
        ("ca_file", &tls.ca_file),
        ("cert_file", &tls.cert_file),
        ("key_file", &tls.key_file),
    ];
    let files = files
        .into_iter()
        .filter_map(|(name, path)| Some((name, path.as_ref()?.display().to_string())));
    let insecure = tls
        .insecure_skip_verify
        .then(|| ("insecure_skip_verify", "true".to_owned()));
    files.chain(insecure).collect()
}

fn duration(duration: Duration) -> String {
    PrometheusDuration(duration).to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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
        labels: { team: collections }
      - key_id: 13
";

    #[test]
    fn everything_is_shown_but_the_secrets() {
        let env = |name: &str| (name == "SECRET").then(|| "planted-secret".to_owned());
        let config = super::super::parse(FILE, Path::new("config.yaml"), &env).unwrap();
        let text = show(&config, |name| {
            let account = config.accounts.iter().find(|account| &*account.name == name);
            account.unwrap().flows.iter().collect()
        });
        assert_eq!(
            text.unwrap(),
            "\
global:
  terminal_poll_interval: 15m
  request_timeout: 10s
  stale_after: 5m
accounts:
- name: main
  base_url: https://api.example.org/v3
  api_key: <secret>
  api_secret: <secret>
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
  - key_id: 13
    poll_interval: 1m
"
        );
    }
}
