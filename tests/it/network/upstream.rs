//! Asking as the exporter does, and servers that do with a connection what a test says.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use exporter_toolkit::clock::SystemClock;
use laaffic_exporter::api::{CallOptions, Client, ClockOffset, CredentialPair, Error, FlowPage, Network};
use laaffic_exporter::config::{HttpClient, Secret};
use laaffic_exporter::model::KeyId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Time that no exchange here needs, however busy the machine is.
pub(crate) const AMPLE: Duration = Duration::from_secs(30);

/// Time for exchanges that use it up.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

pub(crate) const API_KEY: &str = "bDqJFiq9";
pub(crate) const API_SECRET: &str = "7bz1lzh9";

/// A good answer's body.
pub(crate) const GOOD: &str = r#"{"code":0,"msg":"success","data":{"keyId":12,"status":1,"nodeList":[]}}"#;

/// A client for this upstream.
pub(crate) fn client(base_url: &str, settings: &HttpClient, timeout: Duration) -> Client {
    let base_url = base_url.parse().unwrap();
    Client::new(
        &base_url,
        Arc::new(Network::new(&base_url, settings, timeout, 4).unwrap()),
        timeout,
        Arc::new(SystemClock),
    )
}

/// Asks for flow 12.
pub(crate) async fn ask(client: &Client) -> Result<FlowPage, Error> {
    let key_id = KeyId::new(12).unwrap();
    let credentials = CredentialPair {
        api_key: Secret::new(API_KEY),
        api_secret: Secret::new(API_SECRET),
    };
    let options = CallOptions {
        credentials: &credentials,
        clock_offset: ClockOffset::default(),
        timeout: Duration::MAX,
    };
    client.query_detail(key_id, None, options).await.result
}

/// Asks an upstream once, with nothing configured.
pub(crate) async fn ask_once(base_url: &str, timeout: Duration) -> Result<FlowPage, Error> {
    ask(&client(base_url, &HttpClient::default(), timeout)).await
}

/// What a server does with a connection on which it has sent what it sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Then {
    /// Ends it in good order.
    End,
    /// Ends it with a reset.
    Reset,
    /// Leaves it as it is.
    Hold,
    /// Goes on as a tunnel to this address.
    Connect(SocketAddr),
}

/// A server that does the same with every connection. It goes with all its connections when it is dropped.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Upstream {
    /// A server that hands each connection to a function.
    pub(crate) async fn start<F, S>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                connections.spawn(serve(stream));
            }
        });
        Self {
            address,
            accepted,
            heard: Arc::default(),
            server,
        }
    }

    /// A server that reads a request, sends these bytes and ends the connection.
    pub(crate) async fn sending(bytes: impl Into<Vec<u8>>) -> Self {
        Self::sending_then(bytes, Then::End).await
    }

    /// A server that reads a request and remembers it, sends these bytes, and then does that.
    pub(crate) async fn sending_then(bytes: impl Into<Vec<u8>>, then: Then) -> Self {
        let bytes: Arc<[u8]> = bytes.into().into();
        let heard = Arc::default();
        let ears: Arc<Mutex<Vec<String>>> = Arc::clone(&heard);
        let started = Self::start(move |mut stream| {
            let (bytes, ears) = (Arc::clone(&bytes), Arc::clone(&ears));
            async move {
                let request = read_request(&mut stream).await;
                ears.lock().unwrap().push(request);
                send(&mut stream, &bytes).await;
                match then {
                    Then::End => {}
                    Then::Reset => stream.set_zero_linger().unwrap(),
                    Then::Hold => std::future::pending().await,
                    Then::Connect(target) => {
                        let mut onward = TcpStream::connect(target).await.unwrap();
                        let _ = copy_bidirectional(&mut stream, &mut onward).await;
                    }
                }
            }
        });
        let mut started = started.await;
        started.heard = heard;
        started
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v3", self.address)
    }

    /// The same for who speaks TLS to it.
    pub(crate) fn https(&self) -> String {
        format!("https://{}/v3", self.address)
    }

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// The only request that came.
    pub(crate) fn heard(&self) -> String {
        let heard = self.heard.lock().unwrap();
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard[0].clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Sends as much as the other side takes.
pub(crate) async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    // A client that has seen enough may be gone.
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
}

/// Reads one request to the end of its body and gives its text; less, or nothing, where the connection ends before.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= content_length(head)
        {
            return text.into_owned();
        }
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return String::from_utf8_lossy(&request).into_owned();
        }
    }
}

fn content_length(head: &str) -> usize {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.map_or(0, |(_, length)| length.parse().unwrap())
}

/// A whole answer with status 200 and this body.
pub(crate) fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A port that refuses connections, for as long as this is kept.
pub(crate) fn closed_port() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    // Bound, so that nobody else gets the port, but not listening.
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}
