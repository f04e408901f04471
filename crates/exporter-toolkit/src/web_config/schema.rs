//! The web-config file as the ecosystem's exporter-toolkit writes it, key by key, before anything is checked.
//!
//! Source: <https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::go_duration::GoDuration;
use crate::secret::Secret;
use crate::yaml::Whole;

/// The whole file.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) tls_server_config: Tls,
    pub(super) http_server_config: Http,
    pub(super) basic_auth_users: Pairs<Secret>,
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
    pub(super) headers: Pairs<Option<String>>,
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

/// A mapping with free keys, in the order of the file.
pub(super) struct Pairs<V>(pub(super) Vec<(String, V)>);

impl<V> Default for Pairs<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Mapping(PhantomData))
    }
}

struct Mapping<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Mapping<V> {
    type Value = Pairs<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<V>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}
