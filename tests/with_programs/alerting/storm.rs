//! Very many flows stop at once, and one more later.

use laaffic_simulator::FlowState;
use testkit::alertmanager::Notification;
use testkit::wait::wait_for;

use super::chain::{Chain, Watched};
use super::{ACCOUNT, STUCK, about};

/// Far more than a notification lists.
const STORM: usize = 200;

/// What one alert may take in a notification, all its texts and links included. A pager's gateway takes half a megabyte at most.
const BYTES: usize = 4096;

#[tokio::test]
async fn a_storm_is_one_page_and_whoever_stops_later_another() {
    let world = Chain::start(vec![Watched::new(ACCOUNT, STORM as u64 + 1)], 1).await;
    let vendor = world.simulator.vendor();
    let later = STORM as u64 + 1;
    let pin = |key_id, status| {
        vendor
            .pin(ACCOUNT, key_id, FlowState::with_nodes(status, &[2, 1, 0]))
            .unwrap()
    };
    (1..later).for_each(|key_id| pin(key_id, 4));
    let pages = pages(&world, |pages| pages.iter().any(|page| told(page) == STORM)).await;
    // They were polled within a second, so that a second page at most tells of those that just missed the first.
    assert!(pages.len() <= 2, "{} pages", pages.len());
    for page in &pages {
        assert!(page.alerts.len() <= 50, "{}", page.alerts.len());
        let longest = page.alerts.iter().map(|alert| format!("{alert:?}").len()).max();
        assert!(longest < Some(BYTES), "{longest:?}");
    }

    pin(later, 4);
    let before = pages.len();
    let pages = self::pages(&world, |pages| pages.len() > before).await;
    assert_eq!((pages.len(), told(&pages[before])), (before + 1, STORM + 1));

    (1..=later).for_each(|key_id| pin(key_id, 1));
    wait_for("the end of the storm", async || {
        let all = world.receiver.received();
        let over = about(&all, STUCK, "resolved");
        (!over.is_empty()).then_some(()).ok_or(all.len())
    })
    .await;
}

/// How many alerts a notification stands for.
fn told(page: &Notification) -> usize {
    page.alerts.len() + page.truncated
}

/// The pages that fire, once they are so.
async fn pages(world: &Chain, are_so: impl Fn(&[Notification]) -> bool) -> Vec<Notification> {
    wait_for("the pages", async || {
        let all = world.receiver.received();
        let pages: Vec<_> = about(&all, STUCK, "firing").into_iter().cloned().collect();
        if are_so(&pages) {
            Ok(pages)
        } else {
            Err(pages.iter().map(told).collect::<Vec<_>>())
        }
    })
    .await
}
