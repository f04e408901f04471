//! How many series there are, which is what Prometheus' memory goes to: as docs/metrics.md counts them.

use std::collections::BTreeSet;
use std::fs;

use laaffic_simulator::FaultPlan;

use testkit::world::{MINUTE, Samples, Setup, World, code, everywhere, still, with_status};

const NEW: &str = "was not fetched yet";
const FRESH: &str = "goes on or waits";
const EXCEPTION: &str = "is in an execution exception";
const OVER: &str = "is completed or cancelled";
const FAILING: &str = "cannot be fetched, its numbers not too old";
const STALE: &str = "cannot be fetched, its numbers too old";

fn section() -> String {
    let text = fs::read_to_string("docs/metrics.md").unwrap();
    let section = text.split("\n## How many series\n").nth(1).unwrap();
    section.split("\n## ").next().unwrap().to_owned()
}

/// How many series the document says that a flow in this state has, and which families it names there.
fn documented(section: &str, state: &str) -> (usize, BTreeSet<String>) {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
    let mut rows = rows.filter_map(|row| row.strip_prefix(state)?.strip_prefix(" | "));
    let (number, families) = rows.next().unwrap().split_once(" | ").unwrap();
    let families = families.split('`').skip(1).step_by(2).map(str::to_owned);
    (number.parse().unwrap(), families.collect())
}

/// The same as a scrape has it.
fn scraped(scrape: &Samples, key_id: u64) -> (usize, BTreeSet<String>) {
    let label = format!("key_id=\"{key_id}\"");
    let series: Vec<_> = scrape.series().filter(|series| series.contains(&label)).collect();
    let families = series.iter().map(|series| series.split('{').next().unwrap().to_owned());
    (series.len(), families.collect())
}

/// Whether the reference says of a family that it is absent at such a time.
fn is_absent(reference: &str, family: &str, when: &str) -> bool {
    let section = reference.split(&format!("\n### {family}\n")).nth(1).unwrap();
    let section = section.split("\n### ").next().unwrap().replace('\n', " ");
    section
        .split(". ")
        .any(|sentence| sentence.trim_start().starts_with("Absent") && sentence.contains(when))
}

#[tokio::test(start_paused = true)]
async fn the_reference_says_when_each_family_of_a_flow_is_absent() {
    let reference = fs::read_to_string("docs/metrics.md").unwrap();
    let world = World::start(vec![Setup::new("main", vec![still(1)])]);
    let new = scraped(&world.scrape(), 1).1;
    world.pass(MINUTE).await;
    let fresh = scraped(&world.scrape(), 1).1;
    everywhere(&world, FaultPlan::always(code(-22)));
    world.pass(MINUTE * 7).await;
    let stale = scraped(&world.scrape(), 1).1;
    for family in fresh.union(&stale) {
        assert_eq!(
            is_absent(&reference, family, "before the first"),
            !new.contains(family),
            "{family}"
        );
        assert_eq!(
            is_absent(&reference, family, "when too old"),
            !stale.contains(family),
            "{family}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_flow_has_the_series_that_the_reference_counts() {
    let section = section();
    // "These" and "the same" are those of the row before.
    let is_documented = |scrape: &Samples, key_id: u64, state: &str, these: &[&str]| {
        let (number, mut families) = documented(&section, state);
        families.extend(these.iter().flat_map(|state| documented(&section, state).1));
        assert_eq!(scraped(scrape, key_id), (number, families), "{state}");
    };
    let flows = vec![
        still(1),
        with_status(2, 4),
        with_status(3, 2),
        with_status(4, 3),
        with_status(5, 0),
    ];
    let world = World::start(vec![Setup::new("main", flows)]);
    is_documented(&world.scrape(), 1, NEW, &[]);

    world.pass(MINUTE).await;
    let scrape = world.scrape();
    for key_id in [1, 5] {
        is_documented(&scrape, key_id, FRESH, &[NEW]);
    }
    is_documented(&scrape, 2, EXCEPTION, &[NEW, FRESH]);
    for key_id in [3, 4] {
        is_documented(&scrape, key_id, OVER, &[NEW, FRESH]);
    }

    everywhere(&world, FaultPlan::always(code(-22)));
    world.pass(MINUTE).await;
    is_documented(&world.scrape(), 1, FAILING, &[NEW, FRESH]);
    world.pass(MINUTE * 6).await;
    is_documented(&world.scrape(), 1, STALE, &[]);
}

/// How many series an account as a whole has after its first polls, and how many the exporter.
async fn of_account(setup: Setup) -> (usize, usize) {
    let world = World::start(vec![setup]);
    world.pass(MINUTE).await;
    let scrape = world.scrape();
    let of_a_flow = scraped(&scrape, 1).0;
    let of_main = scrape.series().filter(|series| series.contains("account=\"main\""));
    let of_account = of_main.count() - of_a_flow;
    // One more than here: where people reach it, which is not known without a socket.
    (of_account, scrape.series().count() - of_account - of_a_flow + 1)
}

#[tokio::test(start_paused = true)]
async fn an_account_and_the_exporter_have_the_series_that_the_reference_counts() {
    let setup = || Setup::new("main", vec![still(1)]);
    let (of_an_account, of_exporter) = of_account(setup()).await;
    let with_balance = Setup {
        balance: true,
        ..setup()
    };
    let with_balance = of_account(with_balance).await.0 - of_an_account;
    let with_outcomes = Setup {
        outcomes: true,
        ..setup()
    };
    let with_outcomes = of_account(with_outcomes).await.0 - of_an_account;
    let section = section();
    for said in [
        format!("An account has {of_an_account},"),
        format!("; {with_balance} more where it is asked for its balance"),
        format!("and {with_outcomes} more where outcomes of rounds are read."),
        format!("The exporter as a whole has {of_exporter}."),
    ] {
        assert!(section.contains(&said), "{said}\n{section}");
    }
}
