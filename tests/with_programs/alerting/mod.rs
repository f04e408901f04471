//! From the vendor's trouble to the pager: the rules and the configurations in `deploy/`, in a real Prometheus and a real Alertmanager,
//! with a web server where the pager and the ticket system would be.

mod chain;
mod pace;
mod receivers;
mod script;
mod shards;
mod stories;
mod storm;

use laaffic_simulator::{Fault, FaultPlan, FlowState, Scope};
use testkit::alertmanager::Notification;
use testkit::assertions::says;
use testkit::wait::wait_for;

use self::chain::{Chain, Watched};

const STUCK: &str = "LaafficRedialFlowExecutionException";
const BLOCKED: &str = "LaafficAccountBlocked";
const DOWN: &str = "LaafficExporterDown";

const ACCOUNT: &str = "main";

/// How many flows the account has: enough that one page and one for each flow are not to be confused.
const FLOWS: usize = 20;

/// The chain with one account.
async fn alerting() -> Chain {
    Chain::start(vec![Watched::new(ACCOUNT, FLOWS as u64)], 1).await
}

/// Waits until somebody was told that this alert fires, or that it is resolved; gives all that was told so far.
async fn tells(world: &Chain, alert: &str, status: &str) -> Vec<Notification> {
    wait_for(alert, async || {
        let all = world.receiver.received();
        if about(&all, alert, status).is_empty() {
            Err(all)
        } else {
            Ok(all)
        }
    })
    .await
}

/// Those of an alert, oldest first.
fn about<'n>(notifications: &'n [Notification], alert: &str, status: &str) -> Vec<&'n Notification> {
    let names_it = |told: &&Notification| told.alerts.iter().any(|one| one.labels["alertname"] == alert);
    let of_it = notifications.iter().filter(|told| told.status == status);
    of_it.filter(names_it).collect()
}

#[tokio::test]
async fn a_stuck_flow_pages_once_with_its_name_and_team_and_says_when_it_is_over() {
    let world = alerting().await;
    let vendor = world.simulator.vendor();
    vendor.pin(ACCOUNT, 3, FlowState::with_nodes(4, &[2, 4, 0])).unwrap();

    let pages = tells(&world, STUCK, "firing").await;
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
    // The last of it is what to do first.
    says(&text, &["reminder 3", "/flows/main/3"]);
    let runbook = format!("/runbooks/{STUCK}");
    assert!(alert.annotations["runbook_url"].ends_with(&runbook), "{alert:?}");

    vendor.pin(ACCOUNT, 3, FlowState::with_nodes(1, &[2, 1, 0])).unwrap();
    let pages = tells(&world, STUCK, "resolved").await;
    assert_eq!(about(&pages, STUCK, "firing").len(), 1, "{pages:?}");
    let over = about(&pages, STUCK, "resolved")[0];
    assert_eq!((over.path.as_str(), over.alerts.len()), ("/page/collections", 1));
    assert_eq!(over.alerts[0].labels["name"], "reminder 3");
    assert_eq!(world.prometheus().complaint(), None);
}

#[tokio::test]
async fn refused_credentials_page_once_and_the_flows_of_the_account_keep_quiet() {
    let world = alerting().await;
    let refused = FaultPlan::always(Fault::code(-1));
    let account = Scope::Account(ACCOUNT.to_owned());
    let vendor = world.simulator.vendor();
    vendor.set_faults(&account, Some(refused)).unwrap();

    tells(&world, BLOCKED, "firing").await;
    // Each flow has its own reason to complain; none of them does, nor does the account a second time.
    wait_for("every flow to be overdue", async || {
        let overdue = world.prometheus().query("laaffic:redial_flow:refresh_due").await?.len();
        (overdue == FLOWS).then_some(()).ok_or(format!("{overdue} of them"))
    })
    .await;
    let all = world.receiver.received();
    let page = about(&all, BLOCKED, "firing")[0];
    assert_eq!((all.len(), page.alerts.len()), (1, 1), "{all:?}");
    let alert = &page.alerts[0];
    assert_eq!(alert.labels["account"], ACCOUNT);
    says(&alert.annotations["description"], &["authentication_error"]);
}

#[tokio::test]
async fn a_dead_exporter_pages_once() {
    let mut world = alerting().await;
    world.exporters[0].process.kill();
    let all = tells(&world, DOWN, "firing").await;
    let page = about(&all, DOWN, "firing")[0];
    assert_eq!((all.len(), page.alerts.len()), (1, 1), "{all:?}");
    // As long again as it took to page: nothing follows but silence, or what is inhibited.
    wait_for("the flows' series to be forgotten", async || {
        let left = "last_over_time(laaffic_redial_flow_up[10s])";
        let left = world.prometheus().query(left).await?.len();
        (left == 0).then_some(()).ok_or(format!("{left} of them"))
    })
    .await;
    let all = world.receiver.received();
    assert_eq!(all.len(), 1, "{all:?}");
}
