//! Metric families as data: one table serves collectors, writers and documentation.

use std::fmt;
use std::sync::LazyLock;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit as ClientUnit;

/// prometheus-client's own word is "ratios", which would not be the end of the name.
static RATIO: LazyLock<ClientUnit> = LazyLock::new(|| ClientUnit::Other(Unit::Ratio.as_str().to_owned()));

/// A metric family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// The name, unit included, without the `_total` that a counter's samples carry.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// The unit, which is then the end of the name.
    pub unit: Option<Unit>,
    /// The labels that every sample has, in the order they are written.
    pub labels: &'static [&'static str],
    /// One sentence for people. It is written as it is, so it has no backslash, quote or line break.
    pub help: &'static str,
}

impl Family {
    /// The name that queries use: a counter's ends in `_total`.
    pub fn query_name(&self) -> String {
        format!("{}{}", self.name, self.kind.sample_suffix())
    }

    /// The name without its unit.
    pub fn stem(&self) -> &'static str {
        self.unit
            .and_then(|unit| self.name.strip_suffix(unit.as_str()))
            .and_then(|stem| stem.strip_suffix('_'))
            .unwrap_or(self.name)
    }

    /// Begins this family in a collector: prometheus-client adds the unit and `_total` to the name by itself.
    ///
    /// # Errors
    /// If the text cannot be written.
    pub fn describe<'e>(&'e self, encoder: &'e mut DescriptorEncoder<'_>) -> Result<MetricEncoder<'e>, fmt::Error> {
        let unit = match self.unit {
            None => None,
            Some(Unit::Seconds) => Some(&ClientUnit::Seconds),
            Some(Unit::Bytes) => Some(&ClientUnit::Bytes),
            Some(Unit::Ratio) => Some(&*RATIO),
        };
        let kind = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        encoder.encode_descriptor(self.stem(), self.help, unit, kind)
    }
}

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Any number; also `_info` and state rows, because the classic format knows no type for those.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
}

impl Kind {
    /// The word in the `TYPE` line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }

    /// What a sample's name has after the family's.
    pub fn sample_suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

/// A base unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Seconds; with `timestamp` before it in the name, since 1970.
    Seconds,
    /// Bytes.
    Bytes,
    /// A share, 1 being the whole.
    Ratio,
}

impl Unit {
    /// The word in the `UNIT` line and at the end of the name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Ratio => "ratio",
        }
    }
}
