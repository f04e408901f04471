//! Connections are kept: what came over how many of them.

use axum::http::Version;
use laaffic_exporter::config::HttpClient;

use super::tls_server::{TlsOptions, over, trusting};
use super::upstream::{AMPLE, GOOD, Upstream, answer, ask, client, read_request, send};
use testkit::certificates::Authority;
use testkit::folder::Folder;

const REQUESTS: usize = 20;

#[tokio::test]
async fn plain_http_reuses_its_connection() {
    let upstream = Upstream::start(|mut stream| async move {
        while !read_request(&mut stream).await.is_empty() {
            send(&mut stream, &answer(GOOD.as_bytes())).await;
        }
    })
    .await;
    let client = client(&upstream.url(), &HttpClient::default(), AMPLE);
    for _ in 0..REQUESTS {
        ask(&client).await.unwrap();
    }
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn http_2_where_it_is_offered_and_http_1_1_where_not() {
    let (authority, files) = (Authority::new("ours"), Folder::new());
    let identity = authority.server("127.0.0.1");
    for (alpn, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let server = TlsOptions::new(&identity).alpn(alpn).start().await;
        let settings = over(trusting(&authority, &files));
        let client = client(&server.url(), &settings, AMPLE);
        for _ in 0..REQUESTS {
            ask(&client).await.unwrap();
        }
        let seen = server.seen();
        assert_eq!(seen.len(), REQUESTS);
        assert!(seen.iter().all(|(seen, _)| *seen == version), "{alpn:?}");
        assert_eq!(server.accepted(), 1, "{alpn:?}");
    }
}

#[tokio::test]
async fn http_2_carries_requests_at_once() {
    let (authority, files) = (Authority::new("ours"), Folder::new());
    let identity = authority.server("127.0.0.1");
    let server = TlsOptions::new(&identity).alpn(&["h2"]).start().await;
    let settings = over(trusting(&authority, &files));
    let client = client(&server.url(), &settings, AMPLE);
    ask(&client).await.unwrap();
    let answers = futures_util::future::join_all((0..REQUESTS).map(|_| ask(&client))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(server.accepted(), 1);
}
