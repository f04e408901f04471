//! The list of an account's flows, read to its end whatever its form.

use std::time::Duration;

use laaffic_exporter::api::ListQuery;
use laaffic_exporter::model::WrittenTime;
use laaffic_exporter::poll::{Listing, ProbeFailure};
use laaffic_simulator::{Fault, FaultPlan, Flow, ListDialect, Scope, TimeForm, TotalForm};
use testkit::assertions::within;
use testkit::world::{MINUTE, Setup, World, code};

/// An account that polls nothing, at a vendor with so many flows.
fn world(flows: u64) -> World {
    let mut known = Setup::new("main", (1..=flows).map(Flow::seeded).collect());
    let settings = laaffic_simulator::Settings {
        record_arrivals: true,
        accounts: vec![testkit::world::vendor_account(&known)],
        ..laaffic_simulator::Settings::default()
    };
    known.flows.clear();
    let calendar = std::sync::Arc::<testkit::world::Calendar>::default();
    let world = World::start_with(vec![known], settings, calendar.clone(), calendar).0;
    world
        .vendor
        .set_list_dialect("main", Some(ListDialect::default()))
        .unwrap();
    world
}

async fn read(world: &World, most_flows: usize) -> Result<Listing, ProbeFailure> {
    let ever = ListQuery {
        from: 0,
        until: 4_000_000_000,
        task_name: None,
    };
    world.prober.list("main", ever, most_flows, MINUTE).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_form_of_a_list_is_read_to_its_end() {
    let proper = ListDialect::default();
    let forms = [
        proper,
        ListDialect {
            ignores_size: true,
            ..proper
        },
        ListDialect {
            omits_pages: true,
            ..proper
        },
        ListDialect {
            total: TotalForm::Overstated,
            ..proper
        },
        ListDialect {
            total: TotalForm::Understated,
            ..proper
        },
        ListDialect {
            total: TotalForm::Understated,
            omits_pages: true,
            ignores_size: true,
            ..proper
        },
        ListDialect {
            times: TimeForm::EpochMilliseconds,
            old_names: true,
            ..proper
        },
    ];
    for flows in [0, 1, 100, 350] {
        let world = world(flows);
        for form in forms {
            world.vendor.set_list_dialect("main", Some(form)).unwrap();
            let listing = read(&world, 10_000).await.unwrap();
            let mut keys: Vec<_> = listing.flows.iter().map(|flow| flow.key_id.get()).collect();
            keys.sort_unstable();
            assert_eq!(keys, (1..=flows).collect::<Vec<_>>(), "{form:?}");
            assert!(listing.whole);
            let size = if form.ignores_size { 10 } else { 100 };
            within("pages", u64::from(listing.pages), 1..=flows.div_ceil(size) + 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_says_of_a_flow_what_the_detail_says() {
    let world = world(40);
    let listing = read(&world, 100).await.unwrap();
    for flow in &listing.flows {
        let state = world.vendor.flow_state("main", flow.key_id.get()).unwrap().unwrap();
        assert_eq!(
            flow.status.and_then(laaffic_exporter::model::Status::code),
            state.status
        );
        assert_eq!(flow.recall_attempts, state.recall_num);
        assert_eq!(
            flow.recall_interval_seconds,
            state.recall_interval.map(|minutes| minutes * 60)
        );
        let over = state.nodes.iter().filter(|node| node.status == Some(2)).count();
        assert_eq!(flow.recall_attempts_completed, i64::try_from(over).ok());
        assert!(flow.name.is_some() && flow.task_id.is_some());
        assert!(matches!(flow.created, Some(WrittenTime::Local(_))));
    }
    assert_eq!(listing.flows.len(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_moves_while_it_is_read_gives_each_flow_once() {
    let world = world(350);
    let torn = |records| Some(FaultPlan::always(Fault::Torn { records }));
    let main = Scope::Account("main".to_owned());
    world.vendor.set_faults(&main, torn(1)).unwrap();
    let listing = read(&world, 10_000).await.unwrap();
    assert_eq!((listing.flows.len(), listing.whole), (350, true));
    // One is on no page: it was not there this time, which means nothing.
    world.vendor.set_faults(&main, torn(-1)).unwrap();
    let listing = read(&world, 10_000).await.unwrap();
    within("all but one a page", listing.flows.len(), 346..=347);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_asked_for_than_is_wanted() {
    let world = world(5_000);
    let listing = read(&world, 1_000).await.unwrap();
    assert_eq!((listing.flows.len(), listing.pages, listing.whole), (1_000, 10, false));
    assert_eq!(listing.total, Some(5_000));
    assert_eq!(world.vendor.arrivals("main").unwrap().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn records_without_a_key_are_counted_and_the_rest_is_used() {
    let world = world(100);
    let main = Scope::Account("main".to_owned());
    world
        .vendor
        .set_faults(&main, Some(FaultPlan::always(Fault::KeylessRecords)))
        .unwrap();
    assert_eq!(read(&world, 10_000).await.unwrap().flows.len(), 50);
    let unreadable = "laaffic_api_unreadable_fields_total{account=\"main\",endpoint=\"query_page\",field=\"keyId\"}";
    assert_eq!(world.scrape().get(unreadable), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_passing_trouble_is_retried_and_a_lasting_one_is_told() {
    let world = world(350);
    let main = Scope::Account("main".to_owned());
    world
        .vendor
        .set_faults(&main, Some(FaultPlan::times(2, code(-18))))
        .unwrap();
    assert_eq!(read(&world, 10_000).await.unwrap().flows.len(), 350);
    world
        .vendor
        .set_faults(&main, Some(FaultPlan::always(code(-18))))
        .unwrap();
    let failure = read(&world, 10_000).await.unwrap_err();
    assert_eq!(failure.reason.label(), "system_exception");
    world
        .vendor
        .set_faults(&main, Some(FaultPlan::always(code(-2))))
        .unwrap();
    for _ in 0..3 {
        assert_eq!(
            read(&world, 10).await.unwrap_err().reason.label(),
            "restricted_ip_access"
        );
    }
    world.pass(Duration::from_secs(1)).await;
    let arrived = world.vendor.arrivals("main").unwrap().len();
    assert_eq!(read(&world, 10).await.unwrap_err().reason.label(), "blocked");
    assert_eq!(
        world.vendor.arrivals("main").unwrap().len(),
        arrived,
        "and nothing is asked"
    );
}
