//! The page and `/api/v1/flows` over HTTP, without a browser: headers, words, order, escaping, size.

use std::io::Read;
use std::sync::Arc;
use std::time::SystemTime;

use axum::http::{Method, StatusCode};
use axum::{Router, routing};
use exporter_toolkit::clock::Clock;
use flate2::read::GzDecoder;
use laaffic_exporter::model::{ApiCode, FailureReason, Outcome, Status};
use laaffic_exporter::pages::assets;
use laaffic_exporter::pages::flows::{self, Flows};
use laaffic_exporter::pages::health::{self, Health};
use laaffic_exporter::pages::status::{self, StatusPage};
use laaffic_exporter::store::{AccountFlows, Store};
use serde_json::{Value, json};
use testkit::answer::{Answer, ask_router};
use testkit::assertions::{says, says_nothing_of};
use testkit::store::{at, info, key, report, store_of, store_with};

const NOW: u64 = 1_795_000_000;

const STUCK: Status = Status::ExecutionException;

/// Three nodes of a flow in progress.
const ROUNDS: [Status; 3] = [Status::Completed, Status::InProgress, Status::Pending];

const HOSTILE: &str = "<script>alert(1)</script>\" onload='x' &amp; \u{202e}txet \u{1f389}";

#[derive(Debug)]
struct Fixed(SystemTime);

impl Clock for Fixed {
    fn now(&self) -> SystemTime {
        self.0
    }
}

/// Two accounts: one with a flow of each kind, one that is refused.
fn store() -> Arc<Store> {
    let names = ["waiting", "running", HOSTILE, "stuck", "", "strange"];
    let main = (1..).zip(names).map(|(number, name)| info(number, name));
    let store = store_of([
        AccountFlows::new("main".into(), main),
        AccountFlows::new("refused".into(), [info(1, "refused flow")]),
    ]);
    let known = [
        (1, report(Status::Pending, &[Status::Pending]), 30),
        (2, report(Status::InProgress, &ROUNDS), 90),
        (3, report(Status::Completed, &[]), 7200),
        (4, report(STUCK, &[STUCK]), 240),
        (6, report(Status::Unknown(Some(7)), &[]), 10),
    ];
    for (number, report, age) in known {
        store.succeeded("main", key(number), report, at(NOW - age)).unwrap();
    }
    let timeout = FailureReason::Transport(Outcome::Timeout);
    let refused = FailureReason::Api(ApiCode::AUTHENTICATION_ERROR);
    for (account, number, reason, age) in [
        ("main", 2, timeout, 60),
        ("main", 2, timeout, 5),
        ("refused", 1, refused, 3600),
    ] {
        store.failed(account, key(number), reason, None, at(NOW - age)).unwrap();
    }
    store.skipped("refused", key(1), at(NOW - 20)).unwrap();
    store.update_account("refused", |account| {
        account.blocked = true;
        account.budget_ratio = 1.5;
        account.clock_skew_seconds = Some(-90.0);
    });
    store
}

fn pages(store: Arc<Store>) -> Router {
    let clock = Arc::new(Fixed(at(NOW)));
    let page = StatusPage::new(Arc::clone(&store), clock.clone(), "/some/metrics");
    let flows = Flows::new(Arc::clone(&store), clock);
    let healthy = routing::get(health::healthy).with_state(Health::new(store));
    Router::new()
        .route("/", routing::get(status::show).with_state(page))
        .merge(assets::router())
        .route("/api/v1/flows", routing::get(flows::show).with_state(flows))
        .route("/-/healthy", healthy)
}

async fn get(router: &Router, path: &str) -> Answer {
    let answer = ask_router(router, Method::GET, path, &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}");
    answer
}

/// The rows of the page's table, each as text without tags.
fn rows(html: &str) -> Vec<String> {
    let text = |row: &str| {
        let row = row.split("</tr>").next().unwrap();
        let texts = row.split('<').map(|piece| piece.rsplit('>').next().unwrap());
        let words: Vec<_> = texts.flat_map(str::split_whitespace).collect();
        words.join(" ")
    };
    html.split("<tr data-key=").skip(1).map(text).collect()
}

#[tokio::test]
async fn the_page_is_strict_and_never_kept() {
    let router = pages(store());
    let page = get(&router, "/").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    let head = ask_router(&router, Method::HEAD, "/", &[]).await;
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.header("content-type"), page.header("content-type"));
    assert_eq!(head.header("content-security-policy"), policy);
    assert!(head.body.is_empty());
    let post = ask_router(&router, Method::POST, "/", &[]).await;
    assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn nothing_in_the_page_is_inline_or_from_elsewhere() {
    let router = pages(store());
    let page = get(&router, "/").await;
    let html = page.text();
    let elsewhere = ["javascript:", "http://", "https://", "=\"//", "<iframe", "<base"];
    says_nothing_of(html, &["<style", " style=", "<script>"]);
    says_nothing_of(html, &elsewhere);
    let mut tags = html.split('<').filter_map(|piece| piece.split_once('>'));
    assert!(!tags.any(|(tag, _)| tag.contains(" on")), "an inline handler");
    for link in ["some/metrics", "api/v1/flows", "config", "-/healthy", "-/ready"] {
        says(html, &[&format!("href=\"{link}\"")]);
    }
}

