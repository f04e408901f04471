//! `query --raw`: an answer for a bug report.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use laaffic_simulator::{Account, Dialect, Fault, FaultPlan, FlowState, Scope, Shape, Simulator};
use serde_json::Value;
use testkit::answer::serve;
use testkit::assertions::{has_lines, says, says_nothing_of};
use testkit::folder::Folder;
use testkit::process::{Ended, run};
use testkit::vendor;

use super::exporter_in;

/// The key that the played vendor wants.
const KEY: &str = "key-of-main";

/// A configuration for whoever answers there. What an exporter would ask for besides, the command does not.
fn configured(base_url: &str, api_key: &str) -> Folder {
    Folder::configured(&format!(
        "global: {{ request_timeout: 20s }}\naccounts:\n  - name: main\n    base_url: {base_url}\n    api_key: '{api_key}'\n    \
         api_secret: secret-of-main\n    balance: true\n    outcomes: true\n    flows: [{{ key_id: 12 }}]\n"
    ))
}

async fn raw(folder: &Folder, arguments: &[&str]) -> Ended {
    let mut command = exporter_in(folder, ["query", "12", "--raw"]);
    command.args(arguments);
    run(command).await
}

/// The played vendor, with flow 12, whose nodes have texts of customers in them.
async fn played() -> (Simulator, Folder) {
    let account: Account = vendor::account("main", [vendor::still(12)]);
    let simulator = vendor::play([account]).await;
    let state = FlowState::with_nodes(1, &[1; 40]);
    simulator.vendor().pin("main", 12, state).unwrap();
    let folder = configured(&simulator.url(), KEY);
    (simulator, folder)
}

/// A server that always gives this answer, and how often it was asked.
async fn answering(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let app = Router::new().fallback(move || {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::ready(answer())
    });
    (format!("http://{}/v3", serve(app).await), asked)
}

#[tokio::test]
async fn it_prints_the_answer_without_texts_and_its_head_beside_it() {
    let (simulator, folder) = played().await;
    let ended = raw(&folder, &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    has_lines(&ended.stderr, &["HTTP/1.1 200 OK"]);
    says(&ended.stderr, &["content-type: application/json", "date: "]);
    says_nothing_of(&ended.stdout, &[laaffic_simulator::CUSTOMER_TEXT_MARKER, ".wav"]);
    says(&ended.stdout, &["<text of ", "\"voiceFileId\""]);
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json["data"]["keyId"], 12);
    assert_eq!(json["data"]["status"], 1);
    assert_eq!(json["data"]["nodeList"].as_array().map(Vec::len), Some(40));
    assert_eq!(simulator.vendor().counts().requests, 1);
}

#[tokio::test]
async fn it_asks_for_one_page() {
    let (simulator, folder) = played().await;
    let paged = Dialect {
        shape: Shape::Records,
        page_size: 1,
        ..Dialect::default()
    };
    simulator.vendor().set_dialect("main", 12, Some(paged)).unwrap();
    let ended = raw(&folder, &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json["data"]["pages"], 40);
    assert_eq!(simulator.vendor().counts().requests, 1);
}

