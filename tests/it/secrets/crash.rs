//! A bug in the program: its place is told, and nothing of what the panic says.

use std::env;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::routing::get;
use clap::Parser as _;
use exporter_toolkit::clock::SystemClock;
use exporter_toolkit::server::Guard;
use exporter_toolkit::web_config::LiveWebConfig;
use laaffic_exporter::cli::Cli;
use laaffic_exporter::logging;
use testkit::process::in_a_process_of_its_own;

use super::marks::{Needles, Outlets, marked};

/// Set in the process that is to have the bugs.
const BUGGY: &str = "BUGGY_LOG_FORMAT";

async fn page() -> &'static str {
    panic!("a page is bothered by {}", marked("in-page"))
}

/// Has the bugs, in a process of its own: a panic hook is for all threads.
#[tokio::test]
async fn have_bugs() {
    let Ok(format) = env::var(BUGGY) else {
        return;
    };
    let cli = Cli::parse_from(["x", "--log.level=debug", "--log.format", &format]);
    logging::init(cli.log(), Arc::new(SystemClock)).unwrap();
    let task = tokio::spawn(async { panic!("a task is bothered by {}", marked("in-task")) });
    assert!(task.await.unwrap_err().is_panic());
    let guard = Guard::new(Router::new().route("/", get(page)), Arc::new(LiveWebConfig::none())).unwrap();
    let request = Request::get("/").header("host", "x").body(Body::empty()).unwrap();
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST).into();
    let answer = guard.answer(request, &client).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    println!("{}", String::from_utf8_lossy(&body));
}

#[test]
fn a_bug_is_told_with_its_place_alone() {
    let mut outlets = Outlets::default();
    for format in ["logfmt", "json"] {
        let ended = in_a_process_of_its_own("secrets::crash::have_bugs", [(BUGGY, format)]);
        let log = String::from_utf8(ended.stderr).unwrap();
        let told = log.matches("a bug in this program").count();
        assert_eq!(
            (told, log.matches("tests/it/secrets/crash.rs:").count()),
            (2, 2),
            "{log}"
        );
        outlets.add(format, log);
        outlets.add("the answer", String::from_utf8(ended.stdout).unwrap());
        assert!(outlets.say("This page ended in a bug of the exporter"));
    }
    outlets.hold_none_of(&Needles::new(["bothered by"]));
}
