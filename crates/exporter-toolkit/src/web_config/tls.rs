//! `tls_server_config`: from names and files to what the TLS library is told.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ProtocolVersion, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version};

use super::check::Check;
use super::client_cert::{ClientCerts, Policy};
use super::names::{self, Unknown};
use super::schema::{Tls, given};
use crate::secret::Secret;
use crate::yaml::Path;

const AT: &str = "tls_server_config";

const NOT_SECURE: &str = "because it is not secure any more";

/// HTTP/2 over TLS 1.2 needs one of these (RFC 9113, 9.2.2); Go refuses to serve it without.
const NEEDED_BY_HTTP2: [&str; 2] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
];

/// What the TLS library is to do, or `None` for plain HTTP or after a problem.
pub(super) fn server_config(tls: &Tls, http2: bool, check: &mut Check<'_>) -> Option<Arc<ServerConfig>> {
    if is_empty(tls) {
        return None;
    }
    let chain = certificate(tls, check);
    let key = key(tls, check);
    let provider = provider(tls, http2, check);
    let versions = versions(tls, check);
    let clients = client_certs(tls, &provider, check);
    let (chain, key, versions, clients) = (chain?, key?, versions?, clients?);

    let builder = match ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions) {
        Ok(builder) => builder,
        Err(error) => {
            check.problem(
                AT,
                "cipher_suites",
                format!("no suite is left for the versions that are allowed: {error}"),
            );
            return None;
        }
    };
    let built = builder.with_client_cert_verifier(clients).with_single_cert(chain, key);
    let mut config = match built {
        Ok(config) => config,
        Err(error) => {
            let message = format!("the certificate and its key cannot be used together: {error}");
            check.problem(AT, named(&tls.cert_file, "cert_file", "cert"), message);
            return None;
        }
    };
    config.ignore_client_order = tls.prefer_server_cipher_suites.unwrap_or(true);
    config.alpn_protocols = if http2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    };
    Some(Arc::new(config))
}

/// Whether plain HTTP is meant. The toolkit also takes a lonely `min_version` for that; then what was asked for would be ignored, so here
/// it misses its certificate.
fn is_empty(tls: &Tls) -> bool {
    let texts = [
        &tls.cert,
        &tls.cert_file,
        &tls.key_file,
        &tls.client_auth_type,
        &tls.client_ca,
        &tls.client_ca_file,
        &tls.min_version,
        &tls.max_version,
    ];
    let lists = [&tls.cipher_suites, &tls.curve_preferences];
    texts.into_iter().all(|text| given(text).is_none())
        && inline_key(tls).is_none()
        && lists.into_iter().all(Vec::is_empty)
        && tls.client_allowed_sans.as_ref().is_none_or(Vec::is_empty)
        && tls.prefer_server_cipher_suites.is_none()
}

/// The text of the private key, if it is there.
fn inline_key(tls: &Tls) -> Option<&str> {
    tls.key.as_ref().map(Secret::expose).filter(|key| !key.is_empty())
}

/// The name of the key that holds, for a pair of which the file wins.
fn named(file: &Option<String>, name_of_file: &'static str, name: &'static str) -> &'static str {
    if given(file).is_some() { name_of_file } else { name }
}

/// The PEM text of a pair of keys, and the name of the one that was taken.
fn pem(
    file: &Option<String>,
    inline: Option<&str>,
    names: (&'static str, &'static str),
    check: &mut Check<'_>,
) -> Option<(Vec<u8>, &'static str)> {
    if let Some(path) = given(file) {
        return Some((check.read(AT, names.0, path)?, names.0));
    }
    inline.map(|text| (text.as_bytes().to_vec(), names.1))
}

