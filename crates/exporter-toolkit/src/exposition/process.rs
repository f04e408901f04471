//! The standard process metrics, from procfs; what cannot be read is left out, and so is everything on other systems than Linux.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

use super::family::{Family, Kind, Unit};

macro_rules! families {
    ($($constant:ident: $name:literal, $kind:ident, $unit:expr, $help:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $help)]
            pub const $constant: Family = Family { name: $name, kind: Kind::$kind, unit: $unit, labels: &[], help: $help };
        )*

        /// All of them, in the order of the output.
        pub const FAMILIES: &[Family] = &[$($constant),*];
    };
}

// Names and sentences are those of Prometheus' own client libraries.
families! {
    CPU: "process_cpu_seconds", Counter, Some(Unit::Seconds), "Total user and system CPU time spent in seconds.";
    RESIDENT_MEMORY: "process_resident_memory_bytes", Gauge, Some(Unit::Bytes), "Resident memory size in bytes.";
    VIRTUAL_MEMORY: "process_virtual_memory_bytes", Gauge, Some(Unit::Bytes), "Virtual memory size in bytes.";
    VIRTUAL_MEMORY_MAX: "process_virtual_memory_max_bytes", Gauge, Some(Unit::Bytes), "Maximum amount of virtual memory available in bytes.";
    START_TIME: "process_start_time_seconds", Gauge, Some(Unit::Seconds), "Start time of the process since unix epoch in seconds.";
    OPEN_FDS: "process_open_fds", Gauge, None, "Number of open file descriptors.";
    MAX_FDS: "process_max_fds", Gauge, None, "Maximum number of open file descriptors.";
    THREADS: "process_threads", Gauge, None, "Number of OS threads in the process.";
}

/// Reads the process' own numbers at every scrape.
#[derive(Debug)]
pub struct ProcessMetrics {
    #[cfg(target_os = "linux")]
    boot: Option<u64>,
}

impl ProcessMetrics {
    /// A reader of this process' numbers.
    pub fn new() -> Self {
        Self {
            // The kernel derives it from its two clocks at each read, so that it may jump by a second; a start time must not.
            #[cfg(target_os = "linux")]
            boot: procfs::boot_time_secs().ok(),
        }
    }

    /// Makes the registry show them.
    pub fn register(self, registry: &mut Registry) {
        registry.register_collector(Box::new(self));
    }
}

impl Default for ProcessMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Collector for ProcessMetrics {
    #[cfg(target_os = "linux")]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        linux::encode(&mut encoder, self.boot)
    }

    #[cfg(not(target_os = "linux"))]
    fn encode(&self, _encoder: DescriptorEncoder<'_>) -> fmt::Result {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt;

    use procfs::process::{Limit, LimitValue, Process};
    use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric};
    use prometheus_client::metrics::counter::ConstCounter;
    use prometheus_client::metrics::gauge::ConstGauge;

    use super::super::family::Family;
    use super::{CPU, MAX_FDS, OPEN_FDS, RESIDENT_MEMORY, START_TIME, THREADS, VIRTUAL_MEMORY, VIRTUAL_MEMORY_MAX};

    pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, boot: Option<u64>) -> fmt::Result {
        let Ok(process) = Process::myself() else { return Ok(()) };
        if let Ok(stat) = process.stat() {
            let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
            let family = CPU.describe(encoder)?;
            ConstCounter::new(seconds(stat.utime.saturating_add(stat.stime))).encode(family)?;
            let resident = stat.rss.saturating_mul(procfs::page_size());
            gauge(encoder, &RESIDENT_MEMORY, resident)?;
            gauge(encoder, &VIRTUAL_MEMORY, stat.vsize)?;
            gauge(encoder, &THREADS, stat.num_threads)?;
            if let Some(boot) = boot {
                let start = boot as f64 + seconds(stat.starttime);
                gauge(encoder, &START_TIME, start)?;
            }
        }
        if let Ok(open) = process.fd_count() {
            gauge(encoder, &OPEN_FDS, open as u64)?;
        }
        if let Ok(limits) = process.limits() {
            gauge(encoder, &MAX_FDS, soft(limits.max_open_files))?;
            let memory = soft(limits.max_address_space);
            gauge(encoder, &VIRTUAL_MEMORY_MAX, memory)?;
        }
        Ok(())
    }

    /// The limit in force. "Unlimited" is the largest number, as the kernel has it and as client_golang shows it.
    fn soft(limit: Limit) -> u64 {
        match limit.soft_limit {
            LimitValue::Unlimited => u64::MAX,
            LimitValue::Value(value) => value,
        }
    }

    fn gauge<N: EncodeGaugeValue>(encoder: &mut DescriptorEncoder<'_>, family: &Family, value: N) -> fmt::Result
    where
        ConstGauge<N>: EncodeMetric,
    {
        ConstGauge::new(value).encode(family.describe(encoder)?)
    }
}
