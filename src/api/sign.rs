//! The vendor's request signature.

use std::fmt::Write as _;

use md5::{Digest, Md5};

/// `md5_hex(api_key + api_secret + timestamp)`, 32 lower-case hex digits, with the timestamp in Unix seconds (vendor page, API
/// guide). MD5 is the vendor's choice; it protects nothing else here.
pub fn sign(api_key: &str, api_secret: &str, unix_seconds: u64) -> String {
    let mut digest = Md5::new();
    digest.update(api_key);
    digest.update(api_secret);
    digest.update(itoa::Buffer::new().format(unix_seconds));
    let mut hex = String::with_capacity(32);
    for byte in digest.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_signature_that_the_vendor_publishes() {
        assert_eq!(
            sign("bDqJFiq9", "7bz1lzh9", 1_630_468_800),
            "05d7a50893e22a5c4bb3216ae3396c7c"
        );
    }
}
