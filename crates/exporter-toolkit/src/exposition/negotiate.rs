//! What the client can read: `Accept` decides the text format, `Accept-Encoding` the compression (RFC 9110, section 12.5).
//!
//! Headers are untrusted: whatever cannot be read as the grammar has it is passed over, and what is left decides.

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, HeaderName};

use super::text::Format;

/// How an answer's bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip: what Prometheus asks for.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Encoding {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Identity, Self::Gzip, Self::Zstd];

    /// The `Content-Encoding` of an answer, where it has one.
    pub fn content_encoding(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// The text format to answer in.
///
/// The highest q wins; at equal q a format that is asked for by name wins over one that a wildcard lets in, then the one named
/// first, then the classic format. Nothing acceptable gets the classic format as well, since a scrape that is answered is worth
/// more than a 406.
///
/// OpenMetrics is offered as 1.0.0 only. Prometheus 2.5 to 2.33 ask for its draft 0.0.1 and list the classic format besides, so
/// they get that: calling our text 0.0.1 would be untrue, and answering 1.0.0 is more than they said they read.
pub fn format(headers: &HeaderMap) -> Format {
    let mut classic = Offer::default();
    let mut openmetrics = Offer::default();
    for (place, range) in elements(headers, ACCEPT).enumerate() {
        let version = |wanted: &str| range.parameter("version").is_none_or(|version| version == wanted);
        match &*range.name {
            "application/openmetrics-text" if version("1.0.0") => openmetrics.matched(3, range.q, place),
            "text/plain" if version("0.0.4") => classic.matched(3, range.q, place),
            "application/*" => openmetrics.matched(2, range.q, place),
            "text/*" => classic.matched(2, range.q, place),
            "*/*" => {
                classic.matched(1, range.q, place);
                openmetrics.matched(1, range.q, place);
            }
            _ => {}
        }
    }
    if openmetrics.q > 0 && openmetrics.beats(&classic) {
        Format::OpenMetrics
    } else {
        Format::Classic
    }
}

/// What `Accept` says of one format: the most specific range that matches counts, then the first.
#[derive(Default)]
struct Offer {
    specificity: u8,
    q: u16,
    place: usize,
}

impl Offer {
    fn matched(&mut self, specificity: u8, q: u16, place: usize) {
        if specificity > self.specificity {
            *self = Self { specificity, q, place };
        }
    }

    fn beats(&self, classic: &Self) -> bool {
        let by_name = |offer: &Self| offer.specificity > 1;
        let rank = |offer: &Self| (offer.q, by_name(offer));
        rank(self) > rank(classic) || (rank(self) == rank(classic) && by_name(self) && self.place < classic.place)
    }
}

/// The compression to answer with.
///
/// The highest q wins; at equal q zstd before gzip before none, in the order of what they cost and save here
/// (docs/performance.md). Without a header, and where everything is refused, the answer is not compressed.
pub fn encoding(headers: &HeaderMap) -> Encoding {
    let mut wildcard = None;
    let mut named: [Option<u16>; 3] = [None; 3];
    for coding in elements(headers, ACCEPT_ENCODING) {
        let slot = match &*coding.name {
            "identity" => named.get_mut(0),
            "gzip" | "x-gzip" => named.get_mut(1),
            "zstd" => named.get_mut(2),
            "*" => Some(&mut wildcard),
            _ => None,
        };
        if let Some(slot) = slot {
            slot.get_or_insert(coding.q);
        }
    }
    Encoding::ALL
        .into_iter()
        .zip(named)
        .filter_map(|(encoding, q)| Some((q.or(wildcard)?, encoding)).filter(|(q, _)| *q > 0))
        // The last of equals.
        .max_by_key(|(q, _)| *q)
        .map_or(Encoding::Identity, |(_, encoding)| encoding)
}

/// One element of a list header: a name, parameters, and the weight in thousandths.
struct Element {
    name: String,
    parameters: Vec<(String, String)>,
    q: u16,
}

impl Element {
    /// The element; `None` where it is nothing, or has a weight that the grammar does not allow. Such a weight must not win:
    /// Prometheus 2.49.0 sent `*/*;q=2` for its last choice.
    fn read(text: &str) -> Option<Self> {
        let mut parts = split_outside_quotes(text, ';').map(str::trim);
        let name = parts.next()?.to_ascii_lowercase();
        let parameters: Vec<_> = parts
            .filter_map(|part| part.split_once('='))
            .map(|(key, value)| {
                let value = value.trim();
                let value = value
                    .strip_prefix('"')
                    .and_then(|value| value.strip_suffix('"'))
                    .unwrap_or(value);
                (key.trim().to_ascii_lowercase(), value.to_owned())
            })
            .collect();
        let mut element = Self {
            name,
            parameters,
            q: 1000,
        };
        if let Some(q) = element.parameter("q") {
            element.q = weight(q)?;
        }
        (!element.name.is_empty()).then_some(element)
    }

    /// A parameter's value; given twice, the first counts (Prometheus 3.0 to 3.3 send `escaping` twice).
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A weight in thousandths: from 0 to 1 with at most three decimals.
fn weight(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" => (thousandths == 0).then_some(1000),
        _ => None,
    }
}

/// All elements of a list header, over all its lines; a line that is not ASCII text is passed over.
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Element> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| split_outside_quotes(line, ','))
        .filter_map(Element::read)
}

