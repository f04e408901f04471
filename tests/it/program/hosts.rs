//! Who a request says it is for and from, and the headers that every answer has.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use laaffic_exporter::pages::links::own_name;
use reqwest::Method;
use testkit::answer::ask;
use testkit::assertions::{is_one_line, says};

use super::{GOOD, demo, serving};

/// What Prometheus and orchestrators ask for, by whatever name.
const PUBLIC: [&str; 3] = ["/metrics", "/-/healthy", "/-/ready"];

/// What others must not read.
const PRIVATE: [&str; 6] = [
    "/",
    "/flows/main/12",
    "/api/v1/flows",
    "/config",
    "/probe?account=main&key_id=12",
    "/runbooks/",
];

async fn refused(address: SocketAddr, method: Method, path: &str, headers: &[(&str, &str)]) -> bool {
    let answer = ask(method, address, path, headers).await.unwrap();
    if answer.status == 403 {
        is_one_line(answer.text().trim(), &[]);
    }
    answer.status == 403
}

#[tokio::test]
async fn pages_are_for_who_asks_by_a_name_of_this_host() {
    let exporter = serving(GOOD, ["--web.external-url=https://monitoring.example.org/laaffic/"]).await;
    let own = own_name();
    let refused = async |host: &str, path: &str| refused(exporter.address, Method::GET, path, &[("host", host)]).await;
    for path in PRIVATE {
        for host in [
            "127.0.0.1",
            "192.0.2.1:10871",
            "[::1]:10871",
            "localhost:1",
            "LocalHost.",
            &own,
            "monitoring.example.org",
        ] {
            assert!(!refused(host, path).await, "{host} {path}");
        }
        for host in [
            "evil.example",
            "evil.example:10871",
            "127.0.0.1.evil.example",
            "exporter",
            "example.org",
        ] {
            assert!(refused(host, path).await, "{host} {path}");
        }
    }
    for path in PUBLIC {
        assert!(!refused("laaffic-exporter.monitoring.svc:10871", path).await, "{path}");
    }
    let answer = ask(Method::GET, exporter.address, "/", &[("host", "exporter")])
        .await
        .unwrap();
    says(answer.text(), &["--web.allowed-hosts", "--web.external-url"]);
}

#[tokio::test]
async fn the_names_of_others_are_added_with_a_flag() {
    let flags = [
        "--web.allowed-hosts=exporter,.example.org",
        "--web.allowed-hosts=proxy",
        "--web.telemetry-path=/numbers",
    ];
    let exporter = demo(flags).await;
    let refused = async |host: &str, path: &str| refused(exporter.address, Method::GET, path, &[("host", host)]).await;
    for host in ["exporter:10871", "a.example.org", "proxy", "localhost", "127.0.0.1:1"] {
        assert!(!refused(host, "/").await, "{host}");
    }
    assert!(refused("evil.example", "/").await && !refused("evil.example", "/numbers").await);
    let any = demo(["--web.allowed-hosts=*"]).await;
    assert!(!self::refused(any.address, Method::GET, "/", &[("host", "evil.example")]).await);
}

#[tokio::test]
async fn pages_of_other_sites_reload_nothing() {
    let exporter = serving(GOOD, ["--web.enable-lifecycle"]).await;
    let own = format!("http://{}", exporter.address);
    for (headers, wanted) in [
        (&[][..], 200),
        (&[("sec-fetch-site", "same-origin")], 200),
        (&[("sec-fetch-site", "none")], 200),
        (&[("origin", &*own)], 200),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("origin", "http://evil.example")], 403),
        (&[("origin", "null")], 403),
        (&[("host", "evil.example")], 403),
        (&[("host", "evil.example"), ("origin", "http://evil.example")], 403),
    ] {
        for method in [Method::POST, Method::PUT] {
            let answer = ask(method, exporter.address, "/-/reload", headers).await.unwrap();
            assert_eq!(answer.status, wanted, "{headers:?}: {}", answer.text());
        }
    }
    let looks = ask(Method::GET, exporter.address, "/", &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(looks.unwrap().status, 200, "links lead here");
}

fn say(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_request_of_http_1_1_names_one_host() {
    let exporter = serving(GOOD, []).await;
    for path in ["/metrics", "/", "/-/healthy", "/nowhere"] {
        for hosts in [
            "",
            "Host: x\r\nHost: x\r\n",
            "Host: localhost\r\nHost: evil.example\r\n",
            "Host: a b\r\n",
        ] {
            let status = say(
                exporter.address,
                &format!("GET {path} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n"),
            );
            assert_eq!(status, "HTTP/1.1 400 Bad Request", "{path} {hosts:?}");
        }
    }
    assert_eq!(
        say(exporter.address, "GET /metrics HTTP/1.0\r\n\r\n"),
        "HTTP/1.0 200 OK"
    );
}

#[tokio::test]
async fn every_answer_says_that_it_is_what_it_says_and_not_to_be_kept() {
    let exporter = serving(GOOD, []).await;
    let page = exporter.get("/").await;
    let links = page.text().split('"').filter(|link| link.starts_with("static/"));
    let assets: Vec<_> = links.map(|link| format!("/{link}")).collect();
    assert!(!assets.is_empty());
    for (method, path, headers, status) in [
        (Method::GET, "/metrics", &[][..], 200),
        (Method::HEAD, "/metrics", &[], 200),
        (Method::GET, "/", &[], 200),
        (Method::GET, "/config", &[], 200),
        (Method::GET, "/api/v1/flows", &[], 200),
        (Method::GET, "/flows/none/1", &[], 404),
        (Method::GET, "/-/healthy", &[], 200),
        (Method::GET, "/runbooks", &[], 308),
        (Method::GET, "/nowhere", &[], 404),
        (Method::DELETE, "/metrics", &[], 405),
        (Method::POST, "/-/reload", &[], 403),
        (Method::GET, "/probe", &[], 400),
        (Method::GET, "/", &[("host", "evil.example")], 403),
        (Method::GET, "/", &[("host", "a/b")], 400),
    ] {
        let answer = ask(method, exporter.address, path, headers).await.unwrap();
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    for asset in assets {
        let answer = exporter.get(&asset).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-content-type-options")),
            (200, "nosniff")
        );
        says(answer.header("cache-control"), &["immutable"]);
    }
}
