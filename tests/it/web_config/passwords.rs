//! Basic authentication, headers and the rate limit.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Client, StatusCode};
use tokio::time::Instant;

use testkit::server::WebServer;
use testkit::wait::eventually;

const PATHS: [&str; 6] = ["/", "/metrics", "/-/healthy", "/no/such/page", "/%2e%2e/", "/?a=b"];

fn users(cost: u32) -> String {
    let hash = |password: &str, cost| bcrypt::hash(password, cost).unwrap();
    format!(
        "basic_auth_users:\n  alice: {}\n  carol: {}\n",
        hash("alice123", cost),
        hash("", cost)
    )
}

/// A server with this web-config file, and a client.
async fn world(text: &str) -> (WebServer, Client) {
    let server = WebServer::with(text).await;
    let client = server.client();
    (server, client)
}

async fn ask(world: &WebServer, client: &Client, user: &str, password: &str) -> StatusCode {
    let request = client.get(world.url("/metrics")).basic_auth(user, Some(password));
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn every_path_and_method_wants_a_password() {
    let (server, client) = world(&users(4)).await;
    for path in PATHS {
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
            let request = client.request(method.parse().unwrap(), server.url(path));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(response.headers()["www-authenticate"], "Basic");
        }
    }
    let saying = async |authorization: &str| {
        let request = client.get(server.url("/"));
        let answer = request.header("authorization", authorization.as_bytes()).send().await;
        answer.unwrap().status()
    };
    for authorization in [
        "",
        "Basic",
        "Basic ",
        "Basic x",
        "Basic YWxpY2U=",
        "Bearer YWxpY2U6YWxpY2UxMjM=",
        "basic \u{e4}",
    ] {
        assert_eq!(saying(authorization).await, StatusCode::UNAUTHORIZED, "{authorization}");
    }
    assert_eq!(saying("bASIC YWxpY2U6YWxpY2UxMjM=").await, StatusCode::OK);
}