/// Splits at a separator that is not inside a quoted string.
fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |character| {
        let inside = quoted;
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        character == separator && !inside
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use Format::{Classic, OpenMetrics};

    fn headers(name: HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name.clone(), HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    fn format_for(accept: &str) -> Format {
        format(&headers(ACCEPT, &[accept]))
    }

    fn encoding_for(accept: &str) -> Encoding {
        encoding(&headers(ACCEPT_ENCODING, &[accept]))
    }

    #[test]
    fn every_prometheus_gets_the_format_it_prefers() {
        // prometheus/prometheus, scrape/scrape.go and config/config.go at each of these versions.
        for (version, accept, format) in [
            ("2.0 to 2.4", "text/plain;version=0.0.4;q=1,*/*;q=0.1", Classic),
            (
                "2.5 to 2.33",
                "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Classic,
            ),
            (
                "2.34 to 2.48",
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            (
                "2.40 and later, native histograms",
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            (
                "2.49.0",
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=2",
                OpenMetrics,
            ),
            (
                "2.49.1 to 2.55",
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
            (
                "3.0 to 3.3",
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;escaping=allow-utf-8;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
            (
                "3.4 to 3.14",
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
            (
                "3.4 and later, protobuf first",
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                OpenMetrics,
            ),
            (
                "3.x, scrape_protocols: [PrometheusText0.0.4]",
                "text/plain;version=0.0.4;q=0.6,*/*;q=0.5",
                Classic,
            ),
            (
                "3.x, scrape_protocols: [PrometheusText1.0.0, PrometheusText0.0.4]",
                "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.4",
                Classic,
            ),
        ] {
            assert_eq!(format_for(accept), format, "Prometheus {version}");
        }
    }

    #[test]
    fn anybody_else_gets_what_they_ask_for_and_classic_when_in_doubt() {
        assert_eq!(format(&HeaderMap::new()), Classic);
        for (accept, format) in [
            ("*/*", Classic),
            ("", Classic),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Classic,
            ),
            ("application/openmetrics-text", OpenMetrics),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=1.0", OpenMetrics),
            ("application/openmetrics-text;version=0.0.1", Classic),
            ("application/openmetrics-text;version=2.0.0", Classic),
            ("application/openmetrics-text;version=1.0.0;q=0", Classic),
            ("application/openmetrics-text;version=1.0.0;q=0, */*", Classic),
            ("application/openmetrics-text;version=1.0.0;q=2", Classic),
            ("application/openmetrics-text;version=1.0.0;q=-1", Classic),
            ("application/openmetrics-text;version=1.0.0;q=NaN", Classic),
            ("application/openmetrics-text;version=1.0.0;q=", Classic),
            (
                "application/openmetrics-text;version=1.0.0;q=0.3,text/plain;q=0.300",
                OpenMetrics,
            ),
            (
                "text/plain;q=0.3,application/openmetrics-text;version=1.0.0;q=0.3",
                Classic,
            ),
            ("*/*,application/openmetrics-text", OpenMetrics),
            ("application/openmetrics-text;q=0.5,*/*", Classic),
            ("application/*", OpenMetrics),
            ("text/*;q=0.1,application/*;q=0.2", OpenMetrics),
            ("text/plain;version=0.0.4;q=0,application/*;q=0.001", OpenMetrics),
            ("application/vnd.google.protobuf", Classic),
            ("a\"b,c\";q=\",;;,=,,application/openmetrics-text", Classic),
        ] {
            assert_eq!(format_for(accept), format, "{accept}");
        }
    }

    #[test]
    fn several_lines_are_one_list_and_a_line_that_is_no_text_is_passed_over() {
        let mut lines = headers(ACCEPT, &["text/plain;q=0.4", "application/openmetrics-text;q=0.5"]);
        lines.append(ACCEPT, HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        assert_eq!(format(&lines), OpenMetrics);
    }

    #[test]
    fn compression_goes_by_weight() {
        assert_eq!(encoding(&HeaderMap::new()), Encoding::Identity);
        for (accept, encoding) in [
            ("gzip", Encoding::Gzip),
            ("identity", Encoding::Identity),
            ("", Encoding::Identity),
            ("gzip, deflate, br, zstd", Encoding::Zstd),
            ("gzip;q=1.0, zstd;q=0.9", Encoding::Gzip),
            ("GZIP", Encoding::Gzip),
            ("x-gzip", Encoding::Gzip),
            ("gzip;q=0", Encoding::Identity),
            ("gzip;q=0.5, identity", Encoding::Identity),
            ("gzip;q=0.5, identity;q=0.4", Encoding::Gzip),
            ("br, deflate", Encoding::Identity),
            ("*", Encoding::Zstd),
            ("*;q=0.5, gzip", Encoding::Gzip),
            ("*, zstd;q=0", Encoding::Gzip),
            ("*;q=0", Encoding::Identity),
            ("identity;q=0", Encoding::Identity),
            ("gzip;q=1.5", Encoding::Identity),
        ] {
            assert_eq!(encoding_for(accept), encoding, "{accept}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(line in proptest::collection::vec(prop_oneof![b' '..=b'~', 0x80_u8..=0xff, Just(b'\t')], 0..200)) {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_bytes(&line).unwrap();
            headers.append(ACCEPT, value.clone());
            headers.append(ACCEPT_ENCODING, value);
            format(&headers);
            encoding(&headers);
        }

        #[test]
        fn no_mixture_of_its_own_words_makes_it_panic(words in proptest::collection::vec(prop_oneof![
            Just("*/*"), Just("text/plain"), Just("application/openmetrics-text"), Just("version="), Just("1.0.0"), Just("q="),
            Just("0.5"), Just("."), Just(";"), Just(","), Just("\""), Just("\\"), Just("gzip"), Just("="),
        ], 0..40)) {
            format_for(&words.concat());
            encoding_for(&words.concat());
        }
    }
}