fn certificate(tls: &Tls, check: &mut Check<'_>) -> Option<Vec<CertificateDer<'static>>> {
    if given(&tls.cert).is_none() && given(&tls.cert_file).is_none() {
        check.problem(
            AT,
            "cert_file",
            "missing one of cert or cert_file; name the PEM file of the certificate",
        );
        return None;
    }
    let (text, name) = pem(&tls.cert_file, given(&tls.cert), ("cert_file", "cert"), check)?;
    certificates(&text, name, check)
}

fn certificates(text: &[u8], name: &str, check: &mut Check<'_>) -> Option<Vec<CertificateDer<'static>>> {
    match CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if !chain.is_empty() => Some(chain),
        Ok(_) | Err(_) => {
            check.problem(AT, name, "holds no PEM certificates that can be read");
            None
        }
    }
}

fn key(tls: &Tls, check: &mut Check<'_>) -> Option<PrivateKeyDer<'static>> {
    if inline_key(tls).is_none() && given(&tls.key_file).is_none() {
        check.problem(
            AT,
            "key_file",
            "missing one of key or key_file; name the PEM file of the private key",
        );
        return None;
    }
    let (text, name) = pem(&tls.key_file, inline_key(tls), ("key_file", "key"), check)?;
    // The reader's own words are left out: nothing of a key gets into a message.
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Some(key),
        Err(_) => {
            let message = "holds no PEM private key that can be read; an encrypted key must be decrypted first";
            check.problem(AT, name, message);
            None
        }
    }
}

fn client_certs(tls: &Tls, provider: &Arc<CryptoProvider>, check: &mut Check<'_>) -> Option<Arc<ClientCerts>> {
    let policy = match given(&tls.client_auth_type) {
        None => Policy::None,
        Some(name) => match Policy::named(name) {
            Some(policy) => policy,
            None => {
                let message = format!("this is not a policy; choose {}", Policy::NAMES);
                check.problem(AT, "client_auth_type", message);
                return None;
            }
        },
    };
    let ca = named(&tls.client_ca_file, "client_ca_file", "client_ca");
    let authorities = match pem(
        &tls.client_ca_file,
        given(&tls.client_ca),
        ("client_ca_file", "client_ca"),
        check,
    ) {
        Some((text, name)) => certificates(&text, name, check)?,
        None if given(&tls.client_ca_file).is_some() => return None,
        None => Vec::new(),
    };
    if policy == Policy::None && !authorities.is_empty() {
        check.problem(
            AT,
            ca,
            "a client CA without a client_auth_type checks nothing; add RequireAndVerifyClientCert",
        );
        return None;
    }
    if policy == Policy::RequireAndVerify && authorities.is_empty() {
        let message = "RequireAndVerifyClientCert needs client_ca or client_ca_file: without one it lets nobody in";
        check.problem(AT, "client_auth_type", message);
        return None;
    }
    let names = tls.client_allowed_sans.clone();
    if names.is_some() && !policy.requires() {
        let message = "needs the client_auth_type RequireAndVerifyClientCert or RequireAnyClientCert: with any other, a client \
                       without a certificate has no name to compare";
        check.problem(AT, "client_allowed_sans", message);
        return None;
    }
    match ClientCerts::new(policy, authorities, names, Arc::clone(provider)) {
        Ok(clients) => Some(Arc::new(clients)),
        Err(error) => {
            check.problem(AT, ca, format!("cannot be used: {error}"));
            None
        }
    }
}

fn versions(tls: &Tls, check: &mut Check<'_>) -> Option<Vec<&'static SupportedProtocolVersion>> {
    let mut bound = |text: &Option<String>, name: &str, default| {
        let Some(text) = given(text) else {
            return Some(default);
        };
        match names::version(text) {
            Ok(version) => return Some(version.version),
            Err(unknown) => {
                let why = unknown.in_words(text, "a version", NOT_SECURE);
                check.problem(AT, name, format!("{why}; choose TLS12 or TLS13"));
            }
        }
        None
    };
    let min = bound(&tls.min_version, "min_version", ProtocolVersion::TLSv1_2);
    let max = bound(&tls.max_version, "max_version", ProtocolVersion::TLSv1_3);
    let (min, max) = (u16::from(min?), u16::from(max?));
    if min > max {
        check.problem(AT, "min_version", "is above max_version");
        return None;
    }
    let between = |version: &&SupportedProtocolVersion| (min..=max).contains(&u16::from(version.version));
    Some([&version::TLS13, &version::TLS12].into_iter().filter(between).collect())
}

/// The cryptography that is allowed. After a problem it is what is left: nothing is served with it then.
fn provider(tls: &Tls, http2: bool, check: &mut Check<'_>) -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    let suites = cipher_suites(tls, check);
    if !suites.is_empty() {
        let is_new = |suite: &SupportedCipherSuite| suite.version().version == ProtocolVersion::TLSv1_3;
        let any_new = suites.iter().any(is_new);
        let any_old = suites.iter().any(|suite| !is_new(suite));
        // As in Go, a list without suites of TLS 1.3 says nothing about TLS 1.3.
        provider.cipher_suites.retain(|suite| is_new(suite) && !any_new);
        provider.cipher_suites.extend(suites);
        let names = &tls.cipher_suites;
        let serves_http2 = names.iter().any(|name| NEEDED_BY_HTTP2.contains(&&**name));
        if http2 && any_old && !serves_http2 && given(&tls.min_version) != Some("TLS13") {
            let needed = NEEDED_BY_HTTP2.join(" or ");
            let message = format!("HTTP/2 needs {needed}; add it, or set http_server_config.http2 to false");
            check.problem(AT, "cipher_suites", message);
        }
    }
    let groups = curves(tls, check);
    if !groups.is_empty() {
        provider.kx_groups = groups;
    }
    Arc::new(provider)
}

fn cipher_suites(tls: &Tls, check: &mut Check<'_>) -> Vec<SupportedCipherSuite> {
    each(
        &tls.cipher_suites,
        "cipher_suites",
        check,
        names::suite,
        |unknown, name| {
            let why = unknown.in_words(name, "a cipher suite", NOT_SECURE);
            format!("{why}; choose from {}", names::suites())
        },
    )
}

fn curves(tls: &Tls, check: &mut Check<'_>) -> Vec<&'static dyn SupportedKxGroup> {
    each(
        &tls.curve_preferences,
        "curve_preferences",
        check,
        names::curve,
        |unknown, name| {
            let why = unknown.in_words(name, "a curve", "because the TLS library in use does not have it");
            format!("{why}; choose from X25519, CurveP256, CurveP384")
        },
    )
}

/// What these names stand for; those that are unknown are noted in the list at `key`.
fn each<T>(
    names: &[String],
    key: &str,
    check: &mut Check<'_>,
    named: impl Fn(&str) -> Result<T, Unknown>,
    message: impl Fn(Unknown, &str) -> String,
) -> Vec<T> {
    let block = Path::Root.key(AT);
    let list = block.key(key);
    let mut found = Vec::new();
    for (index, name) in names.iter().enumerate() {
        match named(name) {
            Ok(known) => found.push(known),
            Err(unknown) => check.rules.problem(&list.index(index), message(unknown, name)),
        }
    }
    found
}
