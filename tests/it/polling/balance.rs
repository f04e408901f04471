//! What an account has, asked for beside its flows.

use std::time::Duration;

use laaffic_simulator::{Balance, Fault, ListDialect, Scope};
use testkit::assertions::within;
use testkit::world::{MINUTE, Samples, Setup, World, code, everywhere, still};

/// One flow, and 1000.00 that fall by 6.00 an hour.
fn world() -> (World, Setup) {
    let setup = Setup {
        balance: true,
        ..Setup::new("main", vec![still(12)])
    };
    let world = World::start(vec![setup.clone()]);
    let balance = Balance {
        cents: 100_000,
        gift_cents: 1_050,
        credit_cents: 0,
        cents_per_hour: 600,
    };
    world.vendor.set_balance("main", Some(balance)).unwrap();
    world
        .vendor
        .set_list_dialect("main", Some(ListDialect::default()))
        .unwrap();
    (world, setup)
}

fn balance(scrape: &Samples, kind: &str) -> Option<f64> {
    scrape.get(&format!("laaffic_account_balance{{account=\"main\",kind=\"{kind}\"}}"))
}

/// Requests for the balance that ended so.
fn asked(world: &World, outcome: &str) -> Option<f64> {
    world.scrape().get(&format!(
        "laaffic_api_requests_total{{account=\"main\",endpoint=\"get_balance\",outcome=\"{outcome}\"}}"
    ))
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_for_at_once_and_every_five_minutes() {
    let (world, _) = world();
    world.pass(Duration::from_secs(1)).await;
    let scrape = world.scrape();
    let shown = ["balance", "gift", "credit"].map(|kind| balance(&scrape, kind));
    assert_eq!(shown, [Some(1000.0), Some(10.5), Some(0.0)]);
    world.pass(MINUTE * 60).await;
    assert_eq!(asked(&world, "success"), Some(13.0));
    assert_eq!(balance(&world.scrape(), "balance"), Some(994.0));
    within("polls go on", world.arrivals("main", 12).len(), 60..=62);
}

#[tokio::test(start_paused = true)]
async fn it_stays_for_a_quarter_of_an_hour_without_answers_and_comes_back() {
    let (world, _) = world();
    world.pass(MINUTE).await;
    everywhere(&world, laaffic_simulator::FaultPlan::always(code(-18)));
    world.pass(MINUTE * 13).await;
    assert_eq!(balance(&world.scrape(), "balance"), Some(1000.0));
    world.pass(MINUTE * 2).await;
    assert_eq!(world.scrape().of("laaffic_account_balance").count(), 0);
    everywhere(&world, None);
    world.pass(MINUTE * 6).await;
    assert!(balance(&world.scrape(), "balance").is_some());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_want_it_is_not_asked_and_a_reload_changes_that_at_once() {
    let setup = world().1;
    let without = Setup {
        balance: false,
        ..setup.clone()
    };
    let world = World::start(vec![without.clone()]);
    world.pass(MINUTE * 30).await;
    assert_eq!(asked(&world, "success"), None, "no series of a call that is not made");
    for what in ["it is wanted", "nothing has changed"] {
        world.reload(std::slice::from_ref(&setup)).await;
        world.pass(MINUTE).await;
        assert_eq!(asked(&world, "success"), Some(1.0), "{what}");
    }
    assert!(world.scrape().of("laaffic_account_balance").count() > 0);
    world.reload(&[without]).await;
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(world.scrape().of("laaffic_account_balance").count(), 0);
    world.pass(MINUTE * 30).await;
    assert_eq!(asked(&world, "success"), Some(1.0), "what was counted stays");
}

#[tokio::test(start_paused = true)]
async fn a_blocked_account_is_not_asked_and_a_refusal_of_the_balance_counts() {
    let (world, _) = world();
    world.pass(MINUTE).await;
    let refused = laaffic_simulator::FaultPlan::always(Fault::code(-1));
    world
        .vendor
        .set_faults(&Scope::Account("main".to_owned()), Some(refused))
        .unwrap();
    world.pass(MINUTE * 60).await;
    assert_eq!(world.scrape().account("api_blocked"), Some(1.0));
    let refused = asked(&world, "api_error").unwrap();
    within("until three refusals in all", refused, 0.0..=1.0);
    world
        .vendor
        .set_faults(&Scope::Account("main".to_owned()), None)
        .unwrap();
    world.pass(MINUTE * 6).await;
    assert!(balance(&world.scrape(), "balance").is_some());
}

#[tokio::test(start_paused = true)]
async fn it_is_part_of_what_the_account_asks_for() {
    let setup = Setup {
        rate_limit: 0.1,
        ..world().1
    };
    let world = World::start(vec![setup]);
    world.pass(Duration::from_secs(1)).await;
    let ratio = world.scrape().account("exporter_poll_budget_ratio").unwrap();
    within("a flow a minute and a balance in five", ratio, 0.1999..=0.2001);
}
