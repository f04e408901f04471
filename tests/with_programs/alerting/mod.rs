//! From the vendor's trouble to the pager: the rules and the configurations in `deploy/`, in a real Prometheus and a real Alertmanager,
//! with a web server where the pager and the ticket system would be.

mod pace;

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use laaffic_exporter::rules::Choices;
use laaffic_simulator::{Fault, FaultPlan, FlowState, Scope};
use serde_json::Value;
use testkit::alertmanager::{Alertmanager, Notification, Receiver};
use testkit::assertions::says;
use testkit::folder::Folder;
use testkit::prometheus::Prometheus;
use testkit::vendor::{account, still};
use testkit::wait::wait_for;
use testkit::watching::Watching;

use self::pace::faster;
use crate::exporter;

const STUCK: &str = "LaafficRedialFlowExecutionException";
const BLOCKED: &str = "LaafficAccountBlocked";
const DOWN: &str = "LaafficExporterDown";

const ACCOUNT: &str = "main";

/// How many flows the account has: enough that one page and one for each flow are not to be confused.
const FLOWS: usize = 20;

/// Where the examples say that things are.
const EXPORTER: &str = "localhost:10871";
const ALERTMANAGER: &str = "localhost:9093";
const RECEIVER: &str = "localhost:9099";

/// The whole chain: played vendor, exporter, Prometheus, Alertmanager, and whoever is told.
struct Alerting {
    vendor: Watching,
    prometheus: Prometheus,
    _alertmanager: Alertmanager,
    receiver: Receiver,
    _folder: Folder,
}

impl Alerting {
    async fn start() -> Self {
        let flow =
            |key_id| format!("key_id: {key_id}, name: reminder {key_id}, labels: {{team: collections, tier: gold}}");
        let global = "poll_interval: 500ms, terminal_poll_interval: 500ms, stale_after: 5s";
        let flows = 1..=FLOWS as u64;
        let account = account(ACCOUNT, flows.clone().map(still));
        let vendor = Watching::start(exporter::<&str>([]), account, global, flows.map(flow)).await;
        let folder = Folder::new();
        let receiver = Receiver::start().await;
        // The example's configuration, but for the addresses and the pace.
        let example = fs::read_to_string("deploy/alertmanager/alertmanager.yml").unwrap();
        says(&example, &[RECEIVER]);
        let config = faster(&example).replace(RECEIVER, &receiver.address.to_string());
        let alertmanager = Alertmanager::start(&folder, &config).await;
        let prometheus = prometheus(&folder, vendor.exporter.address, alertmanager.address).await;
        Self {
            vendor,
            prometheus,
            _alertmanager: alertmanager,
            receiver,
            _folder: folder,
        }
    }

    /// Waits until Prometheus knows every flow and the rules have been evaluated, with nothing to complain of.
    async fn all_is_well(&self) {
        wait_for("every flow to be known", async || {
            let up = self.prometheus.query("laaffic_redial_flow_up == 1").await?;
            let rules = self.prometheus.api("rules", &[]).await?;
            let groups = rules["groups"].as_array().ok_or("no groups")?;
            let evaluated = |group: &Value| {
                let last = group["lastEvaluation"].as_str();
                last.is_some_and(|at| !at.starts_with("0001-"))
            };
            let remembered = self.prometheus.query("laaffic:redial_flow:labels").await?.len();
            let well = up.len() == FLOWS && remembered == FLOWS && !groups.is_empty() && groups.iter().all(evaluated);
            well.then_some(()).ok_or(format!("{} flows, {rules}", up.len()))
        })
        .await;
        assert!(self.receiver.received().is_empty(), "{:?}", self.receiver.received());
    }

    /// Waits until somebody was told that this alert fires, or that it is resolved; gives all that was told so far.
    async fn tells(&self, alert: &str, status: &str) -> Vec<Notification> {
        wait_for(alert, async || {
            let all = self.receiver.received();
            if about(&all, alert, status).is_empty() {
                Err(all)
            } else {
                Ok(all)
            }
        })
        .await
    }
}

