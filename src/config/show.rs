//! The configuration in force, written for people, without a secret in it.

use exporter_toolkit::duration::Interval;
use exporter_toolkit::yaml::Filled;

use super::checked::{Account, Config};
use super::schema::{self, Flow, Labels};
use crate::model::FlowInfo;

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
        name: flow.name.clone().map(Filled),
        poll_interval: Interval::new(flow.poll_interval),
        labels: Labels(flow.labels.clone()),
    }
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
        labels: { team: collections, version: 1.10 }
      - key_id: 13
";

    #[test]
    fn everything_is_shown_but_the_secrets() {
        let env = |name: &str| (name == "SECRET").then(|| "planted-secret".to_owned());
        let config = super::super::load::parse(FILE, Path::new("config.yaml"), &env).unwrap();
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
