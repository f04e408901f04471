//! What the benchmarks of the whole program share: an upstream of any number of flows, the exporter as a process on it, and what the
//! kernel says of that process.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use exporter_toolkit::clock::{Clock as _, SystemClock};
use futures_util::future::join_all;
use laaffic_simulator::{Account, Dialect, Flow, Lifecycle, ListDialect, Settings, Simulator};
use procfs::process::Process;
use tokio::net::TcpListener;
use tokio::time::Instant;

pub const ACCOUNTS: u64 = 2;
pub const API_KEY: &str = "bDqJFiq9";
pub const API_SECRET: &str = "7bz1lzh9";

/// An upstream with so many flows in two accounts, which answer in the documented form, on one page each.
pub async fn upstream(flows: u64) -> Simulator {
    let accounts = (0..ACCOUNTS).map(|account| Account {
        name: format!("account-{account}"),
        api_key: format!("{API_KEY}{account}"),
        api_secret: API_SECRET.into(),
        flows: (1..=flows / ACCOUNTS)
            .map(|key_id| Flow {
                key_id,
                lifecycle: Lifecycle::Seeded,
                dialect: Some(Dialect::default()),
                age: Some(Duration::from_secs(3600)),
                ..Flow::default()
            })
            .collect(),
        list_dialect: Some(ListDialect::default()),
        ..Account::default()
    });
    let settings = Settings {
        accounts: accounts.collect(),
        ..Settings::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Simulator::start(listener, settings, || SystemClock.now()).unwrap()
}

/// How an exporter polls.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub interval: &'static str,
    /// Requests a second, both accounts together.
    pub rate: f64,
    /// Requests under way at once, both accounts together.
    pub concurrent: u64,
}

/// A client that uses this address of the host's. Compressed answers are to be read as they come.
fn client(address: Ipv4Addr) -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().local_address(IpAddr::V4(address));
    client.build().unwrap()
}

/// The exporter under test: the release binary on a configuration of its own.
#[derive(Debug)]
pub struct Exporter {
    child: Child,
    folder: tempfile::TempDir,
    pub address: String,
    pub client: reqwest::Client,
}

impl Exporter {
    /// Starts the program; it serves some milliseconds later.
    pub fn start(base_url: &str, flows: u64, pace: Pace) -> Self {
        Self::on(&configuration(base_url, flows, pace, "collections"))
    }

    /// The same with a configuration as it is written in the file.
    pub fn on(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.yaml");
        std::fs::write(&config, configuration).unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let child = Command::new(binary())
            .arg("--log.level=error")
            .arg("--web.enable-lifecycle")
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--config.file={}", config.display()))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            folder,
            address,
            client: client(Ipv4Addr::LOCALHOST),
        }
    }

    /// Waits until every flow was asked for once.
    pub async fn ready(&self) {
        let url = format!("http://{}/-/ready", self.address);
        loop {
            let answer = self.client.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    #[allow(dead_code, reason = "not all benchmarks ask for it")]
    /// One whole scrape: how many bytes came, and how long it took; `None` while nothing listens.
    pub async fn scrape(&self, accept: &str, encoding: &str) -> Option<(usize, Duration)> {
        self.scrape_as(&self.client, accept, encoding).await
    }

    /// So many whole scrapes at once, each from an address of its own: one may have as many as are left for others.
    #[allow(dead_code, reason = "one of the benchmarks asks for it")]
    pub async fn scrapes_at_once<'v>(&self, variants: impl Iterator<Item = (&'v str, &'v str)>) {
        let scrapes = variants.zip(1..).map(async |((accept, encoding), number)| {
            let client = client(Ipv4Addr::new(127, 0, 0, number));
            self.scrape_as(&client, accept, encoding).await
        });
        join_all(scrapes).await;
    }

    async fn scrape_as(&self, client: &reqwest::Client, accept: &str, encoding: &str) -> Option<(usize, Duration)> {
        let begin = Instant::now();
        let request = client.get(format!("http://{}/metrics", self.address));
        let request = request.header("accept", accept).header("accept-encoding", encoding);
        let mut answer = request.send().await.ok()?.error_for_status().unwrap();
        let mut bytes = 0;
        while let Some(chunk) = answer.chunk().await.unwrap() {
            bytes += chunk.len();
        }
        Some((bytes, begin.elapsed()))
    }

    /// Loads a configuration again that is the one of the start, but for the label of every third flow.
    #[allow(dead_code, reason = "one of the benchmarks asks for it")]
    pub async fn reload(&self, base_url: &str, flows: u64, pace: Pace, team: &str) {
        self.reload_as(&configuration(base_url, flows, pace, team)).await;
    }

    /// The same with a configuration as it is written in the file.
    #[allow(dead_code, reason = "one of the benchmarks asks for it")]
    pub async fn reload_as(&self, configuration: &str) {
        let config = self.folder.path().join("config.yaml");
        std::fs::write(config, configuration).unwrap();
        let request = self.client.post(format!("http://{}/-/reload", self.address));
        request.send().await.unwrap().error_for_status().unwrap();
    }

    /// A whole answer of the status page or its like; how many bytes came.
    #[allow(dead_code, reason = "one of the benchmarks asks for it")]
    pub async fn page(&self, path: &str) -> usize {
        let request = self.client.get(format!("http://{}{path}", self.address));
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        answer.bytes().await.unwrap().len()
    }

    pub fn process(&self) -> Process {
        Process::new(self.child.id().cast_signed()).unwrap()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The binary that cargo built for this benchmark, or the one that the environment names.
pub fn binary() -> PathBuf {
    let named = std::env::var_os("LAAFFIC_EXPORTER_BENCH_BINARY");
    named.map_or_else(|| env!("CARGO_BIN_EXE_laaffic-exporter").into(), PathBuf::from)
}

/// A configuration of plain flows: a key, a name, a label. Every third flow is this team's.
fn configuration(base_url: &str, flows: u64, pace: Pace, team: &str) -> String {
    use std::fmt::Write as _;
    let Pace { interval, .. } = pace;
    let rate = pace.rate / ACCOUNTS as f64;
    let concurrent = pace.concurrent / ACCOUNTS;
    let mut text = format!("global: {{poll_interval: {interval}, terminal_poll_interval: {interval}}}\naccounts:\n");
    for account in 0..ACCOUNTS {
        write!(
            text,
            "  - name: account-{account}\n    base_url: {base_url}\n    api_key: {API_KEY}{account}\n    api_secret: {API_SECRET}\n    \
             rate_limit: {rate}\n    max_concurrent_requests: {concurrent}\n    flows:\n"
        )
        .unwrap();
        for key_id in 1..=flows / ACCOUNTS {
            let team = [team, "sales", "care"][key_id as usize % 3];
            write!(
                text,
                "      - key_id: {key_id}\n        name: overdue-reminder-{key_id}\n        labels:\n          team: {team}\n"
            )
            .unwrap();
        }
    }
    text
}

/// CPU time that a process has taken, in all its threads: to the nanosecond from the scheduler, where `stat` counts hundredths.
pub fn cpu(process: &Process) -> Duration {
    let tasks = process.tasks().unwrap().flatten();
    let nanoseconds = tasks.filter_map(|task| Some(task.schedstat().ok()?.sum_exec_runtime));
    Duration::from_nanos(nanoseconds.sum())
}

pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// With as many threads as the exporter's own on the machine of docs/performance.md.
pub fn runtime() -> tokio::runtime::Runtime {
    // The HTTP client wants one even where no TLS is spoken.
    rustls::crypto::ring::default_provider().install_default().unwrap();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}
