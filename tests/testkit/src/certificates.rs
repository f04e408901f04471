//! Certificates, made for one test.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Pair {
    /// Both in one text, as clients take them.
    pub(crate) fn together(&self) -> String {
        format!("{}\n{}", self.cert, self.key)
    }
}

/// An authority.
pub(crate) struct Authority {
    pub(crate) cert: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap().pem();
        Self {
            cert,
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn server(&self) -> Pair {
        self.sign(params(&["localhost"], ExtendedKeyUsagePurpose::ServerAuth))
    }

    pub(crate) fn client(&self, names: &[&str]) -> Pair {
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
pub(crate) fn self_signed(names: &[&str], authority: bool) -> Pair {
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

fn params(names: &[&str], purpose: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
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
