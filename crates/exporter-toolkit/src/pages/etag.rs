//! Entity tags (RFC 9110, section 8.8.3): a client that has an answer already need not get it again.

use std::fmt::Write as _;

use axum::http::HeaderMap;
use axum::http::header::IF_NONE_MATCH;
use md5::{Digest, Md5};

/// The tag of what consists of these parts, without quotes. Nobody has to be kept from forging it: it tells one content from another.
pub(super) fn tag<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> String {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(part);
    }
    let mut tag = String::new();
    for byte in digest.finalize().iter().take(8) {
        // Writing to a String cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag
}

/// Whether the client has what has this tag.
pub(super) fn has(request: &HeaderMap, tag: &str) -> bool {
    let known = request.get_all(IF_NONE_MATCH).iter();
    let known = known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|tags| tags.split(','));
    let plain = |known: &str| known.trim().trim_start_matches("W/").trim_matches('"') == tag;
    known.into_iter().any(plain)
}
