//! Certificates, made for one test and signed by authorities of its own.
//!
//! As PEM, which is what files hold; in the form that a TLS library wants, on request.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate and its key, as files have them.
#[derive(Clone)]
pub struct Pair {
    /// The certificate, as PEM.
    pub cert: String,
    /// The key, as PEM.
    pub key: String,
}

impl Pair {
    /// Both in one text, as clients take them.
    pub fn together(&self) -> String {
        format!("{}\n{}", self.cert, self.key)
    }

    /// The certificate as it travels.
    pub fn cert_der(&self) -> CertificateDer<'static> {
        der(&self.cert)
    }

    /// The key as libraries take it.
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }
}

/// An authority that nobody knows but the test.
pub struct Authority {
    /// Its certificate, as PEM.
    pub cert: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// One of two authorities needs another name, or the other's certificates would look like forged ones of its own.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap().pem();
        Self {
            cert,
            issuer: Issuer::new(params, key),
        }
    }

    /// Its certificate as it travels.
    pub fn cert_der(&self) -> CertificateDer<'static> {
        der(&self.cert)
    }

    /// A good certificate for a server of this name or address.
    pub fn server(&self, host: &str) -> Pair {
        self.sign(params(&[host], ExtendedKeyUsagePurpose::ServerAuth))
    }

    /// One for a server in another century.
    pub fn expired_server(&self, host: &str) -> Pair {
        let mut params = params(&[host], ExtendedKeyUsagePurpose::ServerAuth);
        params.not_before = date_time_ymd(1999, 1, 1);
        params.not_after = date_time_ymd(1999, 12, 31);
        self.sign(params)
    }

    /// One for a client with these names.
    pub fn client(&self, names: &[&str]) -> Pair {
        self.sign(params(names, ExtendedKeyUsagePurpose::ClientAuth))
    }

    fn sign(&self, params: CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        Pair {
            cert: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A certificate that nobody else signed; `authority` as `openssl req -x509` makes them.
pub fn self_signed(names: &[&str], authority: bool) -> Pair {
    let mut params = params(names, ExtendedKeyUsagePurpose::ClientAuth);
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    Pair {
        cert: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn params(names: &[&str], purpose: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::new([]).unwrap();
    params.subject_alt_names = names.iter().map(|name| san(name)).collect();
    params.extended_key_usages = vec![purpose];
    params
}

fn san(name: &str) -> SanType {
    if let Ok(address) = name.parse::<IpAddr>() {
        SanType::IpAddress(address)
    } else if name.contains("://") {
        SanType::URI(name.try_into().unwrap())
    } else if name.contains('@') {
        SanType::Rfc822Name(name.try_into().unwrap())
    } else {
        SanType::DnsName(name.try_into().unwrap())
    }
}
