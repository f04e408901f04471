//! How requests reach the vendor: over the network, or whatever else a test puts in its place.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use exporter_toolkit::watched::Digest;
use futures_util::future::BoxFuture;
use reqwest::{Certificate, Identity, Proxy, Request, Response, Url, redirect, retry};

use super::error::{Error, Interruption, root_cause};
use crate::config::{ClientTls, HttpClient, Secret, SecretError};

/// A connection that is not there after this long is not worth more of `request_timeout`.
const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Carries one request to the vendor and brings the answer's head; the body streams behind it.
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends a request. Never follows a redirect, never retries.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Error>>;

    /// Is shown the body of the answer that was sent last, once it is there as a whole and unpacked. Only a [`Recorder`] looks.
    ///
    /// [`Recorder`]: super::Recorder
    fn received(&self, _body: &[u8]) {}
}

/// The network. Connections are kept and reused; HTTP/2 is used where the server offers it.
#[derive(Debug)]
pub struct Network(reqwest::Client);

/// A client cannot be built from what the configuration names.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ClientError(String);

impl From<SecretError> for ClientError {
    fn from(error: SecretError) -> Self {
        Self(format!("the key or the secret {error}"))
    }
}

/// What decides whom requests reach and as whom, by value: a client that is made from the same fares no better.
#[derive(Debug, PartialEq, Eq)]
pub struct Connection {
    base_url: Url,
    proxy_url: Option<Secret>,
    insecure_skip_verify: bool,
    /// Authorities, certificate and key; `None` where there is no file, or none that can be read.
    files: [Option<Digest>; 3],
}

impl Connection {
    /// To `base_url` as `settings` say. Reads the files that they name.
    pub fn new(base_url: &Url, settings: &HttpClient) -> Self {
        let tls = &settings.tls;
        let digest = |path: &Option<PathBuf>| Some(Digest::of(&fs::read(path.as_ref()?).ok()?));
        Self {
            base_url: base_url.clone(),
            proxy_url: settings.proxy_url.clone(),
            insecure_skip_verify: tls.insecure_skip_verify,
            files: [&tls.ca_file, &tls.cert_file, &tls.key_file].map(digest),
        }
    }
}

impl Network {
    /// Connects to `base_url`'s host as `settings` say, with `request_timeout` as the upper bound for connecting too, and keeps up to
    /// `max_connections` open.
    ///
    /// # Errors
    /// If the TLS files or the proxy address cannot be used, or if TLS is needed on a host without any authorities; the message says
    /// what is wrong with which.
    pub fn new(
        base_url: &Url,
        settings: &HttpClient,
        request_timeout: Duration,
        max_connections: usize,
    ) -> Result<Self, ClientError> {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("laaffic-exporter/", env!("CARGO_PKG_VERSION")))
            // Signed headers do not travel to another host, and every request that is sent is one that was counted.
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            // Only the proxy that the configuration names, none that happens to be in the environment.
            .no_proxy()
            .pool_max_idle_per_host(max_connections)
            .tcp_nodelay(true)
            .connect_timeout(request_timeout.min(MAX_CONNECT_TIMEOUT));
        let proxy_speaks_tls = settings
            .proxy_url
            .as_ref()
            .is_some_and(|url| url.expose().starts_with("https:"));
        let needs_tls = base_url.scheme() == "https" || proxy_speaks_tls;
        let builder = with_proxy(with_tls(builder, &settings.tls, needs_tls)?, settings)?;
        let client = builder.build().map_err(|error| {
            let cause = root_cause(&error);
            ClientError(format!(
                "the HTTP client cannot be built: {cause}; install the host's CA certificates or set tls_config.ca_file"
            ))
        })?;
        Ok(Self(client))
    }
}

impl Transport for Network {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Error>> {
        let sent = self.0.execute(request);
        Box::pin(async {
            sent.await
                .map_err(|error| Error::from_transport(error, Interruption::Reset))
        })
    }
}

/// Makes ring the provider of TLS in this process, which every HTTP client needs, even for plain HTTP.
pub fn use_ring() {
    // Fails where a provider is installed already, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Adds what `tls` says; where TLS is not `needed`, a host without authorities will do.
pub(crate) fn with_tls(
    mut builder: reqwest::ClientBuilder,
    tls: &ClientTls,
    needed: bool,
) -> Result<reqwest::ClientBuilder, ClientError> {
    use_ring();
    if let Some(path) = &tls.ca_file {
        let authorities = Certificate::from_pem_bundle(&read(path)?).map_err(|_| unusable(path, "PEM certificates"))?;
        if authorities.is_empty() {
            return Err(unusable(path, "PEM certificates"));
        }
        builder = builder.tls_certs_only(authorities);
    } else if !needed || tls.insecure_skip_verify {
        // Without this the host's authorities are loaded, which a minimal container may not have, and which are not asked here.
        builder = builder.tls_certs_only([]);
    }
    if let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) {
        let mut pem = read(cert)?;
        pem.push(b'\n');
        pem.extend(read(key)?);
        let identity = Identity::from_pem(&pem).map_err(|_| {
            ClientError(format!(
                "{} and {} are not a PEM certificate chain and its private key; check that both files belong together",
                cert.display(),
                key.display()
            ))
        })?;
        builder = builder.identity(identity);
    }
    Ok(builder.tls_danger_accept_invalid_certs(tls.insecure_skip_verify))
}

fn with_proxy(builder: reqwest::ClientBuilder, settings: &HttpClient) -> Result<reqwest::ClientBuilder, ClientError> {
    match &settings.proxy_url {
        None => Ok(builder),
        // The library's own message could quote the address, which may hold a password.
        Some(url) => match Proxy::all(url.expose()) {
            Ok(proxy) => Ok(builder.proxy(proxy)),
            Err(_) => Err(ClientError(
                "proxy_url cannot be used as a proxy; write it like http://proxy:3128".to_owned(),
            )),
        },
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ClientError> {
    fs::read(path).map_err(|error| ClientError(format!("{} cannot be read: {error}", path.display())))
}

fn unusable(path: &Path, wanted: &str) -> ClientError {
    ClientError(format!("{} holds no {wanted}", path.display()))
}
