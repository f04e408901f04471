//! Every request is counted once, and as what it was: the exporter's counters against what the played vendor saw.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use exporter_toolkit::clock::{SharedClock, SystemClock};
use exporter_toolkit::exposition::Format;
use laaffic_exporter::config;
use laaffic_exporter::metrics::{Activity, Exposition, registry};
use laaffic_exporter::model::Outcome;
use laaffic_exporter::poll::{Plan, Poller, over_network};
use laaffic_exporter::store::{Policy, Store};
use laaffic_simulator::{Account, Counts, Fault, FaultPlan, Flow, Settings, Vendor};
use testkit::assertions::within;
use testkit::vendor;
use testkit::wait::wait_for;
use testkit::world::Samples;
use tokio_util::sync::CancellationToken;

use super::answers::outcome_of;
use super::upstream::{AMPLE, closed_port};

const SEED: u64 = 20_261_122;

/// The account that meets every fault.
const MIXED: &str = "mixed";
const MIXED_FLOWS: u64 = 150;

/// The account whose credentials are refused.
const REFUSED: &str = "refused";

/// Those whose requests reach the vendor.
const SEEN: [&str; 2] = [MIXED, REFUSED];

/// The account that asks a port where nobody listens, and the one that speaks TLS to a server that does not.
const UNREACHABLE: &str = "unreachable";
const MISUNDERSTOOD: &str = "misunderstood";
const FEW_FLOWS: u64 = 20;

/// Requests of an account, by how they ended.
type ByOutcome = BTreeMap<String, u64>;

/// Every fault with the same chance, but for refused credentials, which would end the mixture after three requests, and for a text that is
/// not UTF-8, which changes nothing of what the answer is.
fn every_fault() -> FaultPlan {
    let mut faults = Fault::all();
    faults.retain(|fault| !matches!(fault, Fault::Code { code: -1 | -2, .. } | Fault::InvalidUtf8));
    let probability = 0.7 / faults.len() as f64;
    FaultPlan::mix(faults.into_iter().map(|fault| (probability, fault)))
}

fn played(name: &str, flows: u64, trouble: FaultPlan) -> Account {
    Account {
        faults: Some(trouble),
        ..vendor::account(name, (1..=flows).map(Flow::seeded))
    }
}

fn polled(name: &str, flows: u64, scheme: &str, address: SocketAddr) -> String {
    let flows: Vec<_> = (1..=flows).map(|key_id| format!("key_id: {key_id}")).collect();
    format!(
        "  - {{name: {name}, base_url: '{scheme}://{address}/v3', api_key: key-of-{name}, api_secret: secret-of-{name}, \
         rate_limit: 1000, max_concurrent_requests: 16, flows: [{}]}}\n",
        flows.join(", ")
    )
}

/// Polls every flow once, and gives the counters of each account with what the vendor saw of [`SEEN`] at the same moment.
async fn one_round(accounts: [String; 4], vendor: &Vendor) -> (BTreeMap<String, ByOutcome>, [Counts; 2]) {
    let clock: SharedClock = Arc::new(SystemClock);
    let global = "global: {poll_interval: 1h, terminal_poll_interval: 1h, stale_after: 1h, request_timeout: 2s}";
    let text = format!("{global}\naccounts:\n{}", accounts.concat());
    let config = config::parse(&text, Path::new("config.yaml"), &|_| None).unwrap();
    let names = config.accounts.iter().map(|account| account.name.clone());
    let activity = Arc::new(Activity::new(names, clock.now()));
    let store = Arc::new(Store::new(Policy::default(), []));
    let plan = Plan::new(config, &clock, &over_network).unwrap();
    let poller = Poller::new(plan, Arc::clone(&store), Arc::clone(&activity), clock);
    let stop = CancellationToken::new();
    let polling = tokio::spawn(poller.run(stop.clone()));
    tokio::time::timeout(AMPLE * 2, first_round_over(&store)).await.unwrap();

    // After a pause that the vendor asked for, flows that failed before it are asked for once more: a request that is under way is seen
    // before it is counted, or is dropped by the end. Between two requests both sides agree, or one was lost.
    let seen = || SEEN.map(|account| vendor.account_counts(account).unwrap());
    let both = wait_for("all that was seen to be counted", async || {
        let before = seen();
        let exposition = Exposition::new(&registry(&activity), store.snapshot(), Format::Classic).unwrap();
        let counted = requests(&Samples::read(exposition));
        let of_seen: u64 = SEEN.iter().flat_map(|account| counted[*account].values()).sum();
        let requests: u64 = before.iter().map(|counts| counts.requests).sum();
        let of_everybody = vendor.counts().requests;
        match before == seen() && requests == of_everybody && requests == of_seen {
            true => Ok((counted, before)),
            false => Err((of_seen, requests, of_everybody)),
        }
    })
    .await;
    stop.cancel();
    polling.await.unwrap().unwrap();
    both
}

