//! The shape of the configuration file: from its text to the checked [`Config`].

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::credential::Credential;
use super::problem::{Position, Problem};
use super::secret::SecretUse;
use super::walk::Walk;
use super::wording::quote;
use super::yaml::{Reader, Stop};
use super::{Account, Config, HttpClient, flow, http_client};
use crate::model::AccountName;

const TOP_KEYS: [&str; 2] = ["global", "accounts"];
const GLOBAL_KEYS: [&str; 4] = [
    "poll_interval",
    "terminal_poll_interval",
    "request_timeout",
    "stale_after",
];
const ACCOUNT_KEYS: [&str; 12] = [
    "name",
    "base_url",
    "api_key",
    "api_key_file",
    "api_key_env",
    "api_secret",
    "api_secret_file",
    "api_secret_env",
    "rate_limit",
    "max_concurrent_requests",
    "http_client",
    "flows",
];

const DEFAULT_RATE_LIMIT: f64 = 5.0;
const DEFAULT_CONCURRENT_REQUESTS: usize = 4;
/// Slower than one request in 11 days or faster than one in a nanosecond is a typing error, and no rate limiter can count it.
const RATE_LIMITS: std::ops::RangeInclusive<f64> = 0.000_001..=1_000_000_000.0;
/// More than the open files of most hosts allow.
const MOST_CONCURRENT_REQUESTS: u64 = 10_000;

/// What the file can refer to outside of itself.
pub(super) struct Surroundings<'a> {
    /// The folder that relative paths start from.
    folder: &'a Path,
    env: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Surroundings<'a> {
    pub(super) fn new(file: &'a Path, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            folder: file.parent().unwrap_or(Path::new("")),
            env,
        }
    }

    pub(super) fn path(&self, written: &str) -> PathBuf {
        self.folder.join(written)
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name)
    }
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// The configuration that `text` writes, or everything that is wrong with it, at least one problem.
pub(super) fn read(text: &str, around: &Surroundings<'_>) -> Result<Config, Vec<Problem>> {
    match try_read(text, around) {
        Ok((Some(config), problems)) if problems.is_empty() => Ok(config),
        Ok((_, problems)) => Err(problems),
        // What was found before may only be a consequence of the same mistake.
        Err(Stop(problem)) => Err(vec![*problem]),
    }
}

fn try_read(text: &str, around: &Surroundings<'_>) -> Result<(Option<Config>, Vec<Problem>), Stop> {
    const EMPTY: &str = "the file is empty; it needs at least an accounts list";
    let Some(reader) = Reader::open(text)? else {
        return Err(Stop::new(Position::START, EMPTY));
    };
    let mut walk = Walk::new(reader);
    if walk.absent()? {
        return Err(Stop::new(Position::START, EMPTY));
    }
    let mut global = Global::default();
    let mut accounts = None;
    let start = walk.mapping(&TOP_KEYS, |walk, key| {
        if walk.absent()? {
            return Ok(());
        }
        match key.value {
            "global" => global = read_global(walk)?,
            _ => accounts = Some(read_accounts(walk, around)?),
        }
        Ok(())
    })?;
    if let Some(start) = start
        && accounts.is_none()
    {
        walk.problem(start, "accounts is missing; list at least one account under it");
    }
    let config = accounts.map(|accounts| global.complete(accounts));
    Ok((config, walk.finish()?))
}

/// The `global` block: what holds for every account.
struct Global {
    poll_interval: Duration,
    terminal_poll_interval: Duration,
    request_timeout: Duration,
    stale_after: Duration,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(60),
            terminal_poll_interval: Duration::from_secs(15 * 60),
            request_timeout: Duration::from_secs(10),
            stale_after: Duration::from_secs(5 * 60),
        }
    }
}

impl Global {
    /// The whole configuration: flows without an interval of their own get the default.
    fn complete(self, mut accounts: Vec<Account>) -> Config {
        for flow in accounts.iter_mut().flat_map(|account| &mut account.flows) {
            if flow.poll_interval.is_zero() {
                flow.poll_interval = self.poll_interval;
            }
        }
        Config {
            terminal_poll_interval: self.terminal_poll_interval,
            request_timeout: self.request_timeout,
            stale_after: self.stale_after,
            accounts,
        }
    }
}

fn read_global(walk: &mut Walk<'_>) -> Result<Global, Stop> {
    let mut global = Global::default();
    walk.mapping(&GLOBAL_KEYS, |walk, key| {
        if walk.absent()? {
            return Ok(());
        }
        let setting = match key.value {
            "poll_interval" => &mut global.poll_interval,
            "terminal_poll_interval" => &mut global.terminal_poll_interval,
            "request_timeout" => &mut global.request_timeout,
            _ => &mut global.stale_after,
        };
        if let Some(duration) = walk.duration()? {
            *setting = duration;
        }
        Ok(())
    })?;
    Ok(global)
}

