//! What the kernel says of the exporter's process: resident memory and open file descriptors.

use std::time::Duration;

use procfs::process::Process;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

const INTERVAL: Duration = Duration::from_secs(1);

/// Samples of so long become one point of the slope, the least of them: what reloads, scrapes and pages take for a moment is no growth, and
/// would hide one. Several of each fall into it.
const WINDOW: Duration = Duration::from_secs(60);

/// One look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Since the load began.
    pub(crate) at: Duration,
    /// `VmRSS` in bytes.
    pub(crate) resident: u64,
    /// Open file descriptors.
    pub(crate) descriptors: usize,
}

/// All looks at a process.
#[derive(Debug)]
pub(crate) struct Resources {
    pub(crate) process: u32,
    pub(crate) begin: Instant,
    /// While there was load, a second apart.
    pub(crate) samples: Vec<Sample>,
    /// When everything was at rest again.
    pub(crate) at_rest: Option<Sample>,
}

impl Resources {
    /// Looks every second until told to stop.
    pub(crate) async fn watch(process: u32, stop: CancellationToken) -> Self {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut resources = Self {
            process,
            begin: Instant::now(),
            samples: Vec::new(),
            at_rest: None,
        };
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            resources.samples.extend(resources.look());
        }
        resources
    }

    /// One look more, when all is over.
    pub(crate) fn look_at_rest(&mut self) {
        self.at_rest = self.look();
    }

    fn look(&self) -> Option<Sample> {
        let process = Process::new(self.process.cast_signed()).ok()?;
        Some(Sample {
            at: self.begin.elapsed(),
            resident: process.status().ok()?.vmrss? * 1024,
            descriptors: process.fd_count().ok()?,
        })
    }

    /// Resident memory in the second half: minutes since the load began and MB (10^6 bytes), a point for each window.
    pub(crate) fn second_half(&self) -> Vec<(f64, f64)> {
        let end = self.samples.last().map_or(Duration::ZERO, |sample| sample.at);
        let half: Vec<_> = self.samples.iter().filter(|sample| sample.at * 2 >= end).collect();
        let windows = half.chunk_by(|one, other| window(one) == window(other));
        windows.filter_map(least).collect()
    }
}

fn window(sample: &Sample) -> u64 {
    sample.at.as_secs() / WINDOW.as_secs()
}

fn least(window: &[&Sample]) -> Option<(f64, f64)> {
    let least = window.iter().min_by_key(|sample| sample.resident)?;
    Some((least.at.as_secs_f64() / 60.0, least.resident as f64 / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_second_half_in_windows() {
        // Every tenth look falls into a moment that takes more.
        let samples = (0..=480).map(|second| Sample {
            at: Duration::from_secs(second),
            resident: second * 1_000_000 + if second % 10 == 0 { 50_000_000 } else { 0 },
            descriptors: 20,
        });
        let resources = Resources {
            process: 0,
            begin: Instant::now(),
            samples: samples.collect(),
            at_rest: None,
        };
        let points = resources.second_half();
        assert_eq!(points.len(), 5, "four whole windows and the last sample");
        let (minutes, megabytes) = points[0];
        assert!((minutes - 241.0 / 60.0).abs() < 1e-9, "{points:?}");
        assert!((megabytes - 241.0).abs() < 1e-9, "{points:?}");
    }
}
