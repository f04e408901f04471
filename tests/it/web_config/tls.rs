//! Versions, suites, groups, HTTP/2, and what comes to a TLS port that is not TLS.

use std::sync::Arc;

use reqwest::Version;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, NamedGroup, RootCertStore, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use testkit::server::{TLS, WebServer};

/// What a client with this much cryptography agrees upon.
async fn agreed(
    world: &WebServer,
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
) -> Option<(String, String, NamedGroup)> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(world.folder.authority.cert.as_bytes()).unwrap();
    roots.add(authority).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(world.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.ok()?;
    let (_, session) = stream.get_ref();
    Some((
        format!("{:?}", session.protocol_version()?),
        format!("{:?}", session.negotiated_cipher_suite()?.suite()),
        session.negotiated_key_exchange_group()?.name(),
    ))
}

#[tokio::test]
async fn only_the_versions_in_between_are_spoken() {
    let both = [&version::TLS12, &version::TLS13];
    for (lines, wanted) in [
        ("", [true, true]),
        ("  min_version: TLS13\n", [false, true]),
        ("  max_version: TLS12\n", [true, false]),
    ] {
        let world = WebServer::with(&format!("{TLS}{lines}")).await;
        for (version, wanted) in both.iter().zip(wanted) {
            let agreed = agreed(&world, ring::default_provider(), &[version]).await;
            assert_eq!(agreed.is_some(), wanted, "{lines}{version:?}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn suites_and_groups_are_those_of_the_list_in_its_order() {
    let world = WebServer::with(&format!(
        "{TLS}  cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n  \
         curve_preferences: [CurveP384]\n"
    ))
    .await;
    let (_, suite, group) = agreed(&world, ring::default_provider(), &[&version::TLS12])
        .await
        .unwrap();
    assert_eq!(suite, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
    assert_eq!(group, NamedGroup::secp384r1);
    // Nothing was said of TLS 1.3.
    assert!(
        agreed(&world, ring::default_provider(), &[&version::TLS13])
            .await
            .is_some()
    );
    let mut other = ring::default_provider();
    other.cipher_suites = vec![ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384];
    assert_eq!(agreed(&world, other, &[&version::TLS12]).await, None);
    let mut other = ring::default_provider();
    other.kx_groups = vec![ring::kx_group::X25519];
    assert_eq!(agreed(&world, other, &[&version::TLS12]).await, None);

    let world = WebServer::with(&format!("{TLS}  cipher_suites: [TLS_CHACHA20_POLY1305_SHA256]\n")).await;
    let (_, suite, _) = agreed(&world, ring::default_provider(), &[&version::TLS13])
        .await
        .unwrap();
    assert_eq!(suite, "TLS13_CHACHA20_POLY1305_SHA256");
}

#[tokio::test]
async fn http2_is_offered_unless_it_is_off() {
    for (lines, wanted) in [
        ("", Version::HTTP_2),
        ("http_server_config: {http2: false}\n", Version::HTTP_11),
    ] {
        let world = WebServer::with(&format!("{TLS}{lines}")).await;
        let response = world.client().get(world.url("/")).send().await.unwrap();
        assert_eq!(response.version(), wanted);
        assert_eq!(response.text().await.unwrap(), "here\n");
        world.end().await;
    }
}

async fn answer_to(world: &WebServer, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // An answer may end in a reset: what was sent may not have been read to its end.
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

#[tokio::test]
async fn what_is_not_tls_is_turned_away() {
    let world = WebServer::with(TLS).await;
    let answer = answer_to(&world, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.0 400 ") && answer.contains("HTTPS"),
        "{answer}"
    );
    assert!(!answer.contains("answer 42"));

    // A ClientHello of TLS 1.1 with two of its suites.
    let mut hello = vec![0x03, 0x02];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x13, 0xc0, 0x09, 1, 0]);
    let mut handshake = vec![1, 0, 0, u8::try_from(hello.len()).unwrap()];
    handshake.extend(hello);
    let mut record = vec![0x16, 0x03, 0x01, 0, u8::try_from(handshake.len()).unwrap()];
    record.extend(handshake);
    let answer = answer_to(&world, &record).await;
    // A fatal alert, and nothing else.
    assert_eq!(&answer[..1], [0x15]);
    assert_eq!(answer.len(), 7);
    assert_eq!(answer[5], 2);

    answer_to(&world, b"\0\0\0").await;
    assert!(world.lets_in(&world.client()).await);
}
