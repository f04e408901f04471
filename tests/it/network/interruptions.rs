//! Connections that stand, and answers that do not come, or not to their end.

use std::time::Duration;

use laaffic_exporter::api::{Error, Interruption};
use laaffic_exporter::model::Outcome;
use tokio::time::MissedTickBehavior;

use super::tls_server::{acceptor, over, trusting};
use super::upstream::{AMPLE, GOOD, SHORT, Then, Upstream, answer, ask, ask_once, client, read_request, send};
use testkit::certificates::Authority;
use testkit::folder::Folder;

/// Half of a good answer, under a length for all of it.
fn half() -> Vec<u8> {
    let mut bytes = answer(GOOD.as_bytes());
    bytes.truncate(bytes.len() - GOOD.len() / 2);
    bytes
}

/// The first chunk of an answer in chunks, without the last one.
fn chunk() -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    bytes.extend(format!("{:x}\r\n{GOOD}\r\n", GOOD.len()).as_bytes());
    bytes
}

async fn interruption(base_url: &str) -> (Interruption, String) {
    let error = ask_once(base_url, AMPLE).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Other, "{error:?}");
    let words = error.to_string();
    match error {
        Error::Other(interruption, _) => (interruption, words),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn silence_is_a_timeout_wherever_it_begins() {
    for bytes in [b"".to_vec(), b"HTTP/1.1 200 O".to_vec(), half(), chunk()] {
        let upstream = Upstream::sending_then(bytes, Then::Hold).await;
        let error = ask_once(&upstream.url(), SHORT).await.unwrap_err();
        assert!(matches!(error, Error::Timeout), "{error:?}");
    }
}

#[tokio::test]
async fn a_byte_now_and_then_is_a_timeout_too() {
    // Much sooner than the time limit each, so that no limit on silence alone would do.
    let upstream = Upstream::start(|mut stream| async move {
        read_request(&mut stream).await;
        send(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").await;
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            send(&mut stream, b" ").await;
        }
    })
    .await;
    let error = ask_once(&upstream.url(), SHORT).await.unwrap_err();
    assert!(matches!(error, Error::Timeout), "{error:?}");
}

#[tokio::test]
async fn a_reset_has_its_own_word_before_and_within_the_answer() {
    for bytes in [b"".to_vec(), b"HTTP/1.1 200 O".to_vec(), half(), chunk()] {
        let upstream = Upstream::sending_then(bytes, Then::Reset).await;
        let (interruption, words) = interruption(&upstream.url()).await;
        assert_eq!(interruption, Interruption::Reset, "{words}");
        assert!(words.starts_with("connection reset: "), "{words}");
    }
}

#[tokio::test]
async fn an_end_before_the_answer_is_as_good_as_a_reset() {
    for bytes in [&b""[..], b"HTTP/1.1 200 O"] {
        let upstream = Upstream::sending(bytes).await;
        let (interruption, words) = interruption(&upstream.url()).await;
        assert_eq!(interruption, Interruption::Reset, "{words}");
        assert!(words.starts_with("connection reset: "), "{words}");
    }
}

#[tokio::test]
async fn an_end_within_the_answer_has_another_word() {
    let gzip = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8b\x08\0\0";
    let not_gzip = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello";
    for bytes in [half(), chunk(), gzip.to_vec(), not_gzip.to_vec()] {
        let upstream = Upstream::sending(bytes).await;
        let (interruption, words) = interruption(&upstream.url()).await;
        assert_eq!(interruption, Interruption::Truncated, "{words}");
        assert!(words.starts_with("answer cut off: "), "{words}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_no_answer_either() {
    let upstream = Upstream::sending("SSH-2.0-OpenSSH_9.2\r\n").await;
    let error = ask_once(&upstream.url(), AMPLE).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Other, "{error:?}");
}

#[tokio::test]
async fn once_tls_stands_an_early_end_is_no_matter_of_tls() {
    let authority = Authority::new("ours");
    let files = Folder::new();
    let acceptor = acceptor(&authority.server("127.0.0.1"));
    for (bytes, expected) in [(Vec::new(), Interruption::Reset), (half(), Interruption::Truncated)] {
        let acceptor = acceptor.clone();
        let upstream = Upstream::start(move |stream| {
            let (acceptor, bytes) = (acceptor.clone(), bytes.clone());
            async move {
                let mut stream = acceptor.accept(stream).await.unwrap();
                read_request(&mut stream).await;
                // The end without a word: TLS would announce it.
                send(&mut stream, &bytes).await;
            }
        })
        .await;
        let settings = over(trusting(&authority, &files));
        match ask(&client(&upstream.https(), &settings, AMPLE)).await {
            Err(Error::Other(interruption, _)) => assert_eq!(interruption, expected),
            other => panic!("{other:?}"),
        }
    }
}
