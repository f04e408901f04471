//! The proxy that is configured, and no other.

use laaffic_exporter::api::{Error, FlowPage};
use laaffic_exporter::config::{ClientTls, HttpClient, Secret};
use laaffic_exporter::model::Outcome;
use testkit::assertions::{says, says_nothing_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::tls_server::{TlsOptions, trusting};
use super::upstream::{
    AMPLE, API_KEY, API_SECRET, GOOD, SHORT, Then, Upstream, answer, ask, ask_once, client, closed_port, read_request,
    send,
};
use testkit::certificates::Authority;
use testkit::folder::Folder;
use testkit::process::{in_a_process_of_its_own, is_in_a_process_of_its_own};

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
    says_nothing_of(&printed, &["hunter2", BASIC, API_KEY, API_SECRET]);
    result
}

/// Why nothing came through this proxy, over TLS.
async fn fails_through(proxy: &Upstream) -> Error {
    let url = "https://upstream.invalid/v3";
    ask_through(url, &with_password(proxy), ClientTls::default())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn plain_requests_go_to_the_proxy_in_absolute_form() {
    let proxy = Upstream::sending(answer(GOOD.as_bytes())).await;
    let url = "http://upstream.invalid/v3";
    ask_through(url, &with_password(&proxy), ClientTls::default())
        .await
        .unwrap();
    let request = proxy.heard();
    let first = "POST http://upstream.invalid/v3/voice/recallFlow/queryDetail HTTP/1.1\r\n";
    assert!(request.starts_with(first), "{request}");
    let authorization = format!("\r\nproxy-authorization: basic {}\r\n", BASIC.to_lowercase());
    let head = request.to_lowercase();
    says(&head, &["\r\nhost: upstream.invalid\r\n", &authorization]);
}

#[tokio::test]
async fn what_the_proxy_answers_to_a_plain_request_is_an_answer() {
    for status in [407, 502] {
        let bytes = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
        let proxy = Upstream::sending(bytes).await;
        let url = "http://upstream.invalid/v3";
        match ask_through(url, &with_password(&proxy), ClientTls::default()).await {
            Err(Error::HttpStatus(told)) => assert_eq!(told, status),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_and_the_password_stays_with_the_proxy() {
    let (authority, files) = (Authority::new("ours"), Folder::new());
    let identity = authority.server("127.0.0.1");
    let server = TlsOptions::new(&identity).start().await;
    let established = "HTTP/1.1 200 Connection established\r\n\r\n";
    let proxy = Upstream::sending_then(established, Then::Connect(server.address)).await;
    let tls = trusting(&authority, &files);
    ask_through(&server.url(), &with_password(&proxy), tls).await.unwrap();
    let request = proxy.heard();
    let first = format!("CONNECT {} HTTP/1.1\r\n", server.address);
    assert!(request.starts_with(&first), "{request}");
    says(&request, &[BASIC]);
    says_nothing_of(&request, &[API_KEY]);
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
        let proxy = Upstream::sending(refusal).await;
        let error = fails_through(&proxy).await;
        assert!(matches!(&error, Error::Connect(_)), "{refusal:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_resets_instead_of_a_tunnel_is_no_connection() {
    let proxy = Upstream::sending_then("", Then::Reset).await;
    let error = fails_through(&proxy).await;
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
    let proxy = Upstream::sending_then("", Then::Hold).await;
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
    let hangs_up = Upstream::sending(established).await;
    let speaks_plainly = Upstream::start(move |mut stream| async move {
        read_request(&mut stream).await;
        send(&mut stream, established.as_bytes()).await;
        stream.read_u8().await.unwrap();
        send(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    for proxy in [hangs_up, speaks_plainly] {
        let error = fails_through(&proxy).await;
        assert_eq!(error.outcome(), Outcome::Tls, "{error:?}");
    }
}

#[tokio::test]
async fn proxies_of_the_environment_are_not_used() {
    let upstream = Upstream::sending(answer(GOOD.as_bytes())).await;
    ask_once(&upstream.url(), AMPLE).await.unwrap();
    if is_in_a_process_of_its_own() {
        // An ordinary client here would use the proxy that is not there: what was shown above is worth something.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ordinary = reqwest::Client::new();
        ordinary.get(upstream.url()).send().await.unwrap_err();
        return;
    }
    let (_socket, closed) = closed_port();
    let proxy = format!("http://{closed}");
    let proxies = [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ];
    let exceptions = ["NO_PROXY", "no_proxy"].map(|name| (name, ""));
    let variables = proxies.map(|name| (name, &*proxy)).into_iter().chain(exceptions);
    in_a_process_of_its_own("network::proxy::proxies_of_the_environment_are_not_used", variables);
}
