//! The pages for people and `/api/v1/flows` over HTTP, without a browser: headers, words, order, escaping, size.

mod changes;

use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::{Router, routing};
use exporter_toolkit::clock::Clock;
use flate2::read::GzDecoder;
use laaffic_exporter::model::{ApiCode, CountByStatus, FailureReason, FlowInfo, FlowReport, Nodes, Outcome, Status};
use laaffic_exporter::pages::flow::{self, FlowPages};
use laaffic_exporter::pages::flows::{self, Flows};
use laaffic_exporter::pages::health::{self, Health};
use laaffic_exporter::pages::links::Grafana;
use laaffic_exporter::pages::status::{self, StatusPage};
use laaffic_exporter::pages::view::Site;
use laaffic_exporter::pages::{assets, runbooks};
use laaffic_exporter::shard::Shard;
use laaffic_exporter::store::{AccountFlows, Store};
use serde_json::{Value, json};
use testkit::store::{at, key, store_of};
use tower::ServiceExt as _;

const NOW: u64 = 1_795_000_000;
const HOSTILE: &str = "<script>alert(1)</script>\" onload='x' &amp; \u{202e}txet \u{1f389}";
const CONNECT: FailureReason = FailureReason::Transport(Outcome::Connect);

#[derive(Debug)]
struct Fixed(SystemTime);

impl Clock for Fixed {
    fn now(&self) -> SystemTime {
        self.0
    }
}

fn info(number: u64, name: &str) -> FlowInfo {
    FlowInfo {
        name: (!name.is_empty()).then(|| name.into()),
        labels: Box::new([("team".into(), "growth & co".into())]),
        ..FlowInfo::configured(key(number), Duration::from_secs(60))
    }
}

fn report(status: Status, rounds: &[Status]) -> FlowReport {
    let mut by_status = CountByStatus::default();
    for status in rounds {
        by_status.add(*status);
    }
    FlowReport {
        status: Some(status),
        recall_attempts: Some(6),
        recall_interval_seconds: Some(300),
        nodes: Some(Nodes {
            by_status,
            ..Nodes::default()
        }),
        ..FlowReport::default()
    }
}

fn account(name: &str, flows: impl IntoIterator<Item = (u64, &'static str)>) -> AccountFlows {
    let infos = flows.into_iter().map(|(number, name)| info(number, name));
    AccountFlows::new(name.into(), infos)
}

/// A flow of each kind, and three that cannot be fetched for one reason.
fn store() -> Arc<Store> {
    let names = [
        "waiting", "running", HOSTILE, "stuck", "", "strange", "late", "x", "y", "z",
    ];
    let store = store_of([
        account("a/b main", (1..).zip(names)),
        account("idle", []),
        account("skewed", [(1, "skewed flow")]),
    ]);
    let failed_round = [Status::Completed, Status::ExecutionException];
    for (number, report, age) in [
        (1, report(Status::Pending, &[Status::Pending]), 30),
        (2, report(Status::InProgress, &failed_round), 90),
        (3, report(Status::Completed, &[]), 1800),
        (
            4,
            report(Status::ExecutionException, &[Status::ExecutionException]),
            240,
        ),
        (6, report(Status::Unknown(Some(7)), &[]), 10),
        (7, report(Status::InProgress, &[]), 300 * 9 + 3601),
    ] {
        store.succeeded("a/b main", key(number), report, at(NOW - age));
    }
    store.succeeded("a/b main", key(7), report(Status::InProgress, &[]), at(NOW - 1));
    for number in 8..=10 {
        let detail = Some("connection refused <os error 111>".to_owned());
        store.failed("a/b main", key(number), CONNECT, detail, at(NOW - 60));
    }
    store.succeeded("skewed", key(1), report(Status::Completed, &[]), at(NOW));
    store.update_account("skewed", |account| {
        account.budget_ratio = 10.0;
        account.clock_skew_seconds = Some(-420.0);
    });
    store
}

fn router_at(store: &Arc<Store>, now: u64) -> Router {
    let clock = Arc::new(Fixed(at(now)));
    let grafana = Grafana::new(&"https://grafana.example/g/".parse().unwrap());
    let site = Site::new("/some/metrics", Some(grafana), Shard::default());
    let page = StatusPage::new(Arc::clone(store), clock.clone(), site.clone());
    let flow = FlowPages::new(Arc::clone(store), clock.clone(), site.clone());
    let flows = Flows::new(Arc::clone(store), clock, Shard::default());
    Router::new()
        .route("/", routing::get(status::show).with_state(page))
        .route("/flows/{account}/{key_id}", routing::get(flow::show).with_state(flow))
        .route("/runbooks/", routing::get(runbooks::index).with_state(site.clone()))
        .route("/runbooks/{alert}", routing::get(runbooks::show).with_state(site))
        .route("/api/v1/flows", routing::get(flows::show).with_state(flows))
        .merge(assets::router())
        .route(
            "/-/healthy",
            routing::get(health::healthy).with_state(Health::new(Arc::clone(store))),
        )
}

async fn send(
    router: &Router,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, body.into())
}

