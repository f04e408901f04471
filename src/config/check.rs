//! The rules between the values of the configuration file, and what it names outside of itself.
//!
//! In: the file as it is written. Out: a [`Config`] in which every value is usable, or notes of what is wrong.

use std::collections::HashMap;

use exporter_toolkit::credential::Credential;
use exporter_toolkit::duration::PrometheusDuration;
use exporter_toolkit::secret::SecretUse;
use exporter_toolkit::surroundings::Surroundings;
use exporter_toolkit::yaml::{Path, Rules, quote};
use url::Url;

use super::checked::{Account, Config, Discovery};
use super::name_rules;
use super::schema::{self, File, Global};
use super::url::{check_base_url, check_proxy_url};
use crate::model::{Endpoint, FlowInfo, KeyId, Origin};
use crate::shard::Shard;

/// Checks a file, in these surroundings.
pub(super) fn check(file: File, around: &Surroundings<'_>, rules: &mut Rules) -> Option<Config> {
    if rules.file_is_empty() {
        rules.problem(&Path::Root, "the file is empty; it needs at least an accounts list");
        return None;
    }
    let Some(written) = file.accounts else {
        rules.problem(&Path::Root, "accounts is missing; list at least one account under it");
        return None;
    };
    let list = Path::Root.key("accounts");
    if written.is_empty() {
        rules.problem(&list, "the list is empty; write at least one account");
    } else if written
        .iter()
        .all(|account| account.flows.is_empty() && account.discovery.is_none())
    {
        rules.warning(
            &list,
            "no account has a flow, so nothing is polled; list flows, find them by discovery, or ask for single ones at /probe",
        );
    }
    let global = file.global;
    check_timeout(&global, rules);
    account_names(&written, rules);
    let accounts: Vec<_> = written
        .into_iter()
        .enumerate()
        .map(|(index, written)| account(written, &global, &list.index(index), around, rules))
        .collect();
    Some(Config {
        global,
        shard: Shard::default(),
        accounts: accounts.into_iter().collect::<Option<_>>()?,
        warnings: Vec::new(),
    })
}

/// A request that takes longer than an interval holds up the next poll.
fn check_timeout(global: &Global, rules: &mut Rules) {
    let timeout = global.request_timeout;
    let intervals = [
        ("poll_interval", global.poll_interval.get()),
        ("terminal_poll_interval", global.terminal_poll_interval.get()),
    ];
    if let Some((name, interval)) = intervals.into_iter().find(|(_, interval)| timeout.get() > *interval) {
        let interval = PrometheusDuration(interval);
        let message = format!(
            "{timeout} is longer than the {name} of {interval}, so a slow answer holds up the next poll; shorten it"
        );
        rules.warning(&Path::Root.key("global").key("request_timeout"), message);
    }
}

fn account_names(accounts: &[schema::Account], rules: &mut Rules) {
    let list = Path::Root.key("accounts");
    let mut first = HashMap::new();
    let names = accounts.iter().map(|account| account.name.as_deref()).enumerate();
    for (index, name) in names.filter_map(|(index, name)| Some((index, name?))) {
        let Some(other) = first.get(name).copied() else {
            first.insert(name, index);
            continue;
        };
        let told = quote(name);
        rules.conflict(
            &list.index(index).key("name"),
            &list.index(other).key("name"),
            move |line| format!("{told} is already the account of line {line}; every account needs a name of its own"),
        );
    }
}

fn account(
    mut written: schema::Account,
    global: &Global,
    at: &Path<'_>,
    around: &Surroundings<'_>,
    rules: &mut Rules,
) -> Option<Account> {
    if written.name.is_none() {
        rules.problem(
            at,
            "name is missing; give the account a name, it becomes the account label",
        );
    }
    let base_url = base_url(written.base_url.as_deref(), at, rules);
    let api_key = Credential {
        value: ("api_key", &written.api_key),
        file: ("api_key_file", &mut written.api_key_file),
        variable: Some(("api_key_env", &written.api_key_env)),
        usage: SecretUse::Header,
    };
    let api_key = api_key.source(at, around, rules);
    let api_secret = Credential {
        value: ("api_secret", &written.api_secret),
        file: ("api_secret_file", &mut written.api_secret_file),
        variable: Some(("api_secret_env", &written.api_secret_env)),
        usage: SecretUse::Signature,
    };
    let api_secret = api_secret.source(at, around, rules);
    let client = at.key("http_client");
    if let Some(proxy) = &written.http_client.proxy_url
        && let Err(message) = check_proxy_url(proxy.expose())
    {
        rules.problem(&client.key("proxy_url"), message);
    }
    written.http_client.tls.check(&client.key("tls_config"), around, rules);
    let flows = flows(std::mem::take(&mut written.flows), global, &at.key("flows"), rules);
    let found = written.discovery.as_ref();
    let found = found.map(|discovery| self::discovery(discovery, &at.key("discovery"), rules));
    Some(Account {
        name: written.name.as_deref()?.into(),
        base_url: base_url?,
        api_key: api_key?,
        api_secret: api_secret?,
        settings: written,
        flows: flows?,
        discovery: match found {
            Some(discovery) => Some(discovery?),
            None => None,
        },
    })
}

