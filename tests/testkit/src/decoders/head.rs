//! Headers as they stand in the head of a request or a response.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The headers of these names in a text of lines like `Date: Fri, 20 Nov 2026 13:00:00 GMT`. What cannot be one is passed over.
pub(super) fn headers(head: &[u8], names: [HeaderName; 2]) -> HeaderMap {
    let lines = head.split(|byte| *byte == b'\n');
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        names.contains(&name).then_some((name, value))
    };
    // A map of headers has room for 32,768 of them.
    let headers = lines.filter_map(header).take(1000);
    headers.fold(HeaderMap::new(), |mut headers, (name, value)| {
        headers.append(name, value);
        headers
    })
}
