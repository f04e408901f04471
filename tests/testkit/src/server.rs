//! A server with a web-config file, within the process, and clients for it.
//!
//! A [`WebFolder`] has the file and what it names; what is written there the running server sees.

use std::fs;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use exporter_toolkit::server::{Guard, Server};
use exporter_toolkit::web_config::LiveWebConfig;
use laaffic_exporter::config::LoadError;
use reqwest::{Certificate, Client, ClientBuilder, Identity, StatusCode};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::answer;
use crate::certificates::{Authority, Pair};
use crate::folder::Folder;
use crate::wait::PATIENCE;

/// The server's certificate in a web-config file.
pub const TLS: &str = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n";

/// A folder with a web-config file, `web.yaml`, and the server's certificate.
pub struct WebFolder {
    folder: Folder,
    /// The server certificate's.
    pub authority: Authority,
}

impl Deref for WebFolder {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl WebFolder {
    /// One with this text as its web-config file.
    pub fn new(text: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = Authority::new("server authority");
        let folder = Self {
            folder: Folder::with([("web.yaml", text), ("ca.crt", &*authority.cert)]),
            authority,
        };
        folder.write_pair("server", &folder.authority.server("localhost"));
        folder
    }

    /// Where the web-config file is.
    pub fn web_yaml(&self) -> PathBuf {
        self.file("web.yaml")
    }

    /// Puts a certificate and its key there, as `NAME.crt` and `NAME.key`.
    pub fn write_pair(&self, name: &str, pair: &Pair) {
        self.write(&format!("{name}.crt"), &pair.cert);
        self.write(&format!("{name}.key"), &pair.key);
    }

    /// Reads it.
    pub fn load(&self) -> Result<LiveWebConfig, LoadError> {
        LiveWebConfig::open(&self.web_yaml())
    }

    /// Serves two pages with it.
    pub async fn serve(self) -> WebServer {
        WebServer::new(self, pages()).await
    }
}

fn pages() -> Router {
    let numbers = "# TYPE answer gauge\nanswer 42\n";
    Router::new()
        .route("/", get(|| async { "here\n" }))
        .route("/metrics", get(move || async move { numbers }))
}

/// Of a client that trusts this authority alone, and for which `localhost` is this address.
pub fn trusting(authority: &Authority, address: SocketAddr) -> ClientBuilder {
    let authority = Certificate::from_pem(authority.cert.as_bytes()).unwrap();
    answer::client()
        .tls_certs_only([authority])
        .resolve("localhost", address)
}

/// A running server.
pub struct WebServer {
    /// Its web-config file, and what that names.
    pub folder: WebFolder,
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

impl WebServer {
    /// A server of two pages with this web-config file.
    pub async fn with(text: &str) -> Self {
        WebFolder::new(text).serve().await
    }

    /// A server of these pages.
    pub async fn new(folder: WebFolder, pages: Router) -> Self {
        let live = Arc::new(folder.load().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(Server::new(Guard::new(pages, live).unwrap()).serve(listener, stop.clone()));
        Self {
            folder,
            address,
            stop,
            serving,
        }
    }

    /// Stops the server, and waits until it has ended everything.
    pub async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.serving).await.unwrap().unwrap();
    }

    /// Where one of its pages is.
    pub fn url(&self, path: &str) -> String {
        let web_config = fs::read_to_string(self.folder.web_yaml()).unwrap();
        let scheme = if web_config.contains("tls_server_config") {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://localhost:{}{path}", self.address.port())
    }

    /// Of a client that trusts the server's authority.
    pub fn builder(&self) -> ClientBuilder {
        self.trusting(&self.folder.authority)
    }

    /// Of a client that trusts this authority alone.
    pub fn trusting(&self, authority: &Authority) -> ClientBuilder {
        trusting(authority, self.address)
    }

    /// A client that begins with a new connection.
    pub fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    /// A client with this certificate.
    pub fn client_as(&self, pair: &Pair) -> Client {
        let identity = Identity::from_pem(pair.together().as_bytes()).unwrap();
        self.builder().identity(identity).build().unwrap()
    }

    /// Whether this client gets the page.
    pub async fn lets_in(&self, client: &Client) -> bool {
        self.status(client).await == Some(StatusCode::OK)
    }

    /// What it answers, if anything.
    pub async fn status(&self, client: &Client) -> Option<StatusCode> {
        let response = client.get(self.url("/")).send().await;
        response.ok().map(|response| response.status())
    }
}
