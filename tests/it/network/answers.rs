//! Answers that come, and are not what was asked for.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use laaffic_exporter::api::{Error, MAX_BODY_BYTES};
use laaffic_exporter::config::HttpClient;
use laaffic_exporter::model::{ApiCode, Outcome};
use laaffic_simulator::{Account, Fault, FaultPlan, Scope, Simulator};
use testkit::vendor;
use tokio::io::AsyncReadExt;

use super::upstream::{
    AMPLE, API_KEY, API_SECRET, GOOD, SHORT, Then, Upstream, answer, ask, ask_once, client, read_request, send,
};

async fn simulator() -> Simulator {
    let account = Account {
        api_key: API_KEY.to_owned(),
        api_secret: API_SECRET.to_owned(),
        ..vendor::account("main", [vendor::still(12)])
    };
    vendor::play([account]).await
}

fn play(simulator: &Simulator, fault: Fault) {
    let everywhere = Scope::Everywhere;
    simulator
        .vendor()
        .set_faults(&everywhere, Some(FaultPlan::always(fault)))
        .unwrap();
}

/// What each fault of the played vendor is to be counted as.
pub(crate) fn outcome_of(fault: &Fault) -> Outcome {
    match fault {
        Fault::NeverAnswers | Fault::Trickle => Outcome::Timeout,
        Fault::Reset | Fault::TruncatedLength | Fault::TruncatedChunks => Outcome::Other,
        Fault::Redirect { .. } | Fault::HttpStatus { .. } => Outcome::HttpStatus,
        Fault::TooLarge { .. } | Fault::GzipBomb => Outcome::TooLarge,
        Fault::Html | Fault::Empty | Fault::TruncatedJson | Fault::WrongTypes | Fault::Nested | Fault::NoData => {
            Outcome::Decode
        }
        // A server whose clock is a day off refuses our timestamp.
        Fault::Code { .. } | Fault::ClockOffset { .. } => Outcome::ApiError,
        // What is not UTF-8 stands in a text that nobody reads.
        Fault::Delay { .. }
        | Fault::IgnoreCurrent
        | Fault::RefusePaging
        | Fault::OverstateTotal
        | Fault::Torn { .. }
        | Fault::KeylessRecords
        | Fault::EmptyList
        | Fault::OddFields
        | Fault::InvalidUtf8 => Outcome::Success,
        // The request ends well; it is the poll that does not.
        Fault::OtherFlow => Outcome::Success,
    }
}

#[tokio::test]
async fn every_fault_of_the_vendor_has_its_outcome() {
    let simulator = simulator().await;
    for fault in Fault::all() {
        let expected = outcome_of(&fault);
        play(&simulator, fault.clone());
        let timeout = if expected == Outcome::Timeout { SHORT } else { AMPLE };
        let result = ask_once(&simulator.url(), timeout).await;
        let outcome = result.as_ref().map_or_else(Error::outcome, |_| Outcome::Success);
        assert_eq!(outcome, expected, "{fault:?}: {result:?}");
    }
}

#[tokio::test]
async fn codes_are_told_apart() {
    let simulator = simulator().await;
    for code in [-1, -2, -16, -18, -22, -99, 7] {
        play(&simulator, Fault::code(code));
        match ask_once(&simulator.url(), AMPLE).await {
            Err(Error::Code(told)) => assert_eq!(told, ApiCode(code)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let simulator = simulator().await;
    let elsewhere = Upstream::sending(answer(GOOD.as_bytes())).await;
    let client = client(&simulator.url(), &HttpClient::default(), AMPLE);
    for location in ["/elsewhere".to_owned(), format!("{}/elsewhere", elsewhere.url())] {
        for status in [300, 301, 302, 303, 307, 308] {
            let location = location.clone();
            play(&simulator, Fault::Redirect { status, location });
            match ask(&client).await {
                Err(Error::HttpStatus(told)) => assert_eq!(told, status),
                other => panic!("{other:?}"),
            }
        }
    }
    let counts = simulator.vendor().counts();
    assert_eq!(counts.requests, 12);
    assert_eq!(counts.answered("http_404"), 0);
    assert_eq!(elsewhere.accepted(), 0, "signed headers went to another host");
}

#[tokio::test]
async fn statuses_other_than_200() {
    let simulator = simulator().await;
    for status in [
        201, 204, 206, 400, 401, 403, 404, 407, 408, 413, 429, 500, 502, 503, 504, 599,
    ] {
        let retry_after = None;
        play(&simulator, Fault::HttpStatus { status, retry_after });
        match ask_once(&simulator.url(), AMPLE).await {
            Err(Error::HttpStatus(told)) => assert_eq!(told, status),
            other => panic!("{other:?}"),
        }
    }
}

/// A good answer of this many bytes.
fn good_of_size(bytes: usize) -> Vec<u8> {
    let mut body = GOOD.as_bytes().to_vec();
    body.resize(bytes, b' ');
    body
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// These bytes as one chunk of an answer that has not ended.
fn unfinished(headers: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\n{headers}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        bytes.len()
    );
    [head.as_bytes(), bytes, b"\r\n"].concat()
}

#[tokio::test]
async fn the_largest_answer_that_is_read() {
    let body = good_of_size(MAX_BODY_BYTES);
    let plain = answer(&body);
    let mut chunked = unfinished("", &body);
    chunked.extend(b"0\r\n\r\n");
    let mut zipped = unfinished("Content-Encoding: gzip\r\n", &gzip(&body));
    zipped.extend(b"0\r\n\r\n");
    for bytes in [plain, chunked, zipped] {
        let upstream = Upstream::sending(bytes).await;
        ask_once(&upstream.url(), AMPLE).await.unwrap();
    }
}

/// No answer here ever ends, and there is ample time: whoever waits for more than a byte too many ends in a timeout.
#[tokio::test]
async fn one_byte_more_is_too_much_and_nothing_after_it_is_waited_for() {
    let body = good_of_size(MAX_BODY_BYTES + 1);
    let declared = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut without_length = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    without_length.extend(&body);
    let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(&body).unwrap();
    compressed.flush().unwrap();
    let bomb = unfinished("Content-Encoding: gzip\r\n", compressed.get_ref());
    assert!(bomb.len() < MAX_BODY_BYTES / 50, "{}", bomb.len());
    for bytes in [declared.into_bytes(), unfinished("", &body), without_length, bomb] {
        let upstream = Upstream::sending_then(bytes, Then::Hold).await;
        match ask_once(&upstream.url(), AMPLE).await {
            Err(Error::TooLarge(limit)) => assert_eq!(limit, MAX_BODY_BYTES),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn who_sends_too_much_is_hung_up_on() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = std::sync::Mutex::new(Some(tell));
    let upstream = Upstream::start(move |mut stream| {
        let tell = tell.lock().unwrap().take();
        async move {
            read_request(&mut stream).await;
            send(&mut stream, &unfinished("", &good_of_size(MAX_BODY_BYTES + 1))).await;
            // Gives the rest of what the client sent: nothing, and the end or a reset.
            let _ = stream.read_to_end(&mut Vec::new()).await;
            tell.unwrap().send(()).unwrap();
        }
    })
    .await;
    let client = client(&upstream.url(), &HttpClient::default(), AMPLE);
    let error = ask(&client).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge(_)), "{error:?}");
    tokio::time::timeout(AMPLE, told).await.unwrap().unwrap();
}
