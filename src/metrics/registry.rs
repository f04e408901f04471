//! Our own instruments through prometheus-client, in both formats.
//!
//! prometheus-client 0.25 writes OpenMetrics only, so classic text is made from its output, line by line.

use std::fmt::{self, Write};
use std::sync::{Arc, LazyLock};

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit as ClientUnit};

use super::activity::Activity;
use super::catalogue::Family;
use super::process::ProcessMetrics;
use super::text::{Format, Kind, Unit, put_help};

/// prometheus-client's own word is "ratios", which would not be the end of the name.
static RATIO: LazyLock<ClientUnit> = LazyLock::new(|| ClientUnit::Other(Unit::Ratio.as_str().to_owned()));

/// The registry of a running exporter: its activity and its process.
pub fn registry(activity: &Arc<Activity>) -> Registry {
    let mut registry = Registry::default();
    activity.register(&mut registry);
    ProcessMetrics::new().register(&mut registry);
    registry
}

/// Begins a family of the catalogue in a collector: prometheus-client adds the unit and `_total` to the name by itself, and writes
/// help as it is given.
pub(super) fn describe<'e>(
    encoder: &'e mut DescriptorEncoder<'_>,
    family: &'e Family,
) -> Result<MetricEncoder<'e>, fmt::Error> {
    let mut help = Vec::with_capacity(family.help.len());
    put_help(&mut help, Format::OpenMetrics, family.help);
    let help = String::from_utf8(help).map_err(|_| fmt::Error)?;
    let unit = match family.unit {
        None => None,
        Some(Unit::Seconds) => Some(&ClientUnit::Seconds),
        Some(Unit::Bytes) => Some(&ClientUnit::Bytes),
        Some(Unit::Ratio) => Some(&*RATIO),
    };
    let kind = match family.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    encoder.encode_descriptor(family.stem(), &help, unit, kind)
}

/// The registry's text, without an end mark.
///
/// # Errors
///
/// An instrument cannot be encoded.
pub fn encode(registry: &Registry, format: Format) -> Result<String, fmt::Error> {
    let mut openmetrics = String::new();
    text::encode_registry(&mut openmetrics, registry)?;
    match format {
        Format::OpenMetrics => Ok(openmetrics),
        Format::Classic => to_classic(&openmetrics),
    }
}

/// OpenMetrics text, as prometheus-client writes it, in the classic format: `HELP` and `TYPE` carry the sample's name, types the
/// classic format lacks become ones it has, `UNIT` and `EOF` go. Exemplars and timestamps, which our instruments have none of, are
/// not expected.
///
/// # Errors
///
/// Writing to a `String` does not fail.
pub fn to_classic(openmetrics: &str) -> Result<String, fmt::Error> {
    let mut classic = String::with_capacity(openmetrics.len());
    // HELP stands before the TYPE that decides its name.
    let mut help = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "stateset" => ("", "gauge"),
                "gauge" | "histogram" | "summary" => ("", kind),
                _ => ("", "untyped"),
            };
            if let Some((_, text)) = help.take().filter(|(described, _)| *described == name) {
                // Of OpenMetrics' three escapes the classic help lacks the quote's.
                writeln!(classic, "# HELP {name}{suffix} {}", unescape_quotes(text))?;
            }
            writeln!(classic, "# TYPE {name}{suffix} {kind}")?;
        } else if !line.starts_with('#') {
            writeln!(classic, "{line}")?;
        }
    }
    Ok(classic)
}

/// `\"` as `"`; a backslash that is itself escaped keeps its partner.
fn unescape_quotes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\\' && characters.peek() != Some(&'"') {
            plain.push(character);
            plain.extend(characters.next());
        } else if character != '\\' {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::info::Info;

    use super::*;

    #[test]
    fn classic_text_is_made_line_by_line() {
        let openmetrics = "# HELP a_seconds Says \\\"a\\\\\\\" and\\nmore.\n\
                           # TYPE a_seconds counter\n\
                           # UNIT a_seconds seconds\n\
                           a_seconds_total{x=\"# EOF\"} 1\n\
                           # HELP b What it is.\n\
                           # TYPE b info\n\
                           b_info{x=\"\\\"\"} 1\n\
                           # HELP c Unknown.\n\
                           # TYPE c unknown\n\
                           c 2.5\n\
                           # EOF\n";
        assert_eq!(
            to_classic(openmetrics).unwrap(),
            "# HELP a_seconds_total Says \"a\\\\\" and\\nmore.\n\
             # TYPE a_seconds_total counter\n\
             a_seconds_total{x=\"# EOF\"} 1\n\
             # HELP b_info What it is.\n\
             # TYPE b_info gauge\n\
             b_info{x=\"\\\"\"} 1\n\
             # HELP c Unknown.\n\
             # TYPE c untyped\n\
             c 2.5\n"
        );
    }

    #[test]
    fn what_prometheus_client_itself_writes_becomes_classic() {
        let mut registry = Registry::default();
        registry.register_with_unit("waited", "Waited", ClientUnit::Seconds, Counter::<u64>::default());
        registry.register("thing", "Thing", Info::new([("k", "v")]));
        assert_eq!(
            encode(&registry, Format::Classic).unwrap(),
            "# HELP waited_seconds_total Waited.\n\
             # TYPE waited_seconds_total counter\n\
             waited_seconds_total 0\n\
             # HELP thing_info Thing.\n\
             # TYPE thing_info gauge\n\
             thing_info{k=\"v\"} 1\n"
        );
    }
}
