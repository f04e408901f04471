//! What a configuration is once it is checked: every value is usable as it stands.

use std::time::Duration;

use exporter_toolkit::secret::SecretSource;
use exporter_toolkit::yaml::Problem;
use url::Url;

use super::name_rules::NameRules;
use super::schema::{self, Global, TimeZone};
use crate::model::{AccountName, FlowInfo};
use crate::shard::Shard;

/// A whole configuration, checked.
#[derive(Debug, Default)]
pub struct Config {
    /// What holds for all accounts.
    pub global: Global,
    /// Of which shard the accounts are.
    pub shard: Shard,
    /// The accounts of the shard, in the order of the file.
    pub accounts: Vec<Account>,
    /// What can be used, but is hardly meant so.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Leaves only the accounts of this shard.
    #[must_use]
    pub fn of_shard(mut self, shard: Shard) -> Self {
        self.accounts.retain(|account| shard.polls(&account.name));
        self.shard = shard;
        self
    }
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
    /// How further flows are found; `None` where they are not looked for.
    pub discovery: Option<Discovery>,
}

/// How flows are found in the vendor's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// How often the list is read.
    pub interval: Duration,
    /// How long ago a flow may have been created.
    pub lookback: Duration,
    /// The vendor's own filter; never empty.
    pub task_name: Option<String>,
    /// How long a flow stays after it was first seen to be over; at most [`Self::lookback`].
    pub keep_terminal: Duration,
    /// Most flows that are watched; at least 1.
    pub max_flows: usize,
    /// The zone of the vendor's times; `None` where it is to be worked out.
    pub time_zone: Option<TimeZone>,
    /// What the names of flows say of them.
    pub rules: NameRules,
}
