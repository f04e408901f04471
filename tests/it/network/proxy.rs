//! The proxy that is configured, and no other.

use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use laaffic_exporter::api::{Error, FlowPage};
use laaffic_exporter::config::{ClientTls, HttpClient, Secret};
use laaffic_exporter::model::Outcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use super::authority::{Authority, Files};
use super::tls_server::{Manners, TlsServer, trusting};
use super::upstream::{
    AMPLE, API_KEY, API_SECRET, GOOD, SHORT, Upstream, answer, ask, ask_once, client, closed_port, read_request, send,
};

/// `user:hunter2` as it travels.
const BASIC: &str = "dXNlcjpodW50ZXIy";

fn through(proxy: &str, tls: ClientTls) -> HttpClient {
    HttpClient {
        proxy_url: Some(Secret::new(proxy)),
        tls,
    }
}

fn with_password(upstream: &Upstream) -> String {
    format!("http://user:hunter2@{}", upstream.address)
}

/// Asks through a proxy with a password, and looks for that in everything there is to print.
async fn ask_through(base_url: &str, proxy: &str, tls: ClientTls) -> Result<FlowPage, Error> {
    let client = client(base_url, &through(proxy, tls), AMPLE);
    let result = ask(&client).await;
    let mut printed = format!("{client:?} {client:#?} {result:?}");
    if let Err(error) = &result {
        printed.push_str(&error.to_string());
    }
    for secret in ["hunter2", BASIC, API_KEY, API_SECRET] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    result
}

/// What a proxy was told, in the order it came.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    async fn listen(&self, stream: &mut TcpStream) {
        let request = read_request(stream).await;
        self.0.lock().unwrap().push(request);
    }

    fn only(&self) -> String {
        let heard = self.0.lock().unwrap();
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard[0].clone()
    }
}

/// A proxy that remembers what it is told, and answers itself.
async fn proxy_answering(bytes: impl Into<Vec<u8>>) -> (Upstream, Heard) {
    let heard = Heard::default();
    let ears = heard.clone();
    let bytes: Arc<[u8]> = bytes.into().into();
    let proxy = Upstream::start(move |mut stream| {
        let (ears, bytes) = (ears.clone(), Arc::clone(&bytes));
        async move {
            ears.listen(&mut stream).await;
            send(&mut stream, &bytes).await;
        }
    })
    .await;
    (proxy, heard)
}

#[tokio::test]
async fn plain_requests_go_to_the_proxy_in_absolute_form() {
    let (proxy, heard) = proxy_answering(answer(GOOD.as_bytes())).await;
    let url = "http://upstream.invalid/v3";
    ask_through(url, &with_password(&proxy), ClientTls::default())
        .await
        .unwrap();
    let request = heard.only();
    assert!(
        request.starts_with("POST http://upstream.invalid/v3/voice/recallFlow/queryDetail HTTP/1.1\r\n"),
        "{request}"
    );
    let head = request.to_lowercase();
    assert!(head.contains("\r\nhost: upstream.invalid\r\n"), "{request}");
    assert!(
        head.contains(&format!("\r\nproxy-authorization: basic {}\r\n", BASIC.to_lowercase())),
        "{request}"
    );
}

