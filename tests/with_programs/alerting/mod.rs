//! From the vendor's trouble to the pager: the rules and the configurations in `deploy/`, in a real Prometheus and a real Alertmanager,
//! with a web server where the pager and the ticket system would be.
//!
//! Needs the programs `prometheus` and `prometheus-alertmanager`, so it runs only when asked to (`scripts/test` does).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/prometheus.rs"]
mod prometheus;
#[cfg(test)]
mod receiver;
#[cfg(test)]
mod time;
#[cfg(test)]
mod world;

use common::wait_for;
use laaffic_exporter::simulator::{Fault, FlowState, Scope, Trouble};
use receiver::Notification;
use world::{ACCOUNT, FLOWS, World};

const STUCK: &str = "LaafficRedialFlowExecutionException";
const BLOCKED: &str = "LaafficAccountBlocked";
const DOWN: &str = "LaafficExporterDown";
const NOT_REFRESHED: &str = "LaafficRedialFlowNotRefreshed";

/// Those of an alert, oldest first.
fn about<'n>(notifications: &'n [Notification], alert: &str, status: &str) -> Vec<&'n Notification> {
    let of_it = notifications
        .iter()
        .filter(|notification| notification.status == status);
    of_it
        .filter(|notification| notification.alerts.iter().any(|one| one.labels["alertname"] == alert))
        .collect()
}

#[tokio::test]
#[ignore = "needs prometheus and prometheus-alertmanager; scripts/test installs them and runs it"]
async fn a_stuck_flow_pages_once_with_its_name_and_team_and_says_when_it_is_over() {
    let world = World::start().await;
    world.all_is_well().await;
    let vendor = world.simulator.vendor();
    vendor.pin(ACCOUNT, 3, FlowState::with_nodes(4, &[2, 4, 0])).unwrap();

    let pages = world
        .receives("the page", |all| !about(all, STUCK, "firing").is_empty())
        .await;
    let page = about(&pages, STUCK, "firing")[0];
    assert_eq!(page.path, "/page/collections");
    assert_eq!(page.alerts.len(), 1, "{page:?}");
    let alert = &page.alerts[0];
    for (label, value) in [
        ("account", ACCOUNT),
        ("key_id", "3"),
        ("name", "reminder 3"),
        ("team", "collections"),
        ("tier", "gold"),
        ("severity", "critical"),
    ] {
        assert_eq!(alert.labels[label], value, "{alert:?}");
    }
    let text = format!("{} {}", alert.annotations["summary"], alert.annotations["description"]);
    assert!(text.contains("reminder 3"), "{text}");
    assert!(
        text.contains("laaffic-exporter query 3 --account main"),
        "what to do first: {text}"
    );
    assert!(
        alert.annotations["runbook_url"].ends_with(&format!("docs/runbooks/{STUCK}.md")),
        "{alert:?}"
    );

    vendor.pin(ACCOUNT, 3, FlowState::with_nodes(1, &[2, 1, 0])).unwrap();
    let pages = world
        .receives("the resolution", |all| !about(all, STUCK, "resolved").is_empty())
        .await;
    assert_eq!(about(&pages, STUCK, "firing").len(), 1, "{pages:?}");
    let over = about(&pages, STUCK, "resolved")[0];
    assert_eq!((over.path.as_str(), over.alerts.len()), ("/page/collections", 1));
    assert_eq!(over.alerts[0].labels["name"], "reminder 3");
    assert_eq!(world.prometheus.complaint(), None);
}

#[tokio::test]
#[ignore = "needs prometheus and prometheus-alertmanager; scripts/test installs them and runs it"]
async fn refused_credentials_page_once_and_the_flows_of_the_account_keep_quiet() {
    let world = World::start().await;
    world.all_is_well().await;
    let refused = Trouble::always(Fault::code(-1));
    let account = Scope::Account(ACCOUNT.to_owned());
    world.simulator.vendor().set_trouble(&account, Some(refused)).unwrap();

    world
        .receives("the page", |all| !about(all, BLOCKED, "firing").is_empty())
        .await;
    // Each flow has its own reason to complain; none of them does.
    wait_for("every flow's alert to be inhibited", async || {
        let inhibited = world.inhibited().await?;
        let flows = inhibited.iter().filter(|name| *name == NOT_REFRESHED).count();
        if flows == FLOWS {
            Ok(())
        } else {
            Err(format!("{inhibited:?}"))
        }
    })
    .await;
    let all = world.received();
    let page = about(&all, BLOCKED, "firing")[0];
    assert_eq!((all.len(), page.alerts.len()), (1, 1), "{all:?}");
    let alert = &page.alerts[0];
    assert_eq!(alert.labels["account"], ACCOUNT);
    assert!(
        alert.annotations["description"].contains("authentication_error"),
        "{alert:?}"
    );
}

#[tokio::test]
#[ignore = "needs prometheus and prometheus-alertmanager; scripts/test installs them and runs it"]
async fn a_dead_exporter_pages_once() {
    let mut world = World::start().await;
    world.all_is_well().await;
    world.kill_the_exporter();
    let all = world
        .receives("the page", |all| !about(all, DOWN, "firing").is_empty())
        .await;
    let page = about(&all, DOWN, "firing")[0];
    assert_eq!((all.len(), page.alerts.len()), (1, 1), "{all:?}");
    // As long again as it took to page: nothing follows but silence, or what is inhibited.
    wait_for("the flows' series to be forgotten", async || {
        let left = world
            .prometheus
            .query("last_over_time(laaffic_redial_flow_up[10s])")
            .await?;
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{} of them", left.len()))
        }
    })
    .await;
    let all = world.received();
    assert_eq!(all.len(), 1, "{all:?}");
}