#[tokio::test]
async fn what_the_page_brings_along_is_kept_by_its_content() {
    let router = pages(store());
    let page = get(&router, "/").await;
    let links = page.text().split('"').filter(|word| word.starts_with("static/"));
    let links: Vec<_> = links.map(|link| format!("/{link}")).collect();
    assert_eq!(links.len(), 3);
    for link in links {
        let asset = get(&router, &link).await;
        assert!(asset.header("cache-control").contains("immutable"), "{link}");
        let kind = match link.split('?').next().unwrap().rsplit('.').next().unwrap() {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(asset.header("content-type"), kind);
        assert!(!asset.body.is_empty());
        let bare = link.split('?').next().unwrap();
        for unversioned in [bare, &format!("{bare}?v=old")] {
            assert_eq!(get(&router, unversioned).await.header("cache-control"), "no-cache");
        }
        let tags = format!("\"x\", W/{}", asset.header("etag"));
        let again = ask_router(&router, Method::GET, bare, &[("if-none-match", &tags)]).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    }
}

#[tokio::test]
async fn trouble_is_on_top_in_words_with_its_cure() {
    let page = get(&pages(store()), "/").await;
    let html = page.text();
    let rows = rows(html);
    let expected = [
        (
            "running",
            &[
                "◐ in progress",
                "for 1 min 30 s",
                "1 of 3 rounds completed",
                "1 min 30 s ago",
                "! failing for 1 min",
                "timeout",
            ][..],
        ),
        (
            "stuck",
            &[
                "✕ execution exception",
                "for 4 min",
                "0 of 3 rounds completed",
                "look at it in the vendor&#39;s console",
            ],
        ),
        (
            "refused flow",
            &[
                "? unknown",
                "never",
                "! failing for 1 h",
                "blocked",
                "→ cure the account&#39;s own last error",
            ],
        ),
        ("waiting", &["○ pending", "for 30 s", "every 1 min"]),
        ("alert(1)", &["✓ completed", "for 2 h", "every 15 min"]),
        ("5", &["? unknown", "not asked yet"]),
        ("strange", &["? unknown (7)", "→ ask the vendor what the number means"]),
    ];
    assert_eq!(rows.len(), expected.len());
    for (row, (name, words)) in rows.iter().zip(expected) {
        assert!(row.contains(name), "{name}: {row}");
        says(row, words);
    }
    assert!(html.contains("<title>(3) LAAFFIC redial exporter</title>"));
    assert!(html.contains("aria-label=\"1 pending, 1 in progress, 1 completed\""));
    let said = [
        "</i> blocked</strong>",
        "the vendor&#39;s clock is 1 min 30 s behind this host&#39;s: repair",
        "the flows ask for 150 % of rate_limit, so every interval is 1.5 times as long",
        "last error 1 h ago: <code>authentication_error</code> (-1)",
        "→ correct api_key and api_secret",
        "<b>7</b> flows",
        "<b>2</b> failing",
    ];
    says(html, &said);
}

#[tokio::test]
async fn names_are_inert_in_html_and_in_json() {
    let router = pages(store());
    let page = get(&router, "/").await;
    says_nothing_of(page.text(), &["<script>", "onload='"]);
    let inert = "&#60;script&#62;alert(1)&#60;/script&#62;&#34; onload=&#39;x&#39; &#38;amp;";
    says(page.text(), &[inert]);
    let hostile = "/?filter=%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    assert!(!get(&router, hostile).await.text().contains("<script>"));
    let answer = get(&router, "/api/v1/flows").await;
    assert!(!answer.text().contains(['<', '>', '&']));
    assert_eq!(answer.json()["flows"][2]["name"], HOSTILE);
}

#[tokio::test]
async fn the_filter_works_without_a_script() {
    let router = pages(store());
    for (filter, expected) in [
        ("running", 1),
        ("RUN+growth", 1),
        ("execution_exception", 1),
        ("execution+exception", 1),
        ("refused", 1),
        ("team%3Dgrowth", 7),
        ("failing", 2),
        ("timeout", 1),
        ("nothing+of+this", 0),
        ("+", 7),
    ] {
        let page = get(&router, &format!("/?filter={filter}")).await;
        assert_eq!(rows(page.text()).len(), expected, "{filter}");
        assert!(page.text().contains(&format!(">{expected} of 7 shown<")), "{filter}");
    }
}

#[tokio::test]
async fn the_json_says_what_the_page_says() {
    let answer = get(&pages(store()), "/api/v1/flows").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let json = answer.json();
    assert_eq!(json["generated_timestamp_seconds"], json!(1_795_000_000.0));
    assert_eq!(json["flows_failing"], 2);
    assert_eq!(json["flows_by_status"]["unknown"], 3);
    let account = json!({
        "account": "refused",
        "blocked": true,
        "clock_skew_seconds": -90.0,
        "poll_budget_ratio": 1.5,
        "flows_by_status": {"pending": 0, "in_progress": 0, "completed": 0, "cancelled": 0, "execution_exception": 0, "unknown": 1},
        "flows_failing": 1,
        "last_error": {
            "reason": "authentication_error",
            "code": -1,
            "meaning": "authentication error: the vendor does not accept key and secret",
            "cure": "correct api_key and api_secret",
            "timestamp_seconds": 1_794_996_400.0,
        },
    });
    assert_eq!(json["accounts"][1], account);
    let running = json!({
        "account": "main",
        "key_id": 2,
        "name": "running",
        "labels": {"team": "growth"},
        "up": false,
        "status": "in_progress",
        "status_code": 1,
        "status_since_timestamp_seconds": 1_794_999_910.0,
        "nodes": {"pending": 1, "in_progress": 1, "completed": 1, "cancelled": 0, "execution_exception": 0, "unknown": 0},
        "nodes_truncated": false,
        "recall_type": "failed",
        "recall_attempts": 3,
        "recall_interval_seconds": 300,
        "last_success_timestamp_seconds": 1_794_999_910.0,
        "poll_interval_seconds": 60.0,
        "error": {
            "reason": "timeout",
            "code": null,
            "meaning": "no complete answer in time",
            "cure": "look at the API's latency; raise request_timeout or call the vendor",
            "since_timestamp_seconds": 1_794_999_940.0,
        },
    });
    assert_eq!(json["flows"][1], running);
    let unasked = &json["flows"][4];
    for field in [
        "name",
        "status_code",
        "status_since_timestamp_seconds",
        "nodes",
        "nodes_truncated",
        "recall_type",
        "last_success_timestamp_seconds",
        "error",
    ] {
        assert_eq!(unasked[field], Value::Null, "{field}");
    }
    assert_eq!((&unasked["up"], &unasked["status"]), (&json!(false), &json!("unknown")));
    let documentation = std::fs::read_to_string("docs/api.md").unwrap();
    let (account, flow) = (&json["accounts"][1], &json["flows"][1]);
    for object in [&json, account, flow, &flow["error"]] {
        for field in object.as_object().unwrap().keys() {
            let row = format!("| `{field}` |");
            assert!(documentation.contains(&row), "docs/api.md has no row on {field}");
        }
    }
}

#[tokio::test]
async fn one_account_can_be_asked_for_and_an_unknown_one_is_refused() {
    let router = pages(store());
    let json = get(&router, "/api/v1/flows?account=refused").await.json();
    assert_eq!(json["accounts"].as_array().unwrap().len(), 1);
    assert_eq!(json["flows"].as_array().unwrap().len(), 1);
    assert_eq!(json["flows_by_status"]["unknown"], 1);
    let unknown = ask_router(&router, Method::GET, "/api/v1/flows?account=other", &[]).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert_eq!(unknown.json(), json!({"error": "no such account is configured"}));
    let head = ask_router(&router, Method::HEAD, "/api/v1/flows", &[]).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
}

fn many(flows: u64) -> Arc<Store> {
    store_with(flows, |number| {
        let status = Status::ALL[usize::try_from(number % 5).unwrap()];
        (report(status, &ROUNDS), at(NOW - number % 100))
    })
}

#[tokio::test]
async fn two_thousand_flows_are_a_page_of_reasonable_weight() {
    let router = pages(many(2000));
    let plain = get(&router, "/").await;
    assert!(plain.text().trim_end().ends_with("</html>"));
    assert_eq!(rows(plain.text()).len(), 2000);
    assert!(plain.body.len() < 3_000_000, "{}", plain.body.len());
    let packed = ask_router(&router, Method::GET, "/", &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() < 200_000, "{}", packed.body.len());
    let mut unpacked = String::new();
    GzDecoder::new(&*packed.body).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.text());
    let zstd = ask_router(&router, Method::GET, "/api/v1/flows", &[("accept-encoding", "zstd")]).await;
    let json: Value = serde_json::from_slice(&zstd::decode_all(&*zstd.body).unwrap()).unwrap();
    assert_eq!(json["flows"].as_array().unwrap().len(), 2000);
}

/// On one thread: had the page been written there, it would have been there first.
#[tokio::test]
async fn a_large_page_holds_up_nobody() {
    let router = pages(many(10_000));
    for path in ["/", "/api/v1/flows"] {
        tokio::select! {
            biased;
            _ = get(&router, path) => panic!("{path} was written before anybody else got a turn"),
            healthy = get(&router, "/-/healthy") => assert_eq!(healthy.status, StatusCode::OK),
        }
    }
}
