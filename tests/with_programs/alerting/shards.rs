//! Accounts that several exporters share: with the rules in `deploy/` in a real Prometheus, each account is asked for by exactly one, while
//! a shard is added and while one is gone.

use std::collections::{BTreeMap, BTreeSet};

use laaffic_exporter::shard::Shard;
use laaffic_simulator::{FlowState, Simulator};
use testkit::answer::ready;
use testkit::assertions::says;
use testkit::folder::{Folder, replace};
use testkit::prometheus::Prometheus;
use testkit::vendor::{account, play, still};
use testkit::wait::wait_for;
use testkit::watching::{Exporter, account_section};

use super::chain::{GLOBAL, write_rules};
use crate::exporter;

/// Enough that each of three shards has some, and that some move to the third.
const ACCOUNTS: [&str; 8] = [
    "retail", "finance", "support", "north", "south", "east", "west", "archive",
];

/// What the shards are called in the messages of alerts and nowhere else.
const JOB: &str = "laaffic-exporter";

/// One played vendor, exporters that share its accounts, and a Prometheus.
struct Shared {
    simulator: Simulator,
    config: String,
    exporters: Vec<Exporter>,
    folder: Folder,
    prometheus: Prometheus,
}

impl Shared {
    async fn start(shards: u32) -> Self {
        let accounts: Vec<_> = ACCOUNTS.iter().map(|name| account(name, (1..=2).map(still))).collect();
        let simulator = play(accounts.clone()).await;
        let mut config = format!("global: {{{GLOBAL}}}\naccounts:\n");
        for account in &accounts {
            let flows = (1..=2).map(|key_id| format!("key_id: {key_id}"));
            config.push_str(&account_section(&simulator, account, flows));
        }
        let folder = Folder::new();
        write_rules(&folder);
        folder.write("targets.json", "[]");
        let prometheus_yml = format!(
            "global: {{scrape_interval: 500ms, evaluation_interval: 1s}}\n\
             rule_files: [rules/*.yml]\n\
             scrape_configs:\n  - job_name: {JOB}\n    \
             file_sd_configs: [{{files: [targets.json], refresh_interval: 1s}}]\n"
        );
        let prometheus = Prometheus::start(&folder, &prometheus_yml, &["--query.lookback-delta=10s"]).await;
        let mut shared = Self {
            simulator,
            config,
            exporters: Vec::new(),
            folder,
            prometheus,
        };
        for ordinal in 0..shards {
            shared.add(ordinal, shards).await;
        }
        shared
    }

    /// Starts one more exporter, and has Prometheus scrape it.
    async fn add(&mut self, ordinal: u32, total: u32) {
        let command = exporter([format!("--shard={ordinal}"), format!("--total-shards={total}")]);
        let exporter = Exporter::start(command, Folder::configured(&self.config)).await;
        ready(exporter.address).await;
        self.exporters.push(exporter);
        let targets: Vec<_> = self.exporters.iter().map(|one| one.address.to_string()).collect();
        let targets = serde_json::json!([{ "targets": targets }]);
        replace(&self.folder.file("targets.json"), targets.to_string());
    }

    /// Starts an exporter where it was, as one of so many. The one before has ended, or is asked to.
    async fn restart(&mut self, ordinal: usize, total: u32) {
        let Exporter {
            folder,
            mut process,
            address,
        } = self.exporters.remove(ordinal);
        if process.is_running() {
            process.stopped().await;
        }
        let command = exporter([
            format!("--shard={ordinal}"),
            format!("--total-shards={total}"),
            format!("--web.listen-address={address}"),
        ]);
        let exporter = Exporter::started(command, folder).await;
        ready(exporter.address).await;
        self.exporters.insert(ordinal, exporter);
    }

    /// Waits until Prometheus sees each account at one exporter of all, and gives which that is.
    async fn each_account_once(&self) -> BTreeMap<String, String> {
        let total = self.exporters.len();
        // What was scraped before a restart counts no more: there, too, each account had one.
        let all = format!("count(laaffic_exporter_total_shards == {total}) == {total}");
        wait_for("each account to have one exporter", async || {
            if self.prometheus.query(&all).await?.is_empty() {
                return Err(format!("not all {total} shards are scraped as such"));
            }
            let rows = self.prometheus.query("laaffic_api_blocked").await?;
            let pairs: BTreeSet<_> = rows
                .iter()
                .map(|row| (row["account"].clone(), row["instance"].clone()))
                .collect();
            let owners: BTreeMap<_, _> = pairs.iter().cloned().collect();
            let once = pairs.len() == ACCOUNTS.len() && owners.len() == ACCOUNTS.len();
            once.then_some(owners).ok_or(format!("{pairs:?}"))
        })
        .await
    }

