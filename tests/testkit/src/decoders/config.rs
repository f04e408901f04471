//! The configuration file.

use std::path::Path;

use laaffic_exporter::config::{self, Config, LoadError};

use super::names_a_device;
use crate::assertions::says_nothing_of;

/// Where the file is. It names no other file that is there.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config.yaml");

/// What every secret is that a file does not hold itself.
const PLANTED: &str = "hunter2-planted";

fn parse(content: &[u8]) -> Result<Config, LoadError> {
    let variable = |_: &str| Some(PLANTED.to_owned());
    config::parse(content, Path::new(FILE), &variable)
}

/// A configuration file: its mistakes are told in order, each in a line, without a secret; a good one is shown without a secret, and what
/// is shown says the same.
pub fn config(content: &[u8]) {
    if names_a_device(content) {
        return;
    }
    let is_planted = content.windows(PLANTED.len()).any(|place| place == PLANTED.as_bytes());
    match parse(content) {
        Err(error) => is_well_told(&error, FILE),
        Ok(config) => {
            let shown = show(&config);
            if !is_planted {
                says_nothing_of(&format!("{shown}{config:?}"), &[PLANTED]);
            }
            // A proxy's address is a secret as a whole, so what stands in its place is no address.
            let again = shown.replace("proxy_url: <secret>", "proxy_url: http://proxy:3128");
            let again = parse(again.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{shown}"));
            assert_eq!(show(&again), shown);
        }
    }
    if !is_planted {
        let broken = [content, b"\n  api_secret: ", PLANTED.as_bytes()].concat();
        if let Err(error) = parse(&broken) {
            says_nothing_of(&format!("{error}{error:?}"), &[PLANTED]);
        }
    }
}

fn show(config: &Config) -> String {
    let flows = |name: &str| {
        let mut accounts = config.accounts.iter();
        let account = accounts.find(|account| &*account.name == name);
        account
            .map(|account| account.flows.iter().collect())
            .unwrap_or_default()
    };
    config::show(config, flows).unwrap()
}

/// At least one problem, in the order of the file, each in one line of visible characters that begins with the file.
pub(super) fn is_well_told(error: &LoadError, file: &str) {
    let problems = error.problems();
    assert!(!problems.is_empty());
    assert!(problems.is_sorted_by_key(config::Problem::position), "{error}");
    let told = error.to_string();
    assert_eq!(told.lines().count(), problems.len(), "{told}");
    for line in told.lines() {
        assert!(line.starts_with(file) && !line.contains(char::is_control), "{line:?}");
    }
}
