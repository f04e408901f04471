//! Nodes that come in pages.

use laaffic_exporter::model::{FlowReport, KeyId};
use laaffic_simulator::{Dialect, Flow, FlowState, Shape};

use testkit::assertions::within;
use testkit::world::{MINUTE, Setup, World};

fn paged(nodes: usize, page_size: u32, ignores_current: bool) -> World {
    let flow = Flow {
        dialect: Some(Dialect {
            shape: Shape::Merged,
            page_size: page_size.try_into().unwrap(),
            ignores_current,
            ..Dialect::default()
        }),
        ..Flow::fixed(12, FlowState::with_nodes(1, &vec![2; nodes]))
    };
    World::start(vec![Setup::new("main", vec![flow])])
}

fn completed_nodes(world: &World) -> Option<f64> {
    world
        .scrape()
        .get("laaffic_redial_flow_nodes{account=\"main\",key_id=\"12\",status=\"completed\"}")
}

#[tokio::test(start_paused = true)]
async fn all_pages_are_gathered_and_each_node_counts_once() {
    for (nodes, page_size) in [(250, 100), (250, 1), (101, 7), (100, 100), (574, 1)] {
        let world = paged(nodes, page_size, false);
        world.pass(MINUTE / 4).await;
        assert_eq!(
            completed_nodes(&world),
            Some(nodes as f64),
            "{nodes} nodes, {page_size} a page"
        );
        assert_eq!(world.scrape().flow("nodes_truncated", 12), Some(0.0));
    }
}

#[tokio::test(start_paused = true)]
async fn ten_pages_a_poll_are_the_most_and_what_is_missing_is_told() {
    let world = paged(5000, 100, false);
    world.pass(MINUTE / 4).await;
    assert_eq!(world.arrivals("main", 12).len(), 10);
    assert_eq!(completed_nodes(&world), Some(1000.0));
    assert_eq!(world.scrape().flow("nodes_truncated", 12), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_repeats_itself_is_asked_once_an_hour() {
    let world = paged(50, 10, true);
    world.pass(MINUTE * 59).await;
    assert_eq!(completed_nodes(&world), Some(10.0));
    assert_eq!(world.scrape().flow("nodes_truncated", 12), Some(1.0));
    let polls = world.arrivals("main", 12).len();
    within("one poll a minute and one further page", polls, 59..=61);
    world.pass(MINUTE * 60).await;
    let polls = world.arrivals("main", 12).len();
    within("polls and one more further page", polls, 120..=122);
}

#[tokio::test(start_paused = true)]
async fn pages_are_counted_in_the_budget() {
    let world = paged(1000, 100, false);
    world.pass(MINUTE * 3).await;
    let ratio = world.scrape().account("exporter_poll_budget_ratio").unwrap();
    // Ten requests a minute of a thousand a second.
    assert!((ratio - 10.0 / 60.0 / 1000.0).abs() < 1e-9, "{ratio}");
}

#[tokio::test(start_paused = true)]
async fn a_look_at_the_first_answer_alone_is_not_the_same_as_a_whole_probe() {
    let world = paged(250, 100, false);
    world.pass(MINUTE / 2).await;
    let key_id = KeyId::new(12).unwrap();
    let before = world.vendor.account_counts("main").unwrap().requests;
    let (first, whole) = tokio::join!(
        world.prober.first_page("main", key_id, MINUTE),
        world.prober.probe("main", key_id, MINUTE)
    );
    let nodes = |report: &FlowReport| report.nodes.unwrap().by_status.total();
    let (first, whole) = (nodes(&first.unwrap().unwrap()), nodes(&whole.unwrap().result.unwrap()));
    assert_eq!((first, whole), (100, 250));
    let sent = world.vendor.account_counts("main").unwrap().requests - before;
    assert_eq!(sent, 4, "one page, and three");
}
