//! The web-config file.

use std::io::Write as _;

use exporter_toolkit::web_config::{WebConfig, load};
use exporter_toolkit::yaml::LoadError;
use tempfile::NamedTempFile;

use super::config::is_well_told;
use super::names_a_device;
use crate::assertions::says_nothing_of;

const PLANTED: &str = "hunter2-planted";

/// A web-config file: its mistakes are told in order, each in a line, without a secret; a good one is read in the same way again, and is
/// printed without a secret.
pub fn web_config(content: &[u8]) {
    if names_a_device(content) {
        return;
    }
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    match load(file.path()) {
        Err(error) => is_well_told(&error, file.path().to_str().unwrap()),
        Ok(config) => {
            let again = load(file.path()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(read(&again), read(&config));
            assert!(config.rate_limit.is_none_or(|limit| !limit.interval.is_zero()));
            assert!(config.tls.is_none_or(|tls| !tls.alpn_protocols.is_empty()));
        }
    }
    if !content.windows(PLANTED.len()).any(|place| place == PLANTED.as_bytes()) {
        let rest = format!("\nbasic_auth_users:\n  al: {PLANTED}\n");
        file.write_all(rest.as_bytes()).unwrap();
        if let Err(error) = load(file.path()) {
            without_planted(&error);
        }
    }
}

/// All that was read, but for TLS, which cannot be compared.
fn read(config: &WebConfig) -> String {
    let WebConfig {
        tls,
        http2,
        headers,
        users,
        rate_limit,
    } = config;
    format!("{} {http2} {headers:?} {users:?} {rate_limit:?}", tls.is_some())
}

fn without_planted(error: &LoadError) {
    says_nothing_of(&format!("{error}{error:?}"), &[PLANTED]);
}