/// Looks now and then whether the first poll of every flow has ended, or was skipped because the account is refused.
async fn first_round_over(store: &Store) {
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    loop {
        looks.tick().await;
        let snapshot = store.snapshot();
        let mut flows = snapshot.accounts.iter().flat_map(|account| &account.flows);
        if flows.all(|flow| flow.known.is_some() || flow.failure.is_some()) {
            return;
        }
    }
}

/// `laaffic_api_requests_total`, without the outcomes that did not occur.
fn requests(samples: &Samples) -> BTreeMap<String, ByOutcome> {
    let mut accounts = BTreeMap::<_, ByOutcome>::new();
    for (series, count) in samples
        .of("laaffic_api_requests_total")
        .filter(|(_, count)| *count > 0.0)
    {
        let rest = series.split_once("{account=\"").unwrap().1;
        let (account, rest) = rest.split_once("\",endpoint=\"query_detail\",outcome=\"").unwrap();
        let outcome = rest.strip_suffix("\"}").unwrap();
        let by_outcome = accounts.entry(account.to_owned()).or_default();
        by_outcome.insert(outcome.to_owned(), count as u64);
    }
    accounts
}

/// What the exporter should have counted for what the vendor did.
fn expected(answers: &BTreeMap<String, u64>) -> ByOutcome {
    let faults = Fault::all();
    let mut by_outcome = ByOutcome::new();
    for (name, count) in answers {
        let fault = faults.iter().find(|fault| fault.name() == name.as_str());
        let outcome = match fault {
            Some(fault) => outcome_of(fault),
            None => {
                assert_eq!(name, "success");
                Outcome::Success
            }
        };
        *by_outcome.entry(outcome.label().to_owned()).or_default() += count;
    }
    by_outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_counted_once_as_what_it_was() {
    let settings = Settings {
        seed: SEED,
        accounts: vec![
            played(MIXED, MIXED_FLOWS, every_fault()),
            played(REFUSED, FEW_FLOWS, FaultPlan::always(Fault::code(-1))),
        ],
        ..Settings::default()
    };
    let simulator = vendor::play_as(settings).await;
    let (_socket, closed) = closed_port();
    let accounts = [
        polled(MIXED, MIXED_FLOWS, "http", simulator.address()),
        polled(REFUSED, FEW_FLOWS, "http", simulator.address()),
        polled(UNREACHABLE, FEW_FLOWS, "http", closed),
        polled(MISUNDERSTOOD, FEW_FLOWS, "https", simulator.address()),
    ];
    let (counted, seen) = one_round(accounts, simulator.vendor()).await;

    // Nothing here reached the vendor: each flow was tried once, and twice again where that may help.
    let only = |outcome: Outcome, count| ByOutcome::from([(outcome.label().to_owned(), count)]);
    assert_eq!(counted[UNREACHABLE], only(Outcome::Connect, FEW_FLOWS * 3));
    assert_eq!(counted[MISUNDERSTOOD], only(Outcome::Tls, FEW_FLOWS));

    // And everything else did.
    for (account, Counts { answers, .. }) in SEEN.iter().zip(&seen) {
        assert_eq!(counted[*account], expected(answers), "{account}: {answers:?}");
    }
    let total: u64 = counted.values().flat_map(BTreeMap::values).sum();
    let requests: u64 = seen.iter().map(|counts| counts.requests).sum();
    assert_eq!(total, requests + FEW_FLOWS * 3 + FEW_FLOWS);

    // The mixture was one: each kind of trouble came, and what came was asked again.
    let [Counts { answers, altered, .. }, _] = seen;
    for chance in every_fault().faults {
        let name = chance.fault.name();
        assert!(
            answers.contains_key(&*name) || altered.contains_key(&*name),
            "no {name}: take another seed"
        );
    }
    within(
        "requests of the mixture",
        counted[MIXED].values().sum::<u64>(),
        MIXED_FLOWS * 11 / 10..,
    );
}
