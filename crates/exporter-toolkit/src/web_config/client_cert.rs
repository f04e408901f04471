//! Client certificates: the five policies of Go's `tls.ClientAuthType`, and the list of allowed names.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::oid::db::rfc5280::{ANY_EXTENDED_KEY_USAGE, ID_KP_CLIENT_AUTH};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{ExtendedKeyUsage, SubjectAltName};

/// What is asked of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    None,
    Request,
    RequireAny,
    VerifyIfGiven,
    RequireAndVerify,
}

impl Policy {
    pub(super) const NAMES: &'static str =
        "NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert";

    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "NoClientCert" => Self::None,
            "RequestClientCert" => Self::Request,
            // The second name is the toolkit's old one.
            "RequireAnyClientCert" | "RequireClientCert" => Self::RequireAny,
            "VerifyClientCertIfGiven" => Self::VerifyIfGiven,
            "RequireAndVerifyClientCert" => Self::RequireAndVerify,
            _ => return None,
        })
    }

    pub(super) fn requires(self) -> bool {
        matches!(self, Self::RequireAny | Self::RequireAndVerify)
    }

    fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }
}

/// Judges the certificates of clients.
#[derive(Debug)]
pub(super) struct ClientCerts {
    policy: Policy,
    /// `None` where no authority is configured: then nothing can be verified.
    chains: Option<Arc<dyn ClientCertVerifier>>,
    /// The configured authorities. Go lets a certificate that is among them in as it is, be it made for an authority or not; that is
    /// how self-signed client certificates are used.
    trusted: Vec<CertificateDer<'static>>,
    allowed_names: Option<Vec<String>>,
    provider: Arc<CryptoProvider>,
}

impl ClientCerts {
    /// # Errors
    /// If an authority's certificate cannot be used.
    pub(super) fn new(
        policy: Policy,
        trusted: Vec<CertificateDer<'static>>,
        allowed_names: Option<Vec<String>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for authority in &trusted {
            roots.add(authority.clone()).map_err(|error| error.to_string())?;
        }
        let chains = if roots.is_empty() {
            None
        } else {
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
            Some(builder.build().map_err(|error| error.to_string())?)
        };
        Ok(Self {
            policy,
            chains,
            trusted,
            allowed_names,
            provider,
        })
    }

    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let Some(chains) = &self.chains else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        if self.trusted.iter().any(|trusted| trusted == certificate) {
            return check_own(certificate, now);
        }
        chains.verify_client_cert(certificate, intermediates, now).map(drop)
    }
}

/// What remains to be checked of a certificate that is trusted as it is.
fn check_own(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let certificate = parse(certificate)?;
    let validity = certificate.tbs_certificate().validity();
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    let purposes = certificate.tbs_certificate().get_extension::<ExtendedKeyUsage>();
    match purposes.map_err(bad_encoding)? {
        Some((_, ExtendedKeyUsage(purposes)))
            if !purposes.contains(&ID_KP_CLIENT_AUTH) && !purposes.contains(&ANY_EXTENDED_KEY_USAGE) =>
        {
            Err(CertificateError::InvalidPurpose.into())
        }
        Some(_) | None => Ok(()),
    }
}

/// What it says.
fn parse(certificate: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::from_der(certificate).map_err(bad_encoding)
}

fn bad_encoding(_: x509_cert::der::Error) -> Error {
    CertificateError::BadEncoding.into()
}

/// Whether one of the certificate's alternative names is, letter by letter, one of these.
fn has_name(certificate: &CertificateDer<'_>, allowed: &[String]) -> Result<bool, Error> {
    let certificate = parse(certificate)?;
    let names = certificate.tbs_certificate().get_extension::<SubjectAltName>();
    let Some((_, SubjectAltName(names))) = names.map_err(bad_encoding)? else {
        return Ok(false);
    };
    Ok(names.iter().any(|name| match name {
        GeneralName::DnsName(text) | GeneralName::Rfc822Name(text) | GeneralName::UniformResourceIdentifier(text) => {
            allowed.iter().any(|allowed| allowed == text.as_str())
        }
        GeneralName::IpAddress(bytes) => address(bytes.as_bytes()).is_some_and(|address| {
            allowed
                .iter()
                .any(|allowed| allowed.parse::<IpAddr>().is_ok_and(|allowed| allowed == address))
        }),
        _ => false,
    }))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(bytes.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

impl ClientCertVerifier for ClientCerts {
    fn offer_client_auth(&self) -> bool {
        self.policy != Policy::None
    }

    fn client_auth_mandatory(&self) -> bool {
        self.policy.requires()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match &self.chains {
            Some(chains) if self.policy.verifies() => chains.root_hint_subjects(),
            // Any will do, so none is hinted at.
            _ => &[],
        }
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.policy.verifies() {
            self.verify(certificate, intermediates, now)?;
        }
        if let Some(allowed) = &self.allowed_names
            && !has_name(certificate, allowed)?
        {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    // Whatever the policy: that the client has the certificate's key is always checked.

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
