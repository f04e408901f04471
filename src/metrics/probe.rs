//! The registry of one probe: did it work, and how long did it take.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::catalogue::{PROBE_DURATION, PROBE_SUCCESS};

#[derive(Debug)]
struct Probe {
    success: bool,
    duration: Duration,
}

impl Collector for Probe {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let success = ConstGauge::new(i64::from(self.success));
        success.encode(PROBE_SUCCESS.describe(&mut encoder)?)?;
        let duration = ConstGauge::new(self.duration.as_secs_f64());
        duration.encode(PROBE_DURATION.describe(&mut encoder)?)
    }
}

/// A registry that shows the outcome of one probe and nothing else.
pub fn probe_registry(success: bool, duration: Duration) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Probe { success, duration }));
    registry
}
