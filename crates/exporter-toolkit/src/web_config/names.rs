//! Go's names for versions, cipher suites and curves, and what the TLS library has of them.

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::ring::{cipher_suite, kx_group};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};

/// Why a name stands for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Go knows it, the TLS library does not have it.
    NotHere,
    /// Nobody knows it.
    Nowhere,
}

impl Unknown {
    /// In words, of a name that should be `kind`. One that nobody knows is not repeated: it may be a secret in the wrong place.
    pub(super) fn in_words(self, name: &str, kind: &str, why_not_here: &str) -> String {
        match self {
            Self::NotHere => format!("{name:?} is not supported, {why_not_here}"),
            Self::Nowhere => format!("this is not {kind}"),
        }
    }
}

const SUITES: [(&str, SupportedCipherSuite); 9] = [
    ("TLS_AES_128_GCM_SHA256", cipher_suite::TLS13_AES_128_GCM_SHA256),
    ("TLS_AES_256_GCM_SHA384", cipher_suite::TLS13_AES_256_GCM_SHA384),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// Suites of Go that the TLS library leaves out on purpose: CBC, 3DES, RC4, and key exchange by RSA.
const SUITES_OF_GO: [&str; 14] = [
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];

/// The cipher suite of this name, in the names of Go, which are those of the IANA registry.
pub(super) fn suite(name: &str) -> Result<SupportedCipherSuite, Unknown> {
    match SUITES.iter().find(|(known, _)| *known == name) {
        Some((_, suite)) => Ok(*suite),
        None if SUITES_OF_GO.contains(&name) || has_form_of_suite(name) && name.contains("_CBC_") => {
            Err(Unknown::NotHere)
        }
        None => Err(Unknown::Nowhere),
    }
}

fn has_form_of_suite(name: &str) -> bool {
    let of_suite = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    name.starts_with("TLS_") && name.bytes().all(of_suite)
}

/// The names that [`suite`] takes.
pub(super) fn suites() -> String {
    SUITES.map(|(name, _)| name).join(", ")
}

/// Groups for the key exchange.
pub(super) fn curve(name: &str) -> Result<&'static dyn SupportedKxGroup, Unknown> {
    match name {
        "CurveP256" => Ok(kx_group::SECP256R1),
        "CurveP384" => Ok(kx_group::SECP384R1),
        "X25519" => Ok(kx_group::X25519),
        "CurveP521" | "X25519MLKEM768" | "SecP256r1MLKEM768" | "SecP384r1MLKEM1024" => Err(Unknown::NotHere),
        _ => Err(Unknown::Nowhere),
    }
}

/// A version of TLS, in the order of age.
pub(super) fn version(name: &str) -> Result<&'static SupportedProtocolVersion, Unknown> {
    match name {
        "TLS12" => Ok(&version::TLS12),
        "TLS13" => Ok(&version::TLS13),
        "TLS10" | "TLS11" => Err(Unknown::NotHere),
        _ => Err(Unknown::Nowhere),
    }
}
