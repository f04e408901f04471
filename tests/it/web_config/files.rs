//! A host that lends the program too few open files, and a crowd that takes them all.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;

use laaffic_exporter::clock::SystemClock;
use laaffic_exporter::simulator::{Account, Flow, Settings, Simulator};
use reqwest::{Client, StatusCode};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::world::{Folder, PATIENCE, eventually};

/// Some twenty are in use before anybody connects.
const OPEN_FILES: usize = 48;

/// More than there are files for.
const CROWD: usize = 2 * OPEN_FILES;

/// The program with so few files, and what it logs.
async fn start(folder: &Folder) -> (Child, SocketAddr, tokio::task::JoinHandle<String>) {
    let script =
        format!("ulimit -n {OPEN_FILES}; exec \"$0\" --config.file=config.yaml --web.listen-address=127.0.0.1:0");
    let mut program = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_laaffic-exporter")])
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next_line().await.unwrap().expect("the program ended");
        if let Some((_, address)) = line.split_once("address=") {
            break address.parse().unwrap();
        }
    };
    let log = tokio::spawn(async move {
        let mut log = String::new();
        while let Ok(Some(line)) = lines.next_line().await {
            log.push_str(&line);
            log.push('\n');
        }
        log
    });
    (program, address, log)
}

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
    // A new connection each time, as that of a Prometheus that was not there before.
    let client = Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .timeout(PATIENCE)
        .build()
        .unwrap();
    let answer = client.get(format!("http://{address}/metrics")).send().await.ok()?;
    let good = answer.status() == StatusCode::OK;
    answer.text().await.ok().filter(|_| good)
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
    let settings = Settings {
        accounts: vec![Account {
            name: "main".to_owned(),
            api_key: "key".to_owned(),
            api_secret: "secret".to_owned(),
            flows: vec![Flow::seeded(1)],
            trouble: None,
        }],
        ..Settings::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let simulator = Simulator::start(listener, settings, Arc::new(SystemClock)).unwrap();
    let folder = Folder::new("");
    folder.write(
        "config.yaml",
        &format!(
            "global: {{ poll_interval: 1s }}\naccounts:\n  - {{ name: main, base_url: '{}', api_key: key, api_secret: secret, flows: [key_id: 1] }}\n",
            simulator.url()
        ),
    );
    let (mut program, address, log) = start(&folder).await;
    shows(address, &format!("process_max_fds {OPEN_FILES}")).await;

    let crowd: Vec<_> = (0..CROWD).map(|_| tokio::spawn(lingers(address))).collect();
    // One at least was sent away for another: no file is left.
    eventually(async || {
        tokio::task::yield_now().await;
        crowd.iter().any(tokio::task::JoinHandle::is_finished)
    })
    .await;
    // An honest scrape gets through, the crowd notwithstanding.
    eventually(async || scrape(address).await.is_some()).await;
    crowd.iter().for_each(tokio::task::JoinHandle::abort);
    shows(address, "laaffic_redial_flow_up{account=\"main\",key_id=\"1\"} 1").await;

    assert!(program.try_wait().unwrap().is_none(), "it ended");
    program.kill().await.unwrap();
    let log = log.await.unwrap();
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
