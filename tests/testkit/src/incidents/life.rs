//! What truly happens in one life: the flows at the vendor, the exporters, the ways between them, and Prometheus itself.
//!
//! All moments are seconds since the life began, which is 1970 for everybody in it, and multiples of [`TICK`].

use std::fmt;
use std::ops::Range;

/// A moment, or a time.
pub type Seconds = u64;

/// The grain of time: nothing happens between two ticks.
pub const TICK: Seconds = 5;

/// One life, with all that there is in it.
#[derive(Debug, Clone)]
pub struct Life {
    /// What repeats it, with its number.
    pub seed: u64,
    /// Which of the seed's lives it is.
    pub number: usize,
    /// When it is over.
    pub end: Seconds,
    /// Prometheus scrapes and evaluates so often.
    pub step: Seconds,
    /// The accounts.
    pub accounts: Vec<&'static str>,
    /// Exporters as Prometheus finds them.
    pub targets: Vec<Target>,
    /// The flows.
    pub flows: Vec<Flow>,
    /// What goes wrong around them.
    pub troubles: Vec<Trouble>,
}

impl Life {
    /// Within this time of a moment there was an evaluation, and a little more.
    pub fn slack(&self) -> Seconds {
        self.step + TICK
    }
}

/// An exporter under an address.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its address.
    pub instance: String,
    /// The accounts that it watches.
    pub accounts: Vec<&'static str>,
    /// While its process is meant to be there, and service discovery knows it unless a trouble says otherwise.
    pub span: Range<Seconds>,
}

/// A flow.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Whose it is.
    pub account: &'static str,
    /// Its key.
    pub key_id: u64,
    /// How often it is asked for.
    pub interval: Seconds,
    /// What the vendor says of it from each moment on; the first begins at 0.
    pub faces: Vec<(Seconds, Face)>,
    /// What the configuration says of it from each moment on: its name, or that it is not there. The first begins at 0.
    pub configured: Vec<(Seconds, Option<String>)>,
}

/// What the vendor says of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// This status, and whether a round has failed.
    Says {
        /// The number.
        status: i64,
        /// A round is in an execution exception.
        failed_round: bool,
    },
    /// It knows no such flow (-22).
    Unknown,
}

/// An execution exception.
pub const EXCEPTION: Face = Face::Says {
    status: 4,
    failed_round: false,
};

/// In progress, and all is well.
pub const IN_PROGRESS: Face = Face::Says {
    status: 1,
    failed_round: false,
};

impl Face {
    /// This status, no round failed.
    pub fn status(status: i64) -> Self {
        Self::Says {
            status,
            failed_round: false,
        }
    }

    /// An execution exception.
    pub fn is_exception(self) -> bool {
        matches!(self, Self::Says { status: 4, .. })
    }

    /// A status that the vendor's page does not have.
    pub fn is_undocumented(self) -> bool {
        matches!(self, Self::Says { status, .. } if !(0..=4).contains(&status))
    }

    /// The flow is over, so it is asked for less often.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Says { status: 2 | 3, .. })
    }
}

/// Something that goes wrong around the flows for a while.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// While it lasts.
    pub span: Range<Seconds>,
    /// It comes and goes: for so long of every so long.
    pub pulse: Option<(Seconds, Seconds)>,
    /// What it is.
    pub what: What,
}

/// What can go wrong around the flows. A number is a place in [`Life::targets`].
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// The process is not there; what it knew is lost.
    Stopped(usize),
    /// The process stands still.
    Frozen(usize),
    /// Scrapes do not get through, in time or at all.
    Unscraped(usize),
    /// Service discovery does not list it.
    Vanished(usize),
    /// The calendar of its host is off by so many seconds.
    ClockOff(usize, i64),
    /// The vendor answers an account's requests so.
    Vendor(&'static str, VendorTrouble),
    /// Prometheus does not run.
    PrometheusStopped,
}

/// How the vendor fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VendorTrouble {
    /// Connections are refused.
    Unreachable,
    /// Requests are never answered.
    Silent,
    /// 502.
    BadGateway,
    /// Answers take three seconds.
    Slow,
    /// Credentials (-1) or the address (-2) are refused.
    Refuses(i64),
}

impl VendorTrouble {
    /// A flow's state comes through all the same.
    pub fn answers(self) -> bool {
        self == Self::Slow
    }
}

impl Flow {
    /// What the vendor says now, and since when.
    pub fn face(&self, at: Seconds) -> (Seconds, Face) {
        in_force(&self.faces, at)
    }

    /// Its name in the configuration now.
    pub fn name(&self, at: Seconds) -> Option<&str> {
        let after = self.configured.partition_point(|(from, _)| *from <= at);
        self.configured[after - 1].1.as_deref()
    }
}

/// What holds at a moment, and since when.
fn in_force<T: Copy>(timeline: &[(Seconds, T)], at: Seconds) -> (Seconds, T) {
    let after = timeline.partition_point(|(from, _)| *from <= at);
    timeline[after - 1]
}

/// A moment, as `3h20m05s`.
pub fn clock(at: Seconds) -> String {
    format!("{}h{:02}m{:02}s", at / 3600, at / 60 % 60, at % 60)
}

impl fmt::Display for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Says { status, failed_round } = self else {
            return f.write_str("the vendor does not know it any more (-22)");
        };
        match status {
            0 => f.write_str("pending"),
            1 => f.write_str("in progress"),
            2 => f.write_str("completed"),
            3 => f.write_str("cancelled"),
            4 => f.write_str("in an execution exception"),
            _ => write!(f, "in status {status}, which is not documented"),
        }?;
        match failed_round {
            true => f.write_str(", with a failed round"),
            false => Ok(()),
        }
    }
}

impl Trouble {
    /// Whether it holds now.
    pub fn holds(&self, at: Seconds) -> bool {
        let is_on = |(lasts, every): (Seconds, Seconds)| (at - self.span.start) % every < lasts;
        self.span.contains(&at) && self.pulse.is_none_or(is_on)
    }

    /// What happens, in words.
    pub fn words(&self, life: &Life) -> String {
        let name = |target: &usize| life.targets[*target].instance.clone();
        let what = match &self.what {
            What::Stopped(target) => format!("exporter {} is stopped", name(target)),
            What::Frozen(target) => format!("exporter {} is frozen", name(target)),
            What::Unscraped(target) => format!("no scrape of {} comes through", name(target)),
            What::Vanished(target) => format!("service discovery does not list {}", name(target)),
            What::ClockOff(target, by) => format!("the clock of {} is off by {by} s", name(target)),
            What::Vendor(account, how) => format!("the vendor {} account {account}", how.words()),
            What::PrometheusStopped => "Prometheus is stopped".to_owned(),
        };
        let pulse = match self.pulse {
            Some((lasts, every)) => format!(", for {lasts} s of every {every} s"),
            None => String::new(),
        };
        format!("{what}{pulse}, until {}", clock(self.span.end))
    }
}

impl VendorTrouble {
    fn words(self) -> String {
        match self {
            Self::Unreachable => "cannot be reached for".to_owned(),
            Self::Silent => "never answers".to_owned(),
            Self::BadGateway => "answers 502 to".to_owned(),
            Self::Slow => "is slow with".to_owned(),
            Self::Refuses(code) => format!("refuses ({code})"),
        }
    }
}
