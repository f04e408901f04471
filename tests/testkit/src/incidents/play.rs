//! Plays a life on a paused clock, and brings what Prometheus would have stored of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use exporter_toolkit::clock::Clock as _;
use laaffic_simulator::{Fault, FaultPlan, FlowState, Lifecycle, Scope, Settings, Vendor};
use tokio::time::Instant;

use super::exporter::{Exporter, HostClock, Network, labels};
use super::life::{Face, Flow, Life, Seconds, TICK, VendorTrouble};
use super::series::Series;
use super::surroundings::{Surroundings, TargetAt};
use crate::vendor::account;

/// The series of these families, as Prometheus would have stored them.
pub fn play(life: &Life, surroundings: &Surroundings, families: &BTreeSet<String>) -> Series {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut stage = Stage::new(life);
        let mut series = Series::default();
        let began = Instant::now();
        for at in (0..=life.end).step_by(TICK as usize) {
            stage.change(at, surroundings).await;
            if at.is_multiple_of(life.step) && surroundings.prometheus(at) {
                stage.scrape(at, surroundings, families, &mut series);
            }
            tokio::time::sleep_until(began + Duration::from_secs(at + TICK)).await;
        }
        series
    })
}

struct Stage<'l> {
    life: &'l Life,
    vendor: Vendor,
    network: Arc<Network>,
    clocks: Vec<Arc<HostClock>>,
    exporters: Vec<Option<Exporter>>,
    /// What was listed at the last scrape.
    listed: Vec<bool>,
    before: Vec<TargetAt>,
    vendor_before: Vec<Option<VendorTrouble>>,
}

impl<'l> Stage<'l> {
    fn new(life: &'l Life) -> Self {
        let began = Instant::now();
        let clock = HostClock::new(began);
        let of = |name: &'static str| {
            let flows = life.flows.iter().filter(move |flow| flow.account == name);
            let flows = flows.map(|flow| laaffic_simulator::Flow::fixed(flow.key_id, FlowState::default()));
            account(name, flows)
        };
        let settings = Settings {
            seed: life.seed,
            accounts: life.accounts.iter().map(|name| of(name)).collect(),
            ..Settings::default()
        };
        let vendor = Vendor::new(settings, move || clock.now());
        let network = Network {
            router: vendor.router(),
            ..Network::default()
        };
        let absent = TargetAt {
            discovered: false,
            running: false,
            frozen: false,
            scraped: false,
            clock_off: 0,
        };
        Self {
            life,
            vendor,
            network: Arc::new(network),
            clocks: life.targets.iter().map(|_| Arc::new(HostClock::new(began))).collect(),
            exporters: life.targets.iter().map(|_| None).collect(),
            listed: vec![false; life.targets.len()],
            before: vec![absent; life.targets.len()],
            vendor_before: vec![None; life.accounts.len()],
        }
    }

    /// What happens at this moment.
    async fn change(&mut self, at: Seconds, surroundings: &Surroundings) {
        for account in 0..self.life.accounts.len() {
            let trouble = surroundings.vendor(account, at);
            if trouble != std::mem::replace(&mut self.vendor_before[account], trouble) {
                self.fail(self.life.accounts[account], trouble);
                self.life.flows.iter().for_each(|flow| self.show(flow, flow.face(at).1));
            }
        }
        for flow in &self.life.flows {
            if let Ok(index) = flow.faces.binary_search_by_key(&at, |(from, _)| *from) {
                self.show(flow, flow.faces[index].1);
            }
        }
        let reloads = |flow: &Flow| flow.configured.iter().any(|(from, _)| *from == at);
        let is_reload = at > 0 && self.life.flows.iter().any(reloads);
        for target in 0..self.life.targets.len() {
            let now = surroundings.target(target, at);
            let before = std::mem::replace(&mut self.before[target], now);
            self.clocks[target].set_off(now.clock_off);
            if now.running && !before.running {
                let clock = self.clocks[target].clone();
                self.exporters[target] = Some(Exporter::start(self.life, target, at, &self.network, clock));
            }
            if !now.running {
                self.exporters[target] = None;
            }
            if let Some(exporter) = &self.exporters[target] {
                exporter.freeze(now.frozen);
                if is_reload && before.running {
                    exporter.reload(self.life, at).await;
                }
            }
        }
    }

    /// The vendor says this of a flow from now on.
    fn show(&self, flow: &Flow, face: Face) {
        let (account, key_id) = (flow.account, flow.key_id);
        let index = self.life.accounts.iter().position(|name| *name == account).unwrap();
        let is_refused = matches!(self.vendor_before[index], Some(VendorTrouble::Refuses(_)));
        match face {
            // Whom the vendor refuses it tells nothing of flows.
            Face::Unknown if is_refused => self.vendor.pin(account, key_id, FlowState::default()).unwrap(),
            Face::Unknown => {
                self.vendor.set_lifecycle(account, key_id, Lifecycle::Missing).unwrap();
                self.vendor.unpin(account, key_id).unwrap();
            }
            Face::Says { status, failed_round } => {
                let running = match status {
                    4 => 4,
                    2 => 2,
                    _ => 1,
                };
                let first = if failed_round { 4 } else { 2 };
                // Of some flows two fail at once.
                let last = match status {
                    _ if failed_round && key_id.is_multiple_of(2) => 4,
                    2 => 2,
                    _ => 0,
                };
                let state = FlowState::with_nodes(status, &[first, running, last]);
                self.vendor.pin(account, key_id, state).unwrap();
            }
        }
    }

    /// The vendor fails an account so from now on.
    fn fail(&self, account: &str, trouble: Option<VendorTrouble>) {
        let mut unreachable = self.network.unreachable.lock().unwrap();
        unreachable.remove(account);
        let fault = match trouble {
            None => None,
            Some(VendorTrouble::Unreachable) => {
                unreachable.insert(account.to_owned());
                None
            }
            Some(VendorTrouble::Silent) => Some(Fault::NeverAnswers),
            Some(VendorTrouble::BadGateway) => Some(Fault::HttpStatus {
                status: 502,
                retry_after: None,
            }),
            Some(VendorTrouble::Slow) => Some(Fault::Delay { milliseconds: 3000 }),
            Some(VendorTrouble::Refuses(code)) => Some(Fault::code(code)),
        };
        let scope = Scope::Account(account.to_owned());
        self.vendor.set_faults(&scope, fault.map(FaultPlan::always)).unwrap();
    }

    /// Prometheus scrapes every target that it knows.
    fn scrape(&mut self, at: Seconds, surroundings: &Surroundings, families: &BTreeSet<String>, series: &mut Series) {
        let step = (at / self.life.step) as usize;
        for (target, exporter) in self.exporters.iter().enumerate() {
            let instance = &self.life.targets[target].instance;
            let now = surroundings.target(target, at);
            let up = format!("up{{{}}}", labels(instance));
            let was_listed = std::mem::replace(&mut self.listed[target], now.discovered);
            match now.discovered {
                true => series.put(&up, step, if now.scraped { "1" } else { "0" }),
                false if was_listed => series.put(&up, step, "stale"),
                false => continue,
            }
            let exporter = exporter.as_ref().filter(|_| now.scraped);
            let samples = exporter.map(|exporter| exporter.scrape(self.life, families));
            series.scrape(instance, step, samples.as_deref());
        }
    }
}
