//! A host that lends the program too few open files, and a crowd that takes them all.

use std::net::SocketAddr;

use laaffic_simulator::Flow;
use reqwest::{Method, StatusCode};
use testkit::answer::ask;
use testkit::folder::Folder;
use testkit::process::by_shell;
use testkit::vendor;
use testkit::wait::eventually;
use testkit::watching::{Exporter, config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::exporter_in;

/// Some twenty are in use before anybody connects.
const OPEN_FILES: usize = 48;

/// More than there are files for.
const CROWD: usize = 2 * OPEN_FILES;

/// One who asks once and then keeps the connection, until it is taken away.
async fn lingers(address: SocketAddr) {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return;
    };
    let _ = stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await.is_ok_and(|length| length > 0) {}
}

async fn scrape(address: SocketAddr) -> Option<String> {
    // On a new connection each time, as that of a Prometheus that was not there before.
    let answer = ask(Method::GET, address, "/metrics", &[]).await.ok()?;
    (answer.status == StatusCode::OK).then(|| answer.text().to_owned())
}

async fn shows(address: SocketAddr, line: &str) {
    eventually(async || {
        let text = scrape(address).await;
        text.is_some_and(|text| text.lines().any(|found| found == line))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn running_out_of_open_files_costs_idle_connections_and_nothing_else() {
    let account = vendor::account("main", [Flow::seeded(1)]);
    let simulator = vendor::play([account.clone()]).await;
    let config = config(&simulator, &account, "poll_interval: 1s", ["key_id: 1".to_owned()]);
    let folder = Folder::configured(&config);
    let command = exporter_in(&folder, ["--web.listen-address=127.0.0.1:0"]);
    let script = format!("ulimit -n {OPEN_FILES}; exec \"$0\" \"$@\"");
    let Exporter {
        address, mut process, ..
    } = Exporter::started(by_shell(&script, &command), folder).await;
    shows(address, &format!("process_max_fds {OPEN_FILES}")).await;

    let crowd: Vec<_> = (0..CROWD).map(|_| tokio::spawn(lingers(address))).collect();
    // One at least was sent away for another: no file is left.
    eventually(async || crowd.iter().any(tokio::task::JoinHandle::is_finished)).await;
    // An honest scrape gets through, the crowd notwithstanding.
    eventually(async || scrape(address).await.is_some()).await;
    crowd.iter().for_each(tokio::task::JoinHandle::abort);
    shows(address, "laaffic_redial_flow_up{account=\"main\",key_id=\"1\"} 1").await;

    assert!(process.is_running(), "it ended");
    let log = process.stderr();
    let told = log
        .lines()
        .filter(|line| line.contains("connections cannot be accepted"));
    let told: Vec<_> = told.collect();
    // One line a minute, however many connections were refused and accepted in turn.
    assert!(
        (1..=2).contains(&told.len()) && told[0].contains("Too many open files"),
        "{log}"
    );
}
