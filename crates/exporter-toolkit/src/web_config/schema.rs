//! The web-config file as the ecosystem's exporter-toolkit writes it, key by key, before anything is checked.
//!
//! Source: <https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>.

use serde::Deserialize;

use super::go_duration::GoDuration;
use crate::secret::Secret;
use crate::yaml::{Pairs, Whole};

/// The whole file.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) tls_server_config: Tls,
    pub(super) http_server_config: Http,
    pub(super) basic_auth_users: Pairs<String, Secret>,
    pub(super) rate_limit: Rate,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Tls {
    pub(super) cert: Option<String>,
    pub(super) cert_file: Option<String>,
    pub(super) key: Option<Secret>,
    pub(super) key_file: Option<String>,
    pub(super) client_auth_type: Option<String>,
    pub(super) client_ca: Option<String>,
    pub(super) client_ca_file: Option<String>,
    pub(super) client_allowed_sans: Option<Vec<String>>,
    pub(super) min_version: Option<String>,
    pub(super) max_version: Option<String>,
    pub(super) cipher_suites: Vec<String>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
    pub(super) curve_preferences: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Http {
    pub(super) http2: Option<bool>,
    /// A blank value sets nothing.
    pub(super) headers: Pairs<String, Option<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Rate {
    pub(super) interval: GoDuration,
    pub(super) burst: Whole<0, MOST, 0>,
}

const MOST: u64 = u32::MAX as u64;

/// A text that is there: the toolkit takes an empty one for none.
pub(super) fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}
