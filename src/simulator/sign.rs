//! The vendor's signature check, written from the vendor's text alone.
//!
//! The exporter's client has its own signing code on purpose: if both shared one function they could be wrong together.

use std::fmt::Write as _;

use md5::{Digest, Md5};

/// `Sign = md5_hex(api_key + api_secret + timestamp)`, in lower-case hex digits.
pub(super) fn expected(api_key: &str, api_secret: &str, timestamp: &str) -> String {
    let digest = Md5::digest([api_key, api_secret, timestamp].concat());
    digest
        .iter()
        .fold(String::with_capacity(2 * digest.len()), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// Whether `sign` is right; the vendor does not mind the case of its hex digits.
pub(super) fn is_right(sign: &str, api_key: &str, api_secret: &str, timestamp: &str) -> bool {
    sign.eq_ignore_ascii_case(&expected(api_key, api_secret, timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: &str = "05d7a50893e22a5c4bb3216ae3396c7c";

    #[test]
    fn the_published_example() {
        assert_eq!(expected("bDqJFiq9", "7bz1lzh9", "1630468800"), PUBLISHED);
    }

    #[test]
    fn upper_case_is_fine_anything_else_is_not() {
        assert!(is_right(
            &PUBLISHED.to_uppercase(),
            "bDqJFiq9",
            "7bz1lzh9",
            "1630468800"
        ));
        assert!(!is_right(PUBLISHED, "bDqJFiq9", "7bz1lzh9", "1630468801"));
        assert!(!is_right(PUBLISHED, "bDqJFiq9", "other", "1630468800"));
        assert!(!is_right("", "bDqJFiq9", "7bz1lzh9", "1630468800"));
        assert!(!is_right(
            &format!("{PUBLISHED} "),
            "bDqJFiq9",
            "7bz1lzh9",
            "1630468800"
        ));
    }
}