fn read_accounts(walk: &mut Walk<'_>, around: &Surroundings<'_>) -> Result<Vec<Account>, Stop> {
    let mut accounts = Vec::new();
    let mut entries = 0_usize;
    let mut names: HashMap<String, usize> = HashMap::new();
    let start = walk.list(|walk| {
        entries += 1;
        accounts.extend(read_account(walk, around, &mut names)?);
        Ok(())
    })?;
    if let Some(start) = start
        && entries == 0
    {
        walk.problem(start, "the list is empty; write at least one account");
    }
    Ok(accounts)
}

/// Reads one account. `None` where something essential is missing or wrong, which is noted then.
fn read_account(
    walk: &mut Walk<'_>,
    around: &Surroundings<'_>,
    names: &mut HashMap<String, usize>,
) -> Result<Option<Account>, Stop> {
    let mut draft = Draft::new();
    let start = walk.mapping(&ACCOUNT_KEYS, |walk, key| {
        if walk.absent()? || draft.api_key.read(walk, key, around)? || draft.api_secret.read(walk, key, around)? {
            return Ok(());
        }
        match key.value {
            "name" => {
                draft.name_given = true;
                draft.name = read_name(walk, names)?;
            }
            "base_url" => {
                draft.base_url_given = true;
                draft.base_url = http_client::base_url(walk)?;
            }
            "rate_limit" => draft.rate_limit = walk.number(RATE_LIMITS)?.unwrap_or(DEFAULT_RATE_LIMIT),
            "max_concurrent_requests" => {
                if let Some(number) = walk.whole_number(1..=MOST_CONCURRENT_REQUESTS)? {
                    draft.max_concurrent_requests =
                        usize::try_from(number.value).unwrap_or(DEFAULT_CONCURRENT_REQUESTS);
                }
            }
            "http_client" => draft.http_client = http_client::http_client(walk, around)?,
            _ => draft.flows = flow::flows(walk)?,
        }
        Ok(())
    })?;
    Ok(start.and_then(|start| draft.finish(walk, start)))
}

fn read_name(walk: &mut Walk<'_>, names: &mut HashMap<String, usize>) -> Result<Option<AccountName>, Stop> {
    let Some(name) = walk.filled_text()? else {
        return Ok(None);
    };
    if let Some(line) = names.get(&*name.value) {
        let message = format!(
            "{} is already the account of line {line}; every account needs a name of its own",
            quote(&name.value)
        );
        walk.problem(name.at, message);
    } else {
        names.insert(Cow::clone(&name.value).into_owned(), name.at.line);
    }
    Ok(Some(name.value.into()))
}

/// An account on its way from the file.
struct Draft {
    name_given: bool,
    name: Option<AccountName>,
    base_url_given: bool,
    base_url: Option<url::Url>,
    api_key: Credential,
    api_secret: Credential,
    rate_limit: f64,
    max_concurrent_requests: usize,
    http_client: HttpClient,
    flows: Vec<crate::model::FlowInfo>,
}

impl Draft {
    fn new() -> Self {
        Self {
            name_given: false,
            name: None,
            base_url_given: false,
            base_url: None,
            api_key: Credential::new(["api_key", "api_key_file", "api_key_env"], SecretUse::Header),
            api_secret: Credential::new(
                ["api_secret", "api_secret_file", "api_secret_env"],
                SecretUse::Signature,
            ),
            rate_limit: DEFAULT_RATE_LIMIT,
            max_concurrent_requests: DEFAULT_CONCURRENT_REQUESTS,
            http_client: HttpClient::default(),
            flows: Vec::new(),
        }
    }

    /// Notes what the account that begins at `start` lacks.
    fn finish(self, walk: &mut Walk<'_>, start: Position) -> Option<Account> {
        if !self.name_given {
            walk.problem(
                start,
                "name is missing; give the account a name, it becomes the account label",
            );
        }
        if !self.base_url_given {
            walk.problem(start, "base_url is missing; write it like https://api.laaffic.com/v3");
        }
        let api_key = self.api_key.finish(walk, start);
        let api_secret = self.api_secret.finish(walk, start);
        Some(Account {
            name: self.name?,
            base_url: self.base_url?,
            api_key: api_key?,
            api_secret: api_secret?,
            rate_limit: self.rate_limit,
            max_concurrent_requests: self.max_concurrent_requests,
            http_client: self.http_client,
            flows: self.flows,
        })
    }
}