/// With the example's configuration and rules, but for the addresses and the pace.
async fn prometheus(folder: &Folder, exporter: SocketAddr, alertmanager: SocketAddr) -> Prometheus {
    let rules = folder.file("rules");
    fs::create_dir(&rules).unwrap();
    let choices = Choices {
        // The one threshold that is written as a number and not compared with the time.
        not_refreshed_for: Duration::from_secs(20),
        ..Choices::default()
    };
    // Prometheus begins to scrape five seconds after its start, at any pace. What is held for that time is held for as long as it is.
    let text = faster(&laaffic_exporter::rules::rules(&choices).unwrap()).replace("for: 4000ms", "for: 2m");
    fs::write(rules.join("laaffic.yml"), text).unwrap();
    let example = fs::read_to_string("deploy/prometheus/prometheus.yml").unwrap();
    assert!(example.contains(EXPORTER) && example.contains(ALERTMANAGER));
    let config = faster(&example)
        .replace(EXPORTER, &exporter.to_string())
        .replace(ALERTMANAGER, &alertmanager.to_string());
    let pace = ["--query.lookback-delta=10s", "--rules.alert.resend-delay=2s"];
    Prometheus::start(folder, &config, &pace).await
}

/// Those of an alert, oldest first.
fn about<'n>(notifications: &'n [Notification], alert: &str, status: &str) -> Vec<&'n Notification> {
    let names_it = |told: &&Notification| told.alerts.iter().any(|one| one.labels["alertname"] == alert);
    let of_it = notifications.iter().filter(|told| told.status == status);
    of_it.filter(names_it).collect()
}

#[tokio::test]
async fn a_stuck_flow_pages_once_with_its_name_and_team_and_says_when_it_is_over() {
    let world = Alerting::start().await;
    world.all_is_well().await;
    let vendor = world.vendor.simulator.vendor();
    vendor.pin(ACCOUNT, 3, FlowState::with_nodes(4, &[2, 4, 0])).unwrap();

    let pages = world.tells(STUCK, "firing").await;
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
    let pages = world.tells(STUCK, "resolved").await;
    assert_eq!(about(&pages, STUCK, "firing").len(), 1, "{pages:?}");
    let over = about(&pages, STUCK, "resolved")[0];
    assert_eq!((over.path.as_str(), over.alerts.len()), ("/page/collections", 1));
    assert_eq!(over.alerts[0].labels["name"], "reminder 3");
    assert_eq!(world.prometheus.complaint(), None);
}

#[tokio::test]
async fn refused_credentials_page_once_and_the_flows_of_the_account_keep_quiet() {
    let world = Alerting::start().await;
    world.all_is_well().await;
    let refused = FaultPlan::always(Fault::code(-1));
    let account = Scope::Account(ACCOUNT.to_owned());
    let vendor = world.vendor.simulator.vendor();
    vendor.set_faults(&account, Some(refused)).unwrap();

    world.tells(BLOCKED, "firing").await;
    // Each flow has its own reason to complain; none of them does, nor does the account a second time.
    wait_for("every flow to be overdue", async || {
        let overdue = world.prometheus.query("laaffic:redial_flow:refresh_due").await?.len();
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
    let mut world = Alerting::start().await;
    world.all_is_well().await;
    world.vendor.exporter.process.kill();
    let all = world.tells(DOWN, "firing").await;
    let page = about(&all, DOWN, "firing")[0];
    assert_eq!((all.len(), page.alerts.len()), (1, 1), "{all:?}");
    // As long again as it took to page: nothing follows but silence, or what is inhibited.
    wait_for("the flows' series to be forgotten", async || {
        let left = "last_over_time(laaffic_redial_flow_up[10s])";
        let left = world.prometheus.query(left).await?.len();
        (left == 0).then_some(()).ok_or(format!("{left} of them"))
    })
    .await;
    let all = world.receiver.received();
    assert_eq!(all.len(), 1, "{all:?}");
}
