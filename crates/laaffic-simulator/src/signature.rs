//! The vendor's signature check, written from the vendor's text alone.
//!
//! The exporter's client has its own signing code on purpose: if both shared one function they could be wrong together.

use md5::{Digest as _, Md5};

/// Whether `sign` is `md5_hex(api_key + api_secret + timestamp)`; the vendor does not mind the case of its hex digits.
pub(crate) fn is_right(sign: &str, api_key: &str, api_secret: &str, timestamp: &str) -> bool {
    let digest = Md5::digest([api_key, api_secret, timestamp].concat());
    let expected = format!("{:032x}", u128::from_be_bytes(digest.into()));
    sign.eq_ignore_ascii_case(&expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: &str = "05d7a50893e22a5c4bb3216ae3396c7c";

    #[test]
    fn only_the_published_signature_is_right_for_the_published_example() {
        let is_right = |sign: &str| is_right(sign, "bDqJFiq9", "7bz1lzh9", "1630468800");
        assert!(is_right(PUBLISHED));
        assert!(is_right(&PUBLISHED.to_uppercase()));
        assert!(!is_right(""));
        assert!(!is_right(&format!("{PUBLISHED} ")));
    }

    #[test]
    fn another_secret_or_moment_needs_another_signature() {
        assert!(!is_right(PUBLISHED, "bDqJFiq9", "7bz1lzh9", "1630468801"));
        assert!(!is_right(PUBLISHED, "bDqJFiq9", "other", "1630468800"));
    }
}
