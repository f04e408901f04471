//! TLS that works as configured, and every way in which it does not.

use axum::http::Version;
use laaffic_exporter::api::Error;
use laaffic_exporter::config::ClientTls;
use laaffic_exporter::model::Outcome;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncReadExt;

use super::tls_server::{TlsOptions, over, trusting};
use super::upstream::{AMPLE, SHORT, Upstream, ask, ask_once, client};
use testkit::certificates::{Authority, Pair};
use testkit::folder::Folder;

const ONLY_TLS12: &[&SupportedProtocolVersion] = &[&TLS12];
const ONLY_TLS13: &[&SupportedProtocolVersion] = &[&TLS13];

/// Asks once with this TLS configured.
async fn ask_with(tls: ClientTls, base_url: &str) -> Result<(), Error> {
    ask(&client(base_url, &over(tls), AMPLE)).await.map(drop)
}

/// Requires a TLS failure whose message has this in it.
fn assert_tls(result: Result<(), Error>, words: &str) {
    match result {
        Err(Error::Tls(message)) => assert!(message.contains(words), "{message}"),
        other => panic!("{other:?}"),
    }
}

fn as_client(identity: &Pair, tls: ClientTls, files: &Folder) -> ClientTls {
    ClientTls {
        cert_file: Some(files.write("client.pem", &identity.cert)),
        key_file: Some(files.write("client.key", &identity.key)),
        ..tls
    }
}

#[tokio::test]
async fn an_authority_of_ones_own() {
    let (authority, files) = (Authority::new("ours"), Folder::new());
    let identity = authority.server("127.0.0.1");
    for versions in [ONLY_TLS12, ONLY_TLS13] {
        let server = TlsOptions::new(&identity).versions(versions).start().await;
        ask_with(trusting(&authority, &files), &server.url()).await.unwrap();
        let seen = server.seen();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].0, Version::HTTP_11);
        assert_eq!(seen[0].1["api-key"], "bDqJFiq9");
    }
}

#[tokio::test]
async fn certificates_that_prove_nothing_here() {
    let (authority, files) = (Authority::new("ours"), Folder::new());
    for (identity, words) in [
        (authority.expired_server("127.0.0.1"), "expired"),
        (authority.server("elsewhere.example"), "not valid for name"),
        (Authority::new("foreign").server("127.0.0.1"), "UnknownIssuer"),
    ] {
        for versions in [ONLY_TLS12, ONLY_TLS13] {
            let server = TlsOptions::new(&identity).versions(versions).start().await;
            assert_tls(ask_with(trusting(&authority, &files), &server.url()).await, words);
            let skipping = ClientTls {
                insecure_skip_verify: true,
                ..ClientTls::default()
            };
            ask_with(skipping, &server.url()).await.unwrap();
            assert_eq!(server.seen().len(), 1, "only the second one asked");
        }
    }
}

#[tokio::test]
async fn an_authority_that_the_system_does_not_know() {
    let identity = Authority::new("foreign").server("127.0.0.1");
    let server = TlsOptions::new(&identity).start().await;
    let error = ask_once(&server.url(), AMPLE).await.unwrap_err();
    assert!(matches!(&error, Error::Tls(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_wants_to_see_a_certificate() {
    let (authority, clients, files) = (Authority::new("ours"), Authority::new("clients"), Folder::new());
    let identity = authority.server("127.0.0.1");
    let good = clients.client(&[]);
    let foreign = Authority::new("foreign").client(&[]);
    // With TLS 1.3 the client learns after the handshake, or even after its request, that it was refused.
    for versions in [ONLY_TLS12, ONLY_TLS13] {
        for alpn in [&[][..], &["h2"]] {
            let server = TlsOptions::new(&identity)
                .clients_of(&clients)
                .versions(versions)
                .alpn(alpn)
                .start()
                .await;
            let anonymous = trusting(&authority, &files);
            ask_with(as_client(&good, anonymous.clone(), &files), &server.url())
                .await
                .unwrap();
            for _ in 0..10 {
                assert_tls(ask_with(anonymous.clone(), &server.url()).await, "CertificateRequired");
                let result = ask_with(as_client(&foreign, anonymous.clone(), &files), &server.url()).await;
                assert_tls(result, "received fatal alert");
            }
            assert_eq!(server.seen().len(), 1, "only the one with the good certificate asked");
        }
    }
}

/// What becomes of a request over TLS whose greeting is answered with this.
async fn greeted_with(answer: &'static [u8]) -> Error {
    let upstream = Upstream::start(move |mut stream| async move {
        stream.read_u8().await.unwrap();
        super::upstream::send(&mut stream, answer).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    ask_once(&upstream.https(), AMPLE).await.unwrap_err()
}

#[tokio::test]
async fn plain_http_on_the_port() {
    let error = greeted_with(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    assert!(matches!(&error, Error::Tls(_)), "{error:?}");
}

#[tokio::test]
async fn no_version_in_common_is_told_by_an_alert() {
    // handshake_failure, as servers without a common version or cipher answer (RFC 8446, section 6).
    let error = greeted_with(b"\x15\x03\x03\x00\x02\x02\x28").await;
    assert!(matches!(&error, Error::Tls(_)), "{error:?}");
}

#[tokio::test]
async fn hanging_up_in_the_handshake_with_or_without_a_reset() {
    let ends = Upstream::start(|mut stream| async move {
        // The greeting is taken in, so that the end is a clean one.
        let _ = stream.read(&mut [0; 16 * 1024]).await;
    })
    .await;
    let resets = Upstream::start(|stream| async move { stream.set_zero_linger().unwrap() }).await;
    let resets_later = Upstream::start(|mut stream| async move {
        let _ = stream.read_u8().await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    for upstream in [ends, resets, resets_later] {
        let error = ask_once(&upstream.https(), AMPLE).await.unwrap_err();
        assert!(matches!(&error, Error::Tls(_)), "{error:?}");
        assert_eq!(error.outcome(), Outcome::Tls);
    }
}

#[tokio::test]
async fn silence_in_the_handshake_is_a_timeout() {
    let upstream = Upstream::start(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let error = ask_once(&upstream.https(), SHORT).await.unwrap_err();
    assert!(matches!(error, Error::Timeout), "{error:?}");
    assert_eq!(upstream.accepted(), 1);
}
