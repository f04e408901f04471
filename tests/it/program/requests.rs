//! Bad requests, and what they cannot do.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use reqwest::Method;
use testkit::assertions::{says, says_nothing_of};

use super::{GOOD, serving};

#[tokio::test]
async fn unknown_paths_are_404_and_wrong_methods_405() {
    let exporter = serving(GOOD, []).await;
    for path in [
        "/metric",
        "/metrics/",
        "//metrics",
        "/-/",
        "/-/quit",
        "/%2e%2e/etc/passwd",
        "/favicon.ico",
    ] {
        assert_eq!(exporter.get(path).await.status, 404, "{path}");
    }
    for path in ["/metrics", "/", "/-/healthy", "/-/ready"] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::TRACE] {
            let answer = exporter.ask(method.clone(), path).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            says(answer.header("allow"), &["GET", "HEAD"]);
        }
        let head = exporter.ask(Method::HEAD, path).await;
        assert_eq!(
            (head.status.is_server_error(), head.text()),
            (path == "/-/ready" && head.status == 503, "")
        );
    }
    assert_eq!(exporter.get("/metrics?name=x&y").await.status, 200);
}

/// Sends these bytes and tells the status line of what comes back, if anything does before the connection ends.
fn shout(mut stream: &TcpStream, request: &[u8]) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // It may hang up before it has read everything.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    answer.lines().next().unwrap_or_default().to_owned()
}

/// The same from a client that then says no more: what it began is never completed.
fn shout_and_end(stream: &TcpStream, request: &[u8]) -> String {
    let mut writer = stream;
    let _ = writer.write_all(request);
    let _ = stream.shutdown(Shutdown::Write);
    shout(stream, b"")
}

fn scrape_with(headers: &[u8]) -> Vec<u8> {
    [
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n",
        headers,
        b"\r\n",
    ]
    .concat()
}

#[tokio::test]
async fn absurd_requests_never_end_it() {
    let mut exporter = serving(GOOD, ["--log.level=debug"]).await;
    let header = |name: &str, value: &str| format!("{name}: {value}\r\n").into_bytes();
    let long = "text/plain;q=0.1,".repeat(64 * 1024 / 17);
    let many: String = (0..200).map(|number| format!("X-{number}: {number}\r\n")).collect();
    let parameters = format!("text/plain{}", ";q=1".repeat(10_000));
    // What must be answered like any other scrape.
    for headers in [
        header("Accept", &long),
        header("Accept", &parameters),
        header("Accept-Encoding", &long),
        header(
            "Accept",
            ",,;;==\"\\,*/*;q=NaN,a/b;q=-1;q=1e999,application/openmetrics-text;version=",
        ),
        header("Accept-Encoding", ";q=,gzip;q=99999999999999999999,\t,"),
        b"Accept: \xff\xfe\xfd\r\nAccept-Encoding: \xc0\x80\r\n".to_vec(),
        header("Accept", "text/plain").repeat(50),
        header("Range", "bytes=0-1,5-99999999999999999999"),
        header("Content-Length", "5"),
        header("Expect", "100-continue"),
    ] {
        let status = shout(&TcpStream::connect(exporter.address).unwrap(), &scrape_with(&headers));
        let beginning = String::from_utf8_lossy(&headers[..headers.len().min(100)]);
        assert_eq!(status, "HTTP/1.1 200 OK", "{beginning}");
    }
    // What the server may refuse as it likes, or hang up on.
    let endless = header("Accept", &"a".repeat(8 * 1024 * 1024));
    for request in [
        scrape_with(many.as_bytes()),
        scrape_with(&endless),
        scrape_with(b"Accept: \x00\r\n"),
        scrape_with(b"No colon\r\n"),
        scrape_with(b"Transfer-Encoding: chunked\r\nContent-Length: 7\r\n"),
        scrape_with(b"Upgrade: websocket\r\nConnection: upgrade\r\n"),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(1024 * 1024)).into_bytes(),
        b"GET /metrics HTTP/9.9\r\n\r\n".to_vec(),
        b"GET http://[::1 HTTP/1.1\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\xff\xff\xff".to_vec(),
        b"\r\n\r\n\r\n\x00\xff".to_vec(),
        Vec::new(),
    ] {
        let status = shout_and_end(&TcpStream::connect(exporter.address).unwrap(), &request);
        assert!(!status.contains(" 5"), "{status}");
        let healthy = exporter.get("/-/healthy").await.status;
        assert!(exporter.process.is_running());
        assert_eq!(healthy, 200);
    }
    assert_eq!(exporter.get("/metrics").await.status, 200);
    says_nothing_of(&exporter.process.stderr(), &["a bug in this program"]);
}
