//! A TLS server as real ones are, on the TLS library that the exporter uses too.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, Version};
use axum::serve::Listener;
use laaffic_exporter::config::{ClientTls, HttpClient};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::upstream::GOOD;
use testkit::certificates::{Authority, Pair};
use testkit::folder::Folder;

/// How a server greets: with both versions of TLS and no list of protocols, unless told otherwise.
#[derive(Clone, Copy)]
pub(crate) struct TlsOptions<'a> {
    identity: &'a Pair,
    client_authority: Option<&'a Authority>,
    versions: &'static [&'static SupportedProtocolVersion],
    alpn: &'a [&'static str],
}

impl<'a> TlsOptions<'a> {
    pub(crate) fn new(identity: &'a Pair) -> Self {
        Self {
            identity,
            client_authority: None,
            versions: rustls::ALL_VERSIONS,
            alpn: &[],
        }
    }

    /// Clients need a certificate of this authority.
    pub(crate) fn clients_of(self, authority: &'a Authority) -> Self {
        let client_authority = Some(authority);
        Self {
            client_authority,
            ..self
        }
    }

    pub(crate) fn versions(self, versions: &'static [&'static SupportedProtocolVersion]) -> Self {
        Self { versions, ..self }
    }

    pub(crate) fn alpn(self, alpn: &'a [&'static str]) -> Self {
        Self { alpn, ..self }
    }

    pub(crate) async fn start(self) -> TlsServer {
        TlsServer::start(&self.acceptor()).await
    }

    fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(self.versions)
            .unwrap();
        let builder = match self.client_authority {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.cert_der()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let mut config = builder
            .with_single_cert(vec![self.identity.cert_der()], self.identity.key_der())
            .unwrap();
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// What makes TLS of a connection, where a test serves it by itself.
pub(crate) fn acceptor(identity: &Pair) -> TlsAcceptor {
    TlsOptions::new(identity).acceptor()
}

/// A client's settings with this TLS.
pub(crate) fn over(tls: ClientTls) -> HttpClient {
    HttpClient {
        tls,
        ..HttpClient::default()
    }
}

/// Trust in this authority alone.
pub(crate) fn trusting(authority: &Authority, files: &Folder) -> ClientTls {
    ClientTls {
        ca_file: Some(files.write("ca.pem", &authority.cert)),
        ..ClientTls::default()
    }
}

/// A server that gives everybody a good answer and remembers who came.
pub(crate) struct TlsServer {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<(Version, HeaderMap)>>>,
    server: JoinHandle<()>,
}

impl TlsServer {
    async fn start(acceptor: &TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let listener = TlsListener {
            listener,
            acceptor: acceptor.clone(),
            accepted: Arc::clone(&accepted),
        };
        let guests = Arc::clone(&seen);
        let router = Router::new().fallback(async move |request: Request| {
            let guest = (request.version(), request.headers().clone());
            guests.lock().unwrap().push(guest);
            GOOD
        });
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            accepted,
            seen,
            server,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}/v3", self.address)
    }

    /// How many connections got through the handshake.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// The requests that came.
    pub(crate) fn seen(&self) -> Vec<(Version, HeaderMap)> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    accepted: Arc<AtomicUsize>,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, peer) = self.listener.accept().await.unwrap();
            // A handshake that fails has told the client why by now.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                self.accepted.fetch_add(1, Ordering::Relaxed);
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
