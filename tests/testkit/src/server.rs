//! A server with a web-config file in a folder of its own, and clients for it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use exporter_toolkit::server::{Guard, Server};
use exporter_toolkit::web_config::LiveWebConfig;
use laaffic_exporter::config::LoadError;
use reqwest::{Certificate, Client, ClientBuilder, Identity, StatusCode};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::pki::{Authority, Pair};

/// The server's certificate in a web-config file.
pub(crate) const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

/// How long anything in these tests may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a web-config file and what it names.
pub(crate) struct Folder {
    folder: TempDir,
    pub(crate) authority: Authority,
}

impl Folder {
    pub(crate) fn new(text: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = Authority::new("server authority");
        let folder = Self {
            folder: tempfile::tempdir().unwrap(),
            authority,
        };
        folder.write("web.yaml", text);
        folder.write_pair("server", &folder.authority.server());
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.path().join("web.yaml")
    }

    /// As a careful tool does it: the path never shows half a file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let new = self.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path().join(name)).unwrap();
    }

    pub(crate) fn write_pair(&self, name: &str, pair: &Pair) {
        self.write(&format!("{name}.crt"), &pair.cert);
        self.write(&format!("{name}.key"), &pair.key);
    }

    pub(crate) fn load(&self) -> Result<LiveWebConfig, LoadError> {
        LiveWebConfig::open(&self.file())
    }

    pub(crate) async fn serve(self) -> World {
        World::new(self, pages()).await
    }
}

pub(crate) fn pages() -> Router {
    let numbers = "# TYPE answer gauge\nanswer 42\n";
    Router::new()
        .route("/", get(|| async { "here\n" }))
        .route("/metrics", get(move || async move { numbers }))
}

/// A running server.
pub(crate) struct World {
    pub(crate) folder: Folder,
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

impl World {
    pub(crate) async fn with(text: &str) -> Self {
        Folder::new(text).serve().await
    }

    pub(crate) async fn new(folder: Folder, pages: Router) -> Self {
        let live = Arc::new(folder.load().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(Server::new(Guard::new(pages, live)).serve(listener, stop.clone()));
        Self {
            folder,
            address,
            stop,
            serving,
        }
    }

    /// Stops the server, and waits until it has ended everything.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.serving).await.unwrap().unwrap();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let tls = fs::read_to_string(self.folder.file())
            .unwrap()
            .contains("tls_server_config");
        let scheme = if tls { "https" } else { "http" };
        format!("{scheme}://localhost:{}{path}", self.address.port())
    }

    pub(crate) fn builder(&self) -> ClientBuilder {
        self.trusting(&self.folder.authority)
    }

    /// Of a client that trusts this authority alone.
    pub(crate) fn trusting(&self, authority: &Authority) -> ClientBuilder {
        let authority = Certificate::from_pem(authority.cert.as_bytes()).unwrap();
        Client::builder()
            .tls_certs_only([authority])
            .no_proxy()
            .timeout(PATIENCE)
            .resolve("localhost", self.address)
    }

    /// A client that begins with a new connection.
    pub(crate) fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub(crate) fn client_as(&self, pair: &Pair) -> Client {
        let identity = Identity::from_pem(pair.together().as_bytes()).unwrap();
        self.builder().identity(identity).build().unwrap()
    }

    /// Whether this client gets the page.
    pub(crate) async fn lets_in(&self, client: &Client) -> bool {
        match client.get(self.url("/")).send().await {
            Ok(response) => response.status() == StatusCode::OK,
            Err(_) => false,
        }
    }

    pub(crate) async fn status(&self, client: &Client) -> Option<StatusCode> {
        let response = client.get(self.url("/")).send().await;
        response.ok().map(|response| response.status())
    }
}

/// Asks until it is so; changes of files are seen within a second.
pub(crate) async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let tried = async { while !is_so().await {} };
    tokio::time::timeout(PATIENCE, tried).await.expect("it never was so");
}