async fn ask(router: &Router, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
    let (status, headers, body) = send(router, Method::GET, path, headers).await;
    (status, headers, String::from_utf8(body).unwrap())
}

async fn get(router: &Router, path: &str) -> String {
    let (status, _, body) = ask(router, path, &[]).await;
    assert_eq!(status, StatusCode::OK, "{path}");
    body
}

/// What a person reads.
fn text(html: &str) -> String {
    let texts = html.split('<').map(|piece| piece.rsplit('>').next().unwrap());
    texts
        .flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .join(" ")
        .replace("&#39;", "'")
}

/// The rows of flows, as text, in their order.
fn rows(html: &str) -> Vec<String> {
    let rows = html.split("<tr data-key=").skip(1);
    let rows = rows.map(|row| row.split("</tr>").next().unwrap());
    rows.map(|row| text(&format!("<{row}"))).collect()
}

#[tokio::test(start_paused = true)]
async fn the_worst_is_on_top_in_words_with_its_cure() {
    let html = get(&router_at(&store(), NOW), "/").await;
    let rows = rows(&html);
    let expected = [
        (
            "stuck",
            &[
                "✕ execution exception",
                "for 4 min",
                "0 of 6 rounds completed",
                "→ look at it",
            ][..],
        ),
        ("strange", &["? unknown (7)", "→ ask the vendor what the number means"]),
        (
            "running",
            &[
                "up to date",
                "a round is in an execution exception",
                "→ look at the round",
            ],
        ),
        (
            "late",
            &[
                "for 1 h 45 min",
                "in progress for much longer",
                "→ look in the vendor's console",
            ],
        ),
        (
            "3 flows of a/b main cannot be fetched: connection refused",
            &["connect", "no connection", "→ check base_url"],
        ),
        ("x", &["! cannot be fetched for 1 min", "never", "no connection"]),
        ("y", &[]),
        ("z", &[]),
        ("waiting", &["○ pending", "every 1 min"]),
        ("alert(1)", &["✓ completed", "for 30 min", "up to date", "every 15 min"]),
        ("5", &["? unknown", "not asked yet"]),
        ("skewed flow", &[]),
    ];
    let names: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
    assert_eq!(rows.len(), expected.len(), "{rows:#?}");
    for (row, (name, words)) in rows.iter().zip(expected) {
        assert!(row.contains(name), "{names:?}: {name}: {row}");
        for word in words {
            assert!(row.contains(word), "{name}: {word}: {row}");
        }
    }
    assert!(html.contains("<title>(7) LAAFFIC redial exporter</title>"));
    let text = text(&html);
    for said in [
        "✕ 1 execution exception",
        "! 7 in trouble",
        "! 3 cannot be fetched",
        "skewed ! clock off, over its rate_limit",
        "7 min behind this host's: repair time synchronisation",
        "the flows ask for 1000 % of rate_limit",
        "idle no flows",
        "✕ 1 in execution exception, 3 in other trouble, 3 cannot be fetched",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains("no trouble"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn nothing_at_all_is_not_green_and_what_is_well_is() {
    let none = text(&get(&router_at(&store_of([account("idle", [])]), NOW), "/").await);
    assert!(
        none.contains("No flows are configured") && !none.contains('✓'),
        "{none}"
    );
    let store = store_of([account("main", [(1, "one"), (2, "two")])]);
    let unasked = text(&get(&router_at(&store, NOW), "/").await);
    assert!(unasked.contains("main … 2 not asked yet"), "{unasked}");
    for number in [1, 2] {
        store.succeeded("main", key(number), report(Status::Completed, &[]), at(NOW));
    }
    let well = text(&get(&router_at(&store, NOW), "/").await);
    assert!(
        well.contains("main ✓ no trouble") && well.contains("2 flows ✓ no trouble"),
        "{well}"
    );
    store.update_account("main", |account| account.paused = true);
    let paused = text(&get(&router_at(&store, NOW), "/").await);
    assert!(
        paused.contains("main ! paused") && !paused.contains("no trouble"),
        "{paused}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_error_of_an_account_names_its_flow() {
    let store = store_of([account("main", [(1, "one"), (2, "two")])]);
    let refused = FailureReason::Api(ApiCode::AUTHENTICATION_ERROR);
    let detail = Some("the API answered code -1".to_owned());
    store.failed("main", key(2), refused, detail, at(NOW - 3600));
    store.skipped("main", key(1), at(NOW - 20));
    store.skipped("main", key(2), at(NOW - 20));
    store.update_account("main", |account| account.blocked = true);
    let router = router_at(&store, NOW);
    let html = get(&router, "/").await;
    let said = text(&html);
    for words in [
        "last error 1 h ago, of flow 2 : authentication_error (-1) authentication error",
        "the API answered code -1",
        "→ correct api_key and api_secret",
        "✕ blocked, 2 cannot be fetched",
        "2 flows of main cannot be fetched: not asked",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(html.contains("href=\"flows/main/2\""));
    let page = text(&get(&router, "/flows/main/1").await);
    assert!(page.contains("The account's last error, 1 h ago, of flow 2"), "{page}");
    let json: Value = serde_json::from_str(&get(&router, "/api/v1/flows").await).unwrap();
    assert_eq!(json["accounts"][0]["last_error"]["key_id"], 2);
}

#[tokio::test(start_paused = true)]
async fn the_filter_holds_for_flows_and_cards_and_is_marked() {
    let router = router_at(&store(), NOW);
    for (filter, shown, cards) in [
        ("running", 1, 1),
        ("RUN+growth", 1, 1),
        ("execution_exception", 1, 1),
        ("cannot+be+fetched", 3, 1),
        ("trouble", 7, 1),
        ("connect", 3, 1),
        ("team%3Dgrowth%20%26%20co", 11, 2),
        ("idle", 0, 1),
        ("nothing+of+this", 0, 0),
        ("+", 11, 3),
    ] {
        let html = get(&router, &format!("/?filter={filter}")).await;
        assert!(html.contains(&format!(">{shown} of 11 shown<")), "{filter}");
        assert_eq!(html.matches("<summary><bdi>").count(), cards, "{filter}");
    }
    let html = get(&router, "/?filter=trouble").await;
    assert!(html.contains("<a href=\"?filter=trouble\" aria-current=\"true\">"));
    assert_eq!(html.matches("aria-current").count(), 1);
    assert!(
        html.contains("href=\"?filter=a%2Fb%20main\"") && html.contains("href=\"?filter=team%3Dgrowth%20%26%20co\"")
    );
    assert!(html.contains("href=\"flows/a%2Fb%20main/4\""));
    get(&router, "/?filter=a&filter=b").await;
}

#[tokio::test(start_paused = true)]
async fn a_flows_page_says_how_often_it_was_seen_to_enter_an_exception() {
    let store = store();
    let words = "Execution exceptions seen to begin since the start";
    let page = get(&router_at(&store, NOW), "/flows/skewed/1").await;
    assert!(!page.contains(words));
    for status in [
        Status::ExecutionException,
        Status::InProgress,
        Status::ExecutionException,
    ] {
        store.succeeded("skewed", key(1), report(status, &[]), at(NOW));
    }
    let page = get(&router_at(&store, NOW), "/flows/skewed/1").await;
    assert!(page.contains(&format!("<dt>{words}</dt><dd>2</dd>")), "{page}");
}

#[tokio::test(start_paused = true)]
async fn a_flows_page_has_its_last_error_in_full() {
    let store = store();
    let status = Some("HTTP status 502".to_owned());
    store.failed("a/b main", key(1), FailureReason::HttpStatus(502), status, at(NOW - 61));
    let router = router_at(&store, NOW);
    let (status, headers, html) = ask(&router, "/flows/a%2Fb%20main/1", &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'")
    );
    let said = text(&html);
    for words in [
        "waiting ○ pending",
        "cannot be fetched for 1 min 1 s : an HTTP status other than 200 → wait; call the vendor if it lasts",
        "http_status (502)",
        "HTTP status 502",
        "Rounds 1 pending 0 of 6 rounds completed",
        "Planned attempts 6",
        "Time between two rounds 5 min",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    for link in [
        "https://grafana.example/g/d/laaffic-redial-flow?var-account=a%2Fb%20main&#38;var-key_id=1",
        "../../runbooks/LaafficRedialFlowNotRefreshed",
        "../../?filter=a%2Fb%20main",
        "../../static/status.css?",
    ] {
        assert!(html.contains(&format!("href=\"{link}")), "{link}: {html}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_there_is_not_is_404_with_a_sentence() {
    let router = router_at(&store(), NOW);
    for (path, sentence) in [
        ("/flows/other/1", "There is no account of this name"),
        ("/flows/idle/1", "has no such flow"),
        ("/flows/idle/x", "has no such flow"),
        ("/flows/%ff/1", "cannot be read"),
        ("/flows/%3Cscript%3E/1", "There is no account of this name"),
        ("/runbooks/NoSuchAlert", "There is no runbook of this name"),
        ("/runbooks/%3Cscript%3E", "There is no runbook of this name"),
    ] {
        let (status, _, html) = ask(&router, path, &[]).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(html.contains(sentence) && !html.contains("<script"), "{path}: {html}");
    }
    let list = get(&router, "/runbooks/").await;
    assert!(
        list.contains("<a href=\"LaafficApiErrors\">") && list.contains("lower rate_limit"),
        "{list}"
    );
    let (_, _, unknown) = ask(&router, "/runbooks/NoSuchAlert", &[]).await;
    assert!(unknown.contains("<a href=\"LaafficApiErrors\">"));
    let runbook = get(&router, "/runbooks/LaafficRedialFlowExecutionException").await;
    assert!(runbook.contains("<h2>Cure</h2>") && runbook.contains("<ol>"));
}

#[tokio::test(start_paused = true)]
async fn names_and_details_are_inert_on_every_page() {
    let router = router_at(&store(), NOW);
    for path in [
        "/",
        "/?filter=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/flows/a%2Fb%20main/3",
        "/flows/a%2Fb%20main/8",
    ] {
        let html = get(&router, path).await;
        for forbidden in ["<script>", "onload='", "<os error", "<style", " style=", "javascript:"] {
            assert!(!html.contains(forbidden), "{path}: {forbidden}");
        }
    }
    let page = get(&router, "/flows/a%2Fb%20main/8").await;
    assert!(page.contains("connection refused &#60;os error 111&#62;"));
    let json = get(&router, "/api/v1/flows").await;
    assert!(!json.contains(['<', '>', '&']));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["flows"][2]["name"], HOSTILE);
    assert_eq!(json["flows"][7]["error"]["detail"], "connection refused <os error 111>");
}

#[tokio::test(start_paused = true)]
async fn an_open_tab_gets_304_until_something_is_new() {
    let store = store();
    let (_, headers, _) = ask(&router_at(&store, NOW), "/", &[]).await;
    let tag = headers["etag"].to_str().unwrap().to_owned();
    let later = async |now: u64| ask(&router_at(&store, now), "/", &[("if-none-match", &tag)]).await;
    let (status, headers, body) = later(NOW + 90).await;
    assert_eq!(
        (status, body.len()),
        (StatusCode::NOT_MODIFIED, 0),
        "only ages have grown"
    );
    assert_eq!(headers["etag"].to_str().unwrap(), tag);
    assert!(headers.contains_key("content-security-policy"));
    store.succeeded(
        "a/b main",
        key(1),
        report(Status::Pending, &[Status::Pending]),
        at(NOW + 91),
    );
    assert_eq!(later(NOW + 92).await.0, StatusCode::NOT_MODIFIED, "a poll without news");
    assert_eq!(later(NOW + 7 * 3600).await.0, StatusCode::OK, "pending too long by now");
    store.succeeded(
        "a/b main",
        key(1),
        report(Status::InProgress, &[Status::InProgress]),
        at(NOW + 93),
    );
    assert_eq!(later(NOW + 94).await.0, StatusCode::OK);
    let filtered = ask(&router_at(&store, NOW), "/?filter=x", &[("if-none-match", &tag)]).await;
    assert_eq!(filtered.0, StatusCode::OK, "another page");
}

#[tokio::test(start_paused = true)]
async fn the_json_names_trouble_and_refuses_what_it_cannot_read() {
    let store = store();
    store.failed("skewed", key(1), FailureReason::HttpStatus(404), None, at(NOW));
    let router = router_at(&store, NOW);
    let json: Value = serde_json::from_str(&get(&router, "/api/v1/flows").await).unwrap();
    let late = json!([{
        "trouble": "overdue",
        "alert": "LaafficRedialFlowOverdue",
        "meaning": "in progress for much longer than its attempts and intervals need",
        "cure": "look in the vendor's console which of its rounds does not end",
    }]);
    assert_eq!(json["flows"][6]["troubles"], late);
    assert_eq!(json["flows"][0]["troubles"], json!([]));
    assert_eq!(json["flows"][10]["error"]["http_status"], 404);
    assert_eq!(json["flows"][10]["error"]["cure"], "check base_url");
    assert_eq!(json["flows_failing"], 4);
    for (query, sentence) in [
        (
            "account=idle&account=idle",
            "the query cannot be read; it may have account=NAME, once",
        ),
        ("account=other", "there is no account of this name in the configuration"),
    ] {
        let (status, headers, body) = ask(&router, &format!("/api/v1/flows?{query}"), &[]).await;
        assert_eq!(
            (status, &headers["content-type"]),
            (StatusCode::BAD_REQUEST, &"application/json".parse().unwrap())
        );
        assert_eq!(
            serde_json::from_str::<Value>(&body).unwrap(),
            json!({"error": sentence})
        );
    }
    let documentation = std::fs::read_to_string("docs/api.md").unwrap();
    let objects = ["/accounts/0", "/flows/10", "/flows/10/error", "/flows/6/troubles/0", ""];
    for object in objects.map(|path| json.pointer(path).unwrap().as_object().unwrap()) {
        for field in object.keys() {
            assert!(
                documentation.contains(&format!("| `{field}` |")),
                "docs/api.md has no row on {field}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_thousand_flows_every_execution_exception_is_above_what_cannot_be_fetched() {
    let infos = (1..=2000).map(|number| info(number, ""));
    let store = store_of([AccountFlows::new("main".into(), infos)]);
    for number in 1..=2000 {
        let status = if number % 400 == 0 {
            Status::ExecutionException
        } else {
            Status::InProgress
        };
        store.succeeded("main", key(number), report(status, &[status]), at(NOW));
    }
    for number in 1..=39 {
        store.failed("main", key(number), CONNECT, None, at(NOW));
    }
    let html = get(&router_at(&store, NOW), "/").await;
    let rows = rows(&html);
    assert_eq!(rows.len(), 2001);
    assert!(rows[..5].iter().all(|row| row.contains("✕ execution exception")));
    assert!(
        rows[5].contains("39 flows of main cannot be fetched: no connection"),
        "{}",
        rows[5]
    );
    assert!(html.len() < 3_000_000, "{}", html.len());
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_page_is_strict() {
    let router = router_at(&store(), NOW);
    let (_, page, _) = ask(&router, "/", &[]).await;
    assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
    let policy = header(&page, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    let (status, head, body) = send(&router, Method::HEAD, "/", &[]).await;
    assert!(status == StatusCode::OK && body.is_empty());
    for name in ["content-type", "content-security-policy"] {
        assert_eq!(header(&head, name), header(&page, name));
    }
    let (status, _, _) = send(&router, Method::POST, "/", &[]).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    let (status, _, body) = send(&router, Method::HEAD, "/api/v1/flows", &[]).await;
    assert_eq!((status, body.len()), (StatusCode::OK, 0));
}

#[tokio::test(start_paused = true)]
async fn nothing_in_the_pages_is_inline_or_from_elsewhere() {
    let router = router_at(&store(), NOW);
    for (path, root) in [
        ("/", ""),
        ("/flows/a%2Fb%20main/4", "../../"),
        ("/runbooks/LaafficApiSlow", "../"),
    ] {
        let html = get(&router, path).await;
        for forbidden in [
            "<style",
            " style=",
            "<script>",
            "javascript:",
            "src=\"http",
            "=\"//",
            "<iframe",
            "<base",
        ] {
            assert!(!html.contains(forbidden), "{path}: {forbidden}");
        }
        // Grafana alone is elsewhere.
        let mut links = html.split("href=\"http").skip(1);
        assert!(
            links.all(|link| link.starts_with("s://grafana.example/g/d/laaffic-")),
            "{path}"
        );
        let mut tags = html.split('<').filter_map(|piece| piece.split_once('>'));
        assert!(!tags.any(|(tag, _)| tag.contains(" on")), "{path}: an inline handler");
        for link in [
            "some/metrics",
            "api/v1/flows",
            "config",
            "runbooks/",
            "-/healthy",
            "-/ready",
        ] {
            assert!(html.contains(&format!("href=\"{root}{link}\"")), "{path}: {link}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_page_brings_along_is_kept_by_its_content() {
    let router = router_at(&store(), NOW);
    let page = get(&router, "/").await;
    let links = page.split('"').filter(|word| word.starts_with("static/"));
    let links: Vec<_> = links.map(|link| format!("/{link}")).collect();
    assert_eq!(links.len(), 3);
    for link in links {
        let (_, asset, body) = ask(&router, &link, &[]).await;
        assert!(header(&asset, "cache-control").contains("immutable"), "{link}");
        let kind = match link.split('?').next().unwrap().rsplit('.').next().unwrap() {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(header(&asset, "content-type"), kind);
        assert!(!body.is_empty());
        let bare = link.split('?').next().unwrap();
        for unversioned in [bare, &format!("{bare}?v=old")] {
            let (_, headers, _) = ask(&router, unversioned, &[]).await;
            assert_eq!(header(&headers, "cache-control"), "no-cache");
        }
        let tags = format!("\"x\", W/{}", header(&asset, "etag"));
        let (status, _, body) = ask(&router, bare, &[("if-none-match", &tags)]).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_json_says_what_the_page_says() {
    let (_, headers, body) = ask(&router_at(&store(), NOW), "/api/v1/flows", &[]).await;
    assert_eq!(header(&headers, "content-type"), "application/json");
    let json: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["generated_timestamp_seconds"], json!(1_795_000_000.0));
    assert_eq!(
        (&json["flows_failing"], &json["flows_by_status"]["unknown"]),
        (&json!(3), &json!(5))
    );
    let skewed = json!({
        "account": "skewed",
        "blocked": false,
        "paused": false,
        "clock_skew_seconds": -420.0,
        "poll_budget_ratio": 10.0,
        "flows_by_status": {"pending": 0, "in_progress": 0, "completed": 1, "cancelled": 0, "execution_exception": 0, "unknown": 0},
        "flows_failing": 0,
        "discovery": null,
        "last_error": null,
    });
    assert_eq!(json["accounts"][2], skewed);
    let running = json!({
        "account": "a/b main",
        "key_id": 2,
        "name": "running",
        "labels": {"team": "growth & co"},
        "origin": "configured",
        "task_id": null,
        "created_timestamp_seconds": null,
        "up": true,
        "status": "in_progress",
        "status_code": 1,
        "status_since_timestamp_seconds": 1_794_999_910.0,
        "nodes": {"pending": 0, "in_progress": 0, "completed": 1, "cancelled": 0, "execution_exception": 1, "unknown": 0},
        "nodes_truncated": false,
        "nodes_reported": null,
        "recall_type": null,
        "recall_attempts": 6,
        "recall_attempts_completed": null,
        "recall_interval_seconds": 300,
        "last_success_timestamp_seconds": 1_794_999_910.0,
        "poll_interval_seconds": 60.0,
        "error": null,
        "troubles": [{
            "trouble": "round_execution_exception",
            "alert": "LaafficRedialNodeExecutionException",
            "meaning": "a round is in an execution exception, while the flow goes on",
            "cure": "look at the round in the vendor's console; repair or cancel it there",
        }],
    });
    assert_eq!(json["flows"][1], running);
    let refused = json!({
        "reason": "connect",
        "code": null,
        "http_status": null,
        "detail": "connection refused <os error 111>",
        "meaning": "no connection",
        "cure": "check base_url, DNS, firewall and proxy",
        "since_timestamp_seconds": 1_794_999_940.0,
    });
    assert_eq!(json["flows"][7]["error"], refused);
    let unasked = &json["flows"][4];
    for field in [
        "name",
        "status_code",
        "status_since_timestamp_seconds",
        "nodes",
        "recall_type",
        "error",
    ] {
        assert_eq!(unasked[field], Value::Null, "{field}");
    }
    assert_eq!((&unasked["up"], &unasked["status"]), (&json!(false), &json!("unknown")));
    let (_, _, one) = ask(&router_at(&store(), NOW), "/api/v1/flows?account=skewed", &[]).await;
    let one: Value = serde_json::from_str(&one).unwrap();
    assert_eq!(
        (
            one["accounts"].as_array().unwrap().len(),
            one["flows"].as_array().unwrap().len()
        ),
        (1, 1)
    );
}

fn many(flows: u64) -> Arc<Store> {
    let infos = (1..=flows).map(|number| info(number, &format!("reminder number {number}")));
    let store = store_of([AccountFlows::new("main".into(), infos)]);
    for number in 1..=flows {
        let status = Status::ALL[usize::try_from(number % 5).unwrap()];
        store.succeeded(
            "main",
            key(number),
            report(status, &Status::ALL[..3]),
            at(NOW - number % 100),
        );
    }
    store
}

#[tokio::test(start_paused = true)]
async fn two_thousand_flows_are_a_page_of_reasonable_weight() {
    let router = router_at(&many(2000), NOW);
    let plain = get(&router, "/").await;
    assert!(plain.trim_end().ends_with("</html>"));
    assert_eq!(rows(&plain).len(), 2000);
    assert!(plain.len() < 3_000_000, "{}", plain.len());
    let (_, headers, packed) = send(&router, Method::GET, "/", &[("accept-encoding", "gzip")]).await;
    assert_eq!(header(&headers, "content-encoding"), "gzip");
    assert!(packed.len() < 200_000, "{}", packed.len());
    let mut unpacked = String::new();
    GzDecoder::new(&*packed).read_to_string(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    let (_, _, zstd) = send(&router, Method::GET, "/api/v1/flows", &[("accept-encoding", "zstd")]).await;
    let json: Value = serde_json::from_slice(&zstd::decode_all(&*zstd).unwrap()).unwrap();
    assert_eq!(json["flows"].as_array().unwrap().len(), 2000);
}

/// On one thread: had the page been written there, it would have been there first.
#[tokio::test]
async fn a_large_page_holds_up_nobody() {
    let router = router_at(&many(10_000), NOW);
    for path in ["/", "/api/v1/flows"] {
        tokio::select! {
            biased;
            _ = get(&router, path) => panic!("{path} was written before anybody else got a turn"),
            (status, _, _) = ask(&router, "/-/healthy", &[]) => assert_eq!(status, StatusCode::OK),
        }
    }
}