#[tokio::test]
async fn what_the_proxy_answers_to_a_plain_request_is_an_answer() {
    for status in [407, 502] {
        let bytes = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
        let (proxy, _) = proxy_answering(bytes).await;
        let url = "http://upstream.invalid/v3";
        match ask_through(url, &with_password(&proxy), ClientTls::default()).await {
            Err(Error::HttpStatus { status: told, .. }) => assert_eq!(told, status),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_and_the_password_stays_with_the_proxy() {
    let (authority, files) = (Authority::new("ours"), Files::new());
    let identity = authority.server();
    let server = TlsServer::start(&Manners::new(&identity)).await;
    let heard = Heard::default();
    let ears = heard.clone();
    let target = server.address;
    let proxy = Upstream::start(move |mut stream| {
        let ears = ears.clone();
        async move {
            ears.listen(&mut stream).await;
            let mut onward = TcpStream::connect(target).await.unwrap();
            send(&mut stream, b"HTTP/1.1 200 Connection established\r\n\r\n").await;
            let _ = copy_bidirectional(&mut stream, &mut onward).await;
        }
    })
    .await;
    let tls = trusting(&authority, &files);
    ask_through(&server.url(), &with_password(&proxy), tls).await.unwrap();
    let request = heard.only();
    assert!(
        request.starts_with(&format!("CONNECT {target} HTTP/1.1\r\n")),
        "{request}"
    );
    assert!(request.contains(BASIC), "{request}");
    assert!(!request.contains(API_KEY), "{request}");
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert!(!seen[0].1.contains_key("proxy-authorization"));
    assert_eq!(seen[0].1["api-key"], API_KEY);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_no_connection() {
    let (_socket, closed) = closed_port();
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://upstream.invalid/v3");
        for proxy in [
            format!("http://user:hunter2@{closed}"),
            format!("socks5h://user:hunter2@{closed}"),
        ] {
            let error = ask_through(&url, &proxy, ClientTls::default()).await.unwrap_err();
            assert!(matches!(&error, Error::Connect(_)), "{url} by {proxy}: {error:?}");
        }
    }
    for refusal in [
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\n\r\n",
        "",
    ] {
        let (proxy, _) = proxy_answering(refusal).await;
        let url = "https://upstream.invalid/v3";
        let error = ask_through(url, &with_password(&proxy), ClientTls::default())
            .await
            .unwrap_err();
        assert!(matches!(&error, Error::Connect(_)), "{refusal:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_resets_instead_of_a_tunnel_is_no_connection() {
    let proxy = Upstream::start(|mut stream| async move {
        read_request(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    let url = "https://upstream.invalid/v3";
    let error = ask_through(url, &with_password(&proxy), ClientTls::default())
        .await
        .unwrap_err();
    assert!(matches!(&error, Error::Connect(_)), "{error:?}");
}

#[tokio::test]
async fn a_socks_proxy_that_cannot_reach_the_upstream_is_no_connection() {
    let proxy = Upstream::start(|mut stream| async move {
        let mut greeting = [0; 3];
        stream.read_exact(&mut greeting).await.unwrap();
        // No authentication needed; then, to whatever is asked: connection refused (RFC 1928).
        stream.write_all(&[5, 0]).await.unwrap();
        let _ = stream.read(&mut [0; 512]).await;
        send(&mut stream, &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    })
    .await;
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://upstream.invalid/v3");
        let address = format!("socks5h://{}", proxy.address);
        let error = ask_through(&url, &address, ClientTls::default()).await.unwrap_err();
        assert!(matches!(&error, Error::Connect(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_silent_proxy_is_a_timeout() {
    let proxy = Upstream::sending_and_holding("").await;
    for scheme in ["http", "https"] {
        let settings = through(&with_password(&proxy), ClientTls::default());
        let client = client(&format!("{scheme}://upstream.invalid/v3"), &settings, SHORT);
        let error = ask(&client).await.unwrap_err();
        assert!(matches!(error, Error::Timeout), "{error:?}");
    }
}

#[tokio::test]
async fn a_failure_of_tls_behind_a_tunnel_is_one_of_tls() {
    let established = "HTTP/1.1 200 Connection established\r\n\r\n";
    let (hangs_up, _) = proxy_answering(established).await;
    let speaks_plainly = Upstream::start(move |mut stream| async move {
        read_request(&mut stream).await;
        send(&mut stream, established.as_bytes()).await;
        stream.read_u8().await.unwrap();
        send(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    for proxy in [hangs_up, speaks_plainly] {
        let url = "https://upstream.invalid/v3";
        let error = ask_through(url, &with_password(&proxy), ClientTls::default())
            .await
            .unwrap_err();
        assert_eq!(error.outcome(), Outcome::Tls, "{error:?}");
    }
}

/// The variable that tells a child process of the test below what it is.
const CHILD: &str = "NETWORK_TEST_WITH_A_PROXY_IN_THE_ENVIRONMENT";

#[tokio::test]
async fn proxies_of_the_environment_are_not_used() {
    let upstream = Upstream::sending(answer(GOOD.as_bytes())).await;
    if std::env::var_os(CHILD).is_some() {
        // An ordinary client here would use the proxy that is not there: what is shown below is worth something.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ordinary = reqwest::Client::new();
        ordinary.get(upstream.url()).send().await.unwrap_err();
    }
    ask_once(&upstream.url(), AMPLE).await.unwrap();
    if std::env::var_os(CHILD).is_some() {
        return;
    }
    let (_socket, closed) = closed_port();
    let Output { status, stdout, stderr } = in_environment_of(&format!("http://{closed}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "{stdout}");
}

/// Runs the test above once more, in a process in whose environment there is a proxy: one's own environment cannot be changed safely.
fn in_environment_of(proxy: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "proxy::proxies_of_the_environment_are_not_used"]);
    command.env(CHILD, "1").env_remove("NO_PROXY").env_remove("no_proxy");
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env(name, proxy);
    }
    command.output().unwrap()
}
