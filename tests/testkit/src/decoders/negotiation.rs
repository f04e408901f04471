//! `Accept` and `Accept-Encoding`.

use axum::http::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use exporter_toolkit::exposition::Format;
use exporter_toolkit::exposition::negotiate::{Encoding, encoding, format};

use super::head::headers;

/// The head of a request: what is refused is never chosen, what is asked for first and most is, and what says nothing changes nothing.
pub fn negotiation(head: &[u8]) {
    let asked = headers(head, [ACCEPT, ACCEPT_ENCODING]);
    compression(&asked);
    text_format(&asked);
    // Lines of one header are one list, wherever it is broken.
    for name in [ACCEPT, ACCEPT_ENCODING] {
        let lines: Vec<_> = asked
            .get_all(&name)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .collect();
        let list = lines.join(", ");
        // A quoted text cannot go on in another line.
        if !list.contains('"') {
            let mut whole = asked.clone();
            whole.insert(name.clone(), HeaderValue::from_str(&list).unwrap());
            assert_eq!(chosen(&whole), chosen(&asked));
            whole.remove(&name);
            for part in list.split(',') {
                whole.append(name.clone(), HeaderValue::from_str(part).unwrap());
            }
            assert_eq!(chosen(&whole), chosen(&asked));
        }
    }
}

fn chosen(headers: &HeaderMap) -> (Format, Encoding) {
    (format(headers), encoding(headers))
}

fn compression(asked: &HeaderMap) {
    let with = |line: &str| encoding(&with_first(asked, ACCEPT_ENCODING, line));
    assert_ne!(with("gzip;q=0"), Encoding::Gzip);
    assert_ne!(with("x-gzip;q=0.000"), Encoding::Gzip);
    assert_ne!(with("zstd; Q=0.0"), Encoding::Zstd);
    assert_eq!(with("zstd;q=0, gzip;q=0, identity;q=0"), Encoding::Identity);
    assert_eq!(with("identity, gzip;q=0.999, zstd;q=0.5"), Encoding::Identity);
    assert_eq!(with("identity;q=0.998, gzip;q=0.999, zstd;q=0.5"), Encoding::Gzip);
    assert_eq!(with("zstd"), Encoding::Zstd);
    assert_eq!(with("br, ;q=1, gzip;q=2, *;q=x"), encoding(asked));
    assert_eq!(with("gzip, \u{fc}"), encoding(asked));
    // Nothing that nobody named.
    let lines = asked.get_all(ACCEPT_ENCODING).iter();
    let words: String = lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()).to_ascii_lowercase())
        .collect();
    let named = encoding(asked)
        .content_encoding()
        .is_none_or(|name| words.contains(name) || words.contains('*'));
    assert!(named, "{words}");
}

fn text_format(asked: &HeaderMap) {
    let with = |line: &str| format(&with_first(asked, ACCEPT, line));
    assert_eq!(with("application/openmetrics-text;version=1.0.0;q=0"), Format::Classic);
    assert_eq!(
        with("application/openmetrics-text;q=0.5, text/plain;q=0.501"),
        Format::Classic
    );
    assert_eq!(
        with("application/openmetrics-text;q=0.5, text/plain;q=0.5"),
        Format::OpenMetrics
    );
    assert_eq!(
        with("text/plain;q=0, application/openmetrics-text;q=0.001"),
        Format::OpenMetrics
    );
    assert_eq!(with("text/html, ;q=1, text/plain;q=2, */*;q=x"), format(asked));
}

/// The same request, with another line of this header before its own.
fn with_first(asked: &HeaderMap, name: HeaderName, line: &str) -> HeaderMap {
    let mut headers = asked.clone();
    headers.insert(&name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    for own in asked.get_all(&name) {
        headers.append(&name, own.clone());
    }
    headers
}
