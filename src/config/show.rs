//! The configuration in force, written for people, without a secret in it.

use exporter_toolkit::duration::Interval;
use exporter_toolkit::yaml::Filled;
use serde::Serialize;

use super::checked::{Account, Config};
use super::schema::{self, Flow, Labels};
use crate::model::{FlowInfo, KeyId};

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

/// A `flows:` block to paste, with the key and the name of each.
///
/// # Errors
/// If it cannot be written as YAML.
pub fn flows_block<'f>(flows: impl Iterator<Item = (KeyId, Option<&'f str>)>) -> Result<String, serde_yaml::Error> {
    #[derive(Serialize)]
    struct Block {
        flows: Vec<Flow>,
    }
    let flow = |(key_id, name): (KeyId, Option<&str>)| Flow {
        key_id: schema::KeyNumber::new(key_id.get()),
        name: name.map(|name| Filled(name.into())),
        ..Flow::default()
    };
    serde_yaml::to_string(&Block {
        flows: flows.map(flow).collect(),
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