fn discovery(written: &schema::Discovery, at: &Path<'_>, rules: &mut Rules) -> Option<Discovery> {
    let (keep_terminal, lookback) = (written.keep_terminal, written.lookback);
    if keep_terminal.get() > lookback.get() {
        rules.problem(
            &at.key("keep_terminal"),
            format!(
                "keep_terminal is {keep_terminal}, but flows are looked for only {lookback} back (lookback); \
                 write keep_terminal: {lookback} or less, or a longer lookback"
            ),
        );
    }
    let name_rules = name_rules::check(&written.rules, &at.key("rules"), rules);
    Some(Discovery {
        interval: written.interval.get(),
        lookback: lookback.get(),
        task_name: written.task_name.clone().filter(|filter| !filter.is_empty()),
        keep_terminal: keep_terminal.get(),
        max_flows: usize::try_from(written.max_flows.get()).unwrap_or(usize::MAX),
        time_zone: written.time_zone,
        rules: name_rules?,
    })
}

fn base_url(written: Option<&str>, at: &Path<'_>, rules: &mut Rules) -> Option<Url> {
    const EXAMPLE: &str = "write it like https://api.laaffic.com/v3";
    let Some(written) = written else {
        rules.problem(at, format!("base_url is missing; {EXAMPLE}"));
        return None;
    };
    let place = at.key("base_url");
    let url = check_base_url(written)
        .map_err(|message| rules.problem(&place, message))
        .ok()?;
    let path = url.path().trim_end_matches('/');
    if Endpoint::ALL.iter().any(|endpoint| path.ends_with(endpoint.path())) {
        rules.warning(
            &place,
            format!("ends in the path of a call, which is added to it for each call; {EXAMPLE}"),
        );
    }
    Some(url)
}

/// The flows of an account, each with the interval that holds for it.
fn flows(written: Vec<schema::Flow>, global: &Global, at: &Path<'_>, rules: &mut Rules) -> Option<Vec<FlowInfo>> {
    let mut first = HashMap::new();
    let timeout = global.request_timeout;
    let hasty = |flow: &schema::Flow| flow.poll_interval.filter(|interval| timeout.get() > interval.get());
    // One stands for all: there may be very many.
    if let Some((index, interval)) = written
        .iter()
        .map(hasty)
        .enumerate()
        .find_map(|(index, own)| Some((index, own?)))
    {
        let message = format!(
            "{interval} is shorter than the request_timeout of {timeout}, so a slow answer holds up the next poll; lengthen it"
        );
        rules.warning(&at.index(index).key("poll_interval"), message);
    }
    let flow = |(index, flow): (usize, schema::Flow)| {
        let place = at.index(index);
        let Some(number) = flow.key_id else {
            rules.problem(&place, "key_id is missing; write the flow's keyId, like key_id: 12");
            return None;
        };
        let key_id = KeyId::new(number.get())?;
        if let Some(other) = first.insert(key_id, index) {
            first.insert(key_id, other);
            rules.conflict(&place.key("key_id"), &at.index(other).key("key_id"), move |line| {
                format!("{key_id} is already listed for this account in line {line}; remove one of the two")
            });
        }
        Some(FlowInfo {
            key_id,
            name: flow.name.map(|name| name.0),
            labels: flow.labels.0,
            poll_interval: flow.poll_interval.map_or(global.poll_interval.get(), |own| own.get()),
            origin: Origin::Configured,
            task: None,
        })
    };
    let flows: Vec<_> = written.into_iter().enumerate().map(flow).collect();
    flows.into_iter().collect()
}