#[tokio::test]
async fn an_answer_that_is_a_failure_is_printed_as_well() {
    let (simulator, folder) = played().await;
    let fault = |fault| {
        let plan = FaultPlan::always(fault);
        simulator.vendor().set_faults(&Scope::Everywhere, Some(plan)).unwrap();
    };
    let msg = Some("Ann's flow is not there".to_owned());
    fault(Fault::Code {
        code: -22,
        msg,
        status: None,
    });
    let ended = raw(&folder, &[]).await;
    assert_eq!(ended.code, Some(1));
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json["code"], -22);
    assert_eq!(json["msg"], "<text of 23 characters>");
    has_lines(&ended.stderr, &["HTTP/1.1 200 OK"]);
    let last = ended.stderr.lines().last().unwrap_or_default();
    says(last, &["flow 12 of account main: ", "-22", "correct key_id"]);

    fault(Fault::Html);
    let ended = raw(&folder, &[]).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stdout.starts_with("<HTML of ") && ended.stdout.ends_with(" bytes>\n"),
        "{}",
        ended.stdout
    );
    fault(Fault::TruncatedJson);
    says(&raw(&folder, &[]).await.stdout, &["<JSON that ends too early of "]);
    fault(Fault::Empty);
    assert_eq!(raw(&folder, &[]).await.stdout, "<nothing of 0 bytes>\n");

    let (status, location) = (302, "/elsewhere".to_owned());
    for without_body in [
        Fault::Redirect { status, location },
        Fault::TooLarge {
            mebibytes: 5,
            declared: false,
        },
    ] {
        fault(without_body);
        let ended = raw(&folder, &[]).await;
        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
        has_lines(&ended.stderr, &["The body was not read to its end."]);
        says_nothing_of(&ended.stderr, &["elsewhere"]);
    }
}

#[tokio::test]
async fn where_no_answer_comes_it_says_what_query_says() {
    let folder = configured("http://127.0.0.1:9/v3", KEY);
    let ended = raw(&folder, &[]).await;
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
    let plain = run(exporter_in(&folder, ["query", "12"])).await;
    assert_eq!(ended.stderr, plain.stderr);
    assert_eq!(raw(&folder, &["--output", "json"]).await.code, Some(2));
    let ended = raw(&folder, &["--output=table"]).await;
    says(&ended.stderr, &["--raw and --output exclude each other"]);
}

#[tokio::test]
async fn what_a_server_sends_back_of_a_secret_is_not_printed() {
    // A key that is a number passes for one where one is documented.
    let needles = [KEY, "secret-of-main", "75318642"];
    let body = |text: &str| {
        format!(
            r#"{{"code":0,"msg":"{text}","data":{{"keyId":12,"status":"{text}","{text}":["{text}"],"phone":13800138000,"nodeList":[]}}}}"#
        )
    };
    for text in needles {
        let body = body(text);
        let headers = ["content-type", "retry-after", "date", "server", "location"].map(|name| (name, text));
        for status in [StatusCode::OK, StatusCode::BAD_REQUEST] {
            let body = body.clone();
            let (base_url, _) = answering(move || (status, headers, body.clone()).into_response()).await;
            let key = if text == "secret-of-main" { KEY } else { text };
            let ended = raw(&configured(&base_url, key), &[]).await;
            says(&ended.stdout, &["\"nodeList\":[]", "99999999999"]);
            let server = format!("server: <text of {} characters>", text.len());
            has_lines(&ended.stderr, &[&server]);
            says_nothing_of(&format!("{}{}", ended.stdout, ended.stderr), &needles);
        }
    }
}

#[tokio::test]
async fn headers_that_any_server_sends_stay() {
    let headers = [
        ("content-type", "application/json; charset=UTF-8"),
        ("retry-after", "7"),
        ("server", "nginx/1.25.3"),
        ("x-customer", "Ann"),
    ];
    let busy = StatusCode::TOO_MANY_REQUESTS;
    let (base_url, asked) = answering(move || (busy, headers, "busy").into_response()).await;
    let ended = raw(&configured(&base_url, KEY), &[]).await;
    assert_eq!((ended.code, &*ended.stdout), (Some(1), "<text of 4 bytes>\n"));
    has_lines(
        &ended.stderr,
        &[
            "HTTP/1.1 429 Too Many Requests",
            "content-type: application/json; charset=UTF-8",
            "retry-after: 7",
            "server: nginx/1.25.3",
        ],
    );
    says_nothing_of(&ended.stderr, &["x-customer", "Ann"]);
    assert_eq!(
        asked.load(Ordering::Relaxed),
        1,
        "it was asked again although it wants to be left alone"
    );
}
