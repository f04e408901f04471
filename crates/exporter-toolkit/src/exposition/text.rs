//! The two text formats: where they differ, how a header, a label value and a number are written.
//!
//! Sources: OpenMetrics 1.0 (prometheus/docs, `specs/om/open_metrics_spec.md`) and the classic format 0.0.4 (prometheus/docs,
//! `instrumenting/exposition_formats.md`), both as Prometheus' own parsers read them.

use std::fmt;

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

use super::family::Family;

/// A text format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The classic text format, version 0.0.4: what curl and promtool get.
    Classic,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Classic, Self::OpenMetrics];

    /// The `Content-Type` of an answer in this format. Prometheus 3 fails a scrape without a right one.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What ends a complete answer.
    pub fn end(self) -> &'static str {
        match self {
            Self::Classic => "",
            Self::OpenMetrics => "# EOF\n",
        }
    }
}

/// A registry's text in this format, without an end mark.
///
/// # Errors
/// An instrument cannot be encoded.
pub fn encode(registry: &Registry, format: Format) -> Result<String, fmt::Error> {
    let mut out = String::new();
    match format {
        Format::Classic => prometheus_text::encode(&mut out, registry)?,
        Format::OpenMetrics => text::encode_registry(&mut out, registry)?,
    }
    Ok(out)
}

/// Writes a family's `HELP`, `TYPE` and, in OpenMetrics, `UNIT` lines.
pub fn put_header(out: &mut Vec<u8>, format: Format, family: &Family) {
    // The classic format describes what it shows: the sample's name. OpenMetrics describes the family.
    let suffix = match format {
        Format::Classic => family.kind.sample_suffix(),
        Format::OpenMetrics => "",
    };
    put_all(out, &["# HELP ", family.name, suffix, " ", family.help, "\n"]);
    put_all(out, &["# TYPE ", family.name, suffix, " ", family.kind.as_str(), "\n"]);
    if let (Format::OpenMetrics, Some(unit)) = (format, family.unit) {
        put_all(out, &["# UNIT ", family.name, " ", unit.as_str(), "\n"]);
    }
}

fn put_all(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Writes a label value, without the quotes around it; the same in both formats.
pub fn put_label_value(out: &mut Vec<u8>, value: &str) {
    // Runs that need no escape are copied at once; the three bytes that do never occur inside a longer UTF-8 character.
    let special = |byte: &u8| matches!(byte, b'\\' | b'\n' | b'"');
    for run in value.as_bytes().split_inclusive(special) {
        match run.split_last() {
            Some((last, plain)) if special(last) => {
                out.extend_from_slice(plain);
                out.extend_from_slice(match last {
                    b'\n' => b"\\n",
                    b'"' => b"\\\"",
                    _ => b"\\\\",
                });
            }
            _ => out.extend_from_slice(run),
        }
    }
}

/// Writes a whole number.
#[inline]
pub fn put_integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes a number so that reading it back gives the same one: whole ones as integers, others in the fewest digits that do.
pub fn put_float(out: &mut Vec<u8>, number: f64) {
    // Below 2^53 every whole number is exact, so the cast cannot change it.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.trunc() == number && number.abs() < EXACT {
        put_integer(out, number as i64);
    } else if number.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
    } else if number.is_nan() {
        out.extend_from_slice(b"NaN");
    } else {
        out.extend_from_slice(if number > 0.0 { b"+Inf" } else { b"-Inf" });
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::Unit;
    use proptest::prelude::*;

    use super::super::process::CPU;
    use super::*;

    fn written(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_counter_is_described_by_its_sample_name_in_classic_and_by_its_family_in_openmetrics() {
        assert_eq!(
            written(|out| put_header(out, Format::Classic, &CPU)),
            "# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.\n\
             # TYPE process_cpu_seconds_total counter\n"
        );
        assert_eq!(
            written(|out| put_header(out, Format::OpenMetrics, &CPU)),
            "# HELP process_cpu_seconds Total user and system CPU time spent in seconds.\n\
             # TYPE process_cpu_seconds counter\n\
             # UNIT process_cpu_seconds seconds\n"
        );
    }

    /// Go's clients write `_total` and `_info` into HELP and TYPE of the classic format, and know no type info there.
    #[test]
    fn a_registry_is_written_in_either_format() {
        let mut registry = Registry::default();
        registry.register_with_unit("waited", "Waited", Unit::Seconds, Counter::<u64>::default());
        registry.register("thing", "Thing", Info::new([("k", "\"v\"")]));
        assert_eq!(
            encode(&registry, Format::Classic).unwrap(),
            "# HELP waited_seconds_total Waited.\n\
             # TYPE waited_seconds_total counter\n\
             waited_seconds_total 0\n\
             # HELP thing_info Thing.\n\
             # TYPE thing_info gauge\n\
             thing_info{k=\"\\\"v\\\"\"} 1\n"
        );
        let openmetrics = encode(&registry, Format::OpenMetrics).unwrap();
        assert!(openmetrics.starts_with(
            "# HELP waited_seconds Waited.\n# TYPE waited_seconds counter\n# UNIT waited_seconds seconds\n"
        ));
    }

    #[test]
    fn label_values_are_escaped() {
        for (value, written_as) in [("a\\b\"c\nd\u{fc}", "a\\\\b\\\"c\\nd\u{fc}"), ("\n", "\\n"), ("", "")] {
            assert_eq!(written(|out| put_label_value(out, value)), written_as);
        }
    }

    #[test]
    fn floats_are_short_and_exact() {
        for (number, text) in [
            (0.0, "0"),
            (-0.25, "-0.25"),
            (60.0, "60"),
            (1_763_848_500.123_456_7, "1763848500.1234567"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(written(|out| put_float(out, number)), text);
        }
    }

    proptest! {
        #[test]
        fn a_float_reads_back_as_itself(number in any::<f64>().prop_filter("NaN equals nothing", |number| !number.is_nan())) {
            let text = written(|out| put_float(out, number));
            prop_assert_eq!(text.replace("Inf", "inf").parse::<f64>().unwrap(), number);
        }
    }
}
