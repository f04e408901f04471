//! What holds around the flows at every tick, worked out once from a life's troubles.

use super::life::{Life, Seconds, TICK, VendorTrouble, What};

/// The surroundings of one life, tick by tick.
#[derive(Debug)]
pub struct Surroundings {
    targets: Vec<Vec<TargetAt>>,
    vendor: Vec<Vec<Option<VendorTrouble>>>,
    prometheus: Vec<bool>,
}

/// How it stands with an exporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetAt {
    /// Service discovery lists it.
    pub discovered: bool,
    /// Its process is there.
    pub running: bool,
    /// Its process stands still.
    pub frozen: bool,
    /// A scrape that reaches Prometheus in time.
    pub scraped: bool,
    /// How far its calendar is off, in seconds.
    pub clock_off: i64,
}

impl Surroundings {
    /// Those of this life.
    pub fn of(life: &Life) -> Self {
        let ticks = (life.end / TICK + 1) as usize;
        let in_span = |tick: usize, span: &std::ops::Range<Seconds>| span.contains(&(tick as Seconds * TICK));
        let at = |target: &super::life::Target, tick| TargetAt {
            discovered: in_span(tick, &target.span),
            running: in_span(tick, &target.span),
            frozen: false,
            scraped: true,
            clock_off: 0,
        };
        let mut this = Self {
            targets: life
                .targets
                .iter()
                .map(|target| (0..ticks).map(|tick| at(target, tick)).collect())
                .collect(),
            vendor: vec![vec![None; ticks]; life.accounts.len()],
            prometheus: vec![true; ticks],
        };
        for trouble in &life.troubles {
            let from = (trouble.span.start / TICK) as usize;
            let until = ((trouble.span.end / TICK) as usize).min(ticks);
            for tick in (from..until).filter(|tick| trouble.holds(*tick as Seconds * TICK)) {
                match &trouble.what {
                    What::Stopped(target) => this.targets[*target][tick].running = false,
                    What::Frozen(target) => this.targets[*target][tick].frozen = true,
                    What::Unscraped(target) => this.targets[*target][tick].scraped = false,
                    What::Vanished(target) => this.targets[*target][tick].discovered = false,
                    What::ClockOff(target, by) => this.targets[*target][tick].clock_off = *by,
                    What::Vendor(account, how) => {
                        let account = life.accounts.iter().position(|name| name == account).unwrap();
                        this.vendor[account][tick] = Some(*how);
                    }
                    What::PrometheusStopped => this.prometheus[tick] = false,
                }
            }
        }
        for at in this.targets.iter_mut().flatten() {
            at.scraped &= at.discovered && at.running && !at.frozen;
        }
        this
    }

    /// How it stands with an exporter.
    pub fn target(&self, target: usize, at: Seconds) -> TargetAt {
        self.targets[target][tick(at)]
    }

    /// How the vendor fails an account, by its place in [`Life::accounts`].
    pub fn vendor(&self, account: usize, at: Seconds) -> Option<VendorTrouble> {
        self.vendor[account][tick(at)]
    }

    /// Whether Prometheus runs.
    pub fn prometheus(&self, at: Seconds) -> bool {
        self.prometheus[tick(at)]
    }

    /// Whether a poll of this account by this exporter may bring an answer on its flows.
    pub fn learns(&self, target: usize, account: usize, at: Seconds) -> bool {
        let exporter = self.target(target, at);
        exporter.running && !exporter.frozen && self.vendor(account, at).is_none_or(VendorTrouble::answers)
    }

    /// Whether Prometheus has a scrape of this exporter at this moment.
    pub fn sees(&self, target: usize, at: Seconds) -> bool {
        self.prometheus(at) && self.target(target, at).scraped
    }
}

fn tick(at: Seconds) -> usize {
    (at / TICK) as usize
}