#[tokio::test]
async fn only_the_users_own_password_is_right() {
    let (server, client) = world(&users(4)).await;
    for (user, password, wanted) in [
        ("alice", "alice123", StatusCode::OK),
        ("alice", "alice1234", StatusCode::UNAUTHORIZED),
        ("alice", "alice12", StatusCode::UNAUTHORIZED),
        ("alice", "", StatusCode::UNAUTHORIZED),
        ("Alice", "alice123", StatusCode::UNAUTHORIZED),
        ("nobody", "alice123", StatusCode::UNAUTHORIZED),
        ("", "", StatusCode::UNAUTHORIZED),
        ("carol", "", StatusCode::OK),
        ("carol", "alice123", StatusCode::UNAUTHORIZED),
        ("carol", ":", StatusCode::UNAUTHORIZED),
    ] {
        for _ in 0..2 {
            assert_eq!(ask(&server, &client, user, password).await, wanted, "{user}:{password}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_and_fifty_right_and_wrong_at_once_get_what_they_should() {
    let (server, client) = world(&users(10)).await;
    let right = (0..150).map(|_| ask(&server, &client, "alice", "alice123"));
    let wrong = (0..150).map(|_| ask(&server, &client, "alice", "alice1234"));
    let (right, wrong) = tokio::join!(join_all(right), join_all(wrong));
    assert_eq!(right, [StatusCode::OK; 150]);
    assert_eq!(wrong, [StatusCode::UNAUTHORIZED; 150]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_wrong_passwords_leaves_the_right_one_answering() {
    let (server, client) = world(&users(8)).await;
    assert_eq!(ask(&server, &client, "alice", "alice123").await, StatusCode::OK);
    let flood = async |number: usize| ask(&server, &client, "alice", &number.to_string()).await;
    let honest = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..50 {
            let start = Instant::now();
            assert_eq!(ask(&server, &client, "alice", "alice123").await, StatusCode::OK);
            slowest = slowest.max(start.elapsed());
        }
        slowest
    };
    let (wrong, slowest) = tokio::join!(join_all((0..200).map(flood)), honest);
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert_eq!(wrong, [StatusCode::UNAUTHORIZED; 200]);
    // And more wrong ones than are remembered do not push the right one out.
    assert_eq!(ask(&server, &client, "alice", "alice123").await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_wrong_passwords_keeps_no_newcomer_out() {
    const NEWCOMERS: usize = 10;
    let hash = bcrypt::hash("right", 8).unwrap();
    let users: String = (0..2 * NEWCOMERS)
        .map(|number| format!("  user{number}: {hash}\n"))
        .collect();
    let (server, _) = world(&format!("basic_auth_users:\n  alice: {hash}\n{users}")).await;
    let from = |address: [u8; 4]| server.builder().local_address(IpAddr::from(address)).build().unwrap();
    let (attacker, other) = (from([127, 0, 0, 1]), from([127, 0, 0, 2]));
    let flood = async |number: usize| {
        for round in 0.. {
            let wrong = ask(&server, &attacker, "alice", &format!("{number} {round}")).await;
            assert_eq!(
                wrong,
                StatusCode::UNAUTHORIZED,
                "whoever asks on a connection of its own has room to wait"
            );
        }
    };
    let newcomers = async |client: &Client, first: usize| {
        let mut slowest = Duration::ZERO;
        for number in first..first + NEWCOMERS {
            let start = Instant::now();
            let newcomer = ask(&server, client, &format!("user{number}"), "right").await;
            assert_eq!(newcomer, StatusCode::OK);
            slowest = slowest.max(start.elapsed());
        }
        slowest
    };
    let honest = async { (newcomers(&other, 0).await, newcomers(&attacker, NEWCOMERS).await) };
    tokio::select! {
        (of_others, of_the_same) = honest => {
            // They share this host's cores with whatever else is tested; a second is meant for a host of its own.
            assert!(of_others < Duration::from_secs(3), "{of_others:?}");
            assert!(of_the_same < Duration::from_secs(10), "{of_the_same:?}");
        }
        _ = join_all((0..100).map(flood)) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_user_takes_as_long_as_a_wrong_password() {
    let (server, client) = world(&users(11)).await;
    ask(&server, &client, "alice", "alice123").await;
    let mut took = [Duration::ZERO; 2];
    for round in 0..5 {
        for (user, took) in ["alice", "nobody"].iter().zip(&mut took) {
            let start = Instant::now();
            let answer = ask(&server, &client, user, &format!("x{round}")).await;
            assert_eq!(answer, StatusCode::UNAUTHORIZED);
            *took += start.elapsed();
        }
    }
    let ratio = took[0].as_secs_f64() / took[1].as_secs_f64();
    assert!((0.4..2.5).contains(&ratio), "{took:?}");
}

#[tokio::test]
async fn the_headers_are_on_every_answer() {
    let headers = "http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n    X-XSS-Protection: 1\n    \
                   X-Content-Type-Options: nosniff\n    Strict-Transport-Security: max-age=1\n    \
                   Content-Security-Policy: \"default-src 'none'\"\n";
    let (server, client) = world(&format!("{headers}{}", users(4))).await;
    for path in PATHS {
        for password in ["alice123", "wrong"] {
            let request = client.get(server.url(path)).basic_auth("alice", Some(password));
            let response = request.send().await.unwrap();
            for (name, value) in [
                ("x-frame-options", "sameorigin"),
                ("x-xss-protection", "1"),
                ("x-content-type-options", "nosniff"),
                ("strict-transport-security", "max-age=1"),
                ("content-security-policy", "default-src 'none'"),
            ] {
                assert_eq!(response.headers()[name], value, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn the_rate_limit_comes_before_the_password() {
    let (server, client) = world(&format!("rate_limit: {{interval: 1h, burst: 3}}\n{}", users(4))).await;
    let mut got = Vec::new();
    for _ in 0..5 {
        got.push(server.status(&client).await.unwrap().as_u16());
    }
    assert_eq!(got, [401, 401, 401, 429, 429]);
    let right = ask(&server, &client, "alice", "alice123").await;
    assert_eq!(right, StatusCode::TOO_MANY_REQUESTS);

    let (server, client) = world("rate_limit: {interval: 1s, burst: 0}").await;
    let at_once = join_all((0..10).map(|_| server.status(&client))).await;
    assert!(at_once.contains(&Some(StatusCode::TOO_MANY_REQUESTS)) && at_once.contains(&Some(StatusCode::OK)));
    eventually(async || server.lets_in(&client).await).await;
    let (server, client) = world("rate_limit: {interval: 0, burst: 0}").await;
    let at_once = join_all((0..10).map(|_| server.status(&client))).await;
    assert_eq!(at_once, [Some(StatusCode::OK); 10]);
}