    /// Whoever has an account makes all requests for it that the vendor sees, four or more of them.
    async fn is_polled_by_its_owner_alone(&self, owners: &BTreeMap<String, String>) {
        for (account, owner) in owners {
            let exporter = self
                .exporters
                .iter()
                .find(|one| one.address.to_string() == *owner)
                .unwrap();
            let counted = async || {
                let text = exporter.metrics().await;
                let of_account = format!("laaffic_api_requests_total{{account=\"{account}\",");
                let lines = text.lines().filter(|line| line.starts_with(&of_account));
                lines
                    .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() as u64)
                    .sum::<u64>()
            };
            let seen = || self.simulator.vendor().account_counts(account).unwrap().requests;
            // What is under way is seen before it is counted; between two requests both numbers are the same.
            let both = async || {
                wait_for("what was seen to be counted", async || {
                    let (seen_before, counted, seen_after) = (seen(), counted().await, seen());
                    let still = seen_before == seen_after;
                    still.then_some((seen_after, counted)).ok_or((seen_before, seen_after))
                })
                .await
            };
            let first = both().await;
            wait_for("requests that only the owner has made", async || {
                let (seen, counted) = both().await;
                let (seen, counted) = (seen - first.0, counted - first.1);
                (seen >= 4 && seen == counted)
                    .then_some(())
                    .ok_or(format!("{account}: {seen} seen, {counted} counted"))
            })
            .await;
        }
    }

    /// What fires.
    async fn firing(&self) -> BTreeSet<String> {
        let rows = self.prometheus.query("ALERTS{alertstate=\"firing\"}").await.unwrap();
        rows.iter().map(|row| row["alertname"].clone()).collect()
    }

    /// Everything that has woken somebody since the start.
    async fn ever_paged(&self) -> BTreeSet<String> {
        let query = "count_over_time(ALERTS{alertstate=\"firing\", severity=\"critical\"}[1h])";
        let rows = self.prometheus.query(query).await.unwrap();
        rows.iter().map(|row| row["alertname"].clone()).collect()
    }

    fn instance(&self, ordinal: usize) -> String {
        self.exporters[ordinal].address.to_string()
    }
}

/// The accounts that an exporter has.
fn of(owners: &BTreeMap<String, String>, instance: &str) -> BTreeSet<String> {
    let owned = owners.iter().filter(|(_, owner)| *owner == instance);
    owned.map(|(account, _)| account.clone()).collect()
}

#[tokio::test]
async fn each_account_is_polled_by_exactly_one_while_a_shard_is_added_and_while_one_is_gone() {
    let mut shared = Shared::start(2).await;
    let before = shared.each_account_once().await;
    shared.is_polled_by_its_owner_alone(&before).await;

    // A flow that is stuck throughout, in an account that moves.
    let third = Shard::new(2, 3).unwrap();
    let moving = ACCOUNTS.into_iter().find(|account| third.polls(account)).unwrap();
    let vendor = shared.simulator.vendor();
    vendor.pin(moving, 1, FlowState::with_nodes(4, &[2, 4, 0])).unwrap();
    let stuck = format!("laaffic:redial_flow:exception_since{{account=\"{moving}\", key_id=\"1\"}}");
    wait_for("the stop to page", async || {
        let firing = shared.firing().await;
        let pages = firing == BTreeSet::from([super::STUCK.to_owned()]);
        pages.then_some(()).ok_or(firing)
    })
    .await;

    // As a rolling update does it: the new one first, then the others from the last one on.
    shared.add(2, 3).await;
    shared.restart(1, 3).await;
    shared.restart(0, 3).await;
    let after = shared.each_account_once().await;
    shared.is_polled_by_its_owner_alone(&after).await;
    let moved: BTreeSet<_> = ACCOUNTS
        .iter()
        .filter(|account| before[**account] != after[**account])
        .map(|account| (*account).to_owned())
        .collect();
    assert_eq!(moved, of(&after, &shared.instance(2)));
    assert!(moved.contains(moving) && moved.len() < ACCOUNTS.len(), "{moved:?}");
    assert_eq!(shared.ever_paged().await, BTreeSet::from([super::STUCK.to_owned()]));
    let least = format!("min_over_time({stuck}[1h]) >= 0");
    assert_eq!(
        shared.prometheus.query(&least).await.unwrap().len(),
        1,
        "the page was broken off"
    );

    // One is gone: its accounts are nobody's, and that pages with their names; the others have theirs as before.
    let lost = of(&after, &shared.instance(0));
    assert!(!lost.is_empty());
    shared.exporters[0].process.kill();
    wait_for("the lost one to page", async || {
        let firing = shared.firing().await;
        firing.contains(super::DOWN).then_some(()).ok_or(firing)
    })
    .await;
    let alerts = shared.prometheus.api("alerts", &[]).await.unwrap();
    let down = alerts["alerts"].as_array().unwrap().iter();
    let down: Vec<_> = down
        .filter(|alert| alert["labels"]["alertname"] == super::DOWN)
        .collect();
    assert_eq!(down.len(), 1, "{alerts}");
    let words: Vec<_> = lost.iter().map(String::as_str).collect();
    says(down[0]["annotations"]["description"].as_str().unwrap(), &words);
    let left: BTreeMap<_, _> = after
        .clone()
        .into_iter()
        .filter(|(account, _)| !lost.contains(account))
        .collect();
    shared.is_polled_by_its_owner_alone(&left).await;

    // It comes back, and everything is as it was.
    shared.restart(0, 3).await;
    let again = shared.each_account_once().await;
    assert_eq!(again, after);
    shared.is_polled_by_its_owner_alone(&again).await;
    wait_for("only the stuck flow to page", async || {
        let firing = shared.firing().await;
        let pages = firing == BTreeSet::from([super::STUCK.to_owned()]);
        pages.then_some(()).ok_or(firing)
    })
    .await;
    let paged = shared.ever_paged().await;
    let wanted = [super::DOWN, super::STUCK].map(str::to_owned);
    assert_eq!(paged, BTreeSet::from(wanted));
    assert_eq!(shared.prometheus.complaint(), None);
}
