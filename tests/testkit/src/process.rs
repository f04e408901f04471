//! What tests of the whole program share: child processes that do not outlive their test, waiting for a condition, asking over HTTP.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, StatusCode};
use tokio::time::Instant;

/// How long a condition may take to come true. Far more than it does, so that a busy host fails no test.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many of a process's last lines are shown when its test fails.
const TAIL: usize = 40;

/// The program under test: the one that `LAAFFIC_EXPORTER_BINARY` names, else the one built along with the tests.
pub(crate) fn binary() -> PathBuf {
    env::var_os("LAAFFIC_EXPORTER_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_laaffic-exporter").into(), PathBuf::from)
}

/// The program with these arguments, and with none of the settings that the tests' own environment may hold.
pub(crate) fn exporter<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = without_settings(Command::new(binary()));
    command.args(arguments);
    command
}

/// The program on a socket that is open already, as systemd passes it on: so its address is known, whatever the log says.
pub(crate) fn exporter_on(listener: TcpListener) -> Command {
    // The socket is file 3, and LISTEN_PID is the program's own number, which a shell keeps when it becomes it.
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" --web.systemd-socket \"$@\"";
    let mut command = without_settings(Command::new("sh"));
    command
        .args(["-c", script])
        .arg(binary())
        .stdin(OwnedFd::from(listener));
    command
}

fn without_settings(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("LAAFFIC_") {
            command.env_remove(name);
        }
    }
    command
}

/// A child process. Dropping it kills it; if the test is failing, its last lines are shown.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

/// What a process has written so far.
struct Stream {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

/// What became of a process that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::spawn(command)
    }

    /// Starts it with the standard input that the command says.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let name = format!("{:?} {:?}", command.get_program(), Vec::from_iter(command.get_args()));
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        Self {
            name,
            stdout: Stream::read(child.stdout.take().unwrap()),
            stderr: Stream::read(child.stderr.take().unwrap()),
            child,
        }
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.text.lock().unwrap().clone()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text.lock().unwrap().clone()
    }

    /// Sends a signal by name, with the shell's own `kill`: a minimal host has no program of that name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", &format!("kill -s {name} {}", self.child.id())])
            .status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(mut self) -> Ended {
        let name = self.name.clone();
        let status = wait_for(&format!("the end of {name}"), async || {
            self.child.try_wait().unwrap().ok_or("it runs on")
        })
        .await;
        Ended {
            code: status.code(),
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
        }
    }

    /// Waits until the exporter's log says where it listens, on as many addresses as it was given.
    pub(crate) async fn listening<const N: usize>(&self) -> [SocketAddr; N] {
        wait_for("the line that says where it listens", async || {
            let log = self.stderr();
            // A line still being written has no end yet.
            let lines = log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            let addresses: Vec<SocketAddr> = lines
                .filter(|line| line.contains("message=\"Listening on\""))
                .map(|line| line.split_once("address=").unwrap().1.parse().unwrap())
                .collect();
            <[SocketAddr; N]>::try_from(addresses)
        })
        .await
    }
}

impl Drop for Process {
    #[allow(clippy::print_stderr, reason = "what the test framework shows of a test that fails")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
                let text = stream.text.lock().unwrap();
                let lines: Vec<_> = text.lines().collect();
                let tail = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default();
                eprintln!("--- last lines of {name} of {}\n{}", self.name, tail.join("\n"));
            }
        }
    }
}

impl Stream {
    fn read(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let filled = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                filled.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    /// Everything, once the process is gone.
    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.text.lock().unwrap().clone()
    }
}

/// Runs the program until it ends by itself.
pub(crate) async fn run(command: Command) -> Ended {
    Process::start(command).ended().await
}

/// Asks again and again until the answer is good; fails with the last bad one when patience is over.
pub(crate) async fn wait_for<T, E: std::fmt::Debug>(what: &str, mut check: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match check().await {
            Ok(good) => return good,
            Err(bad) if Instant::now() > deadline => panic!("waited {PATIENCE:?} in vain for {what}: {bad:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn content_type(&self) -> &str {
        self.headers
            .get("content-type")
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// Asks without keeping connections: a test's connections end with its runtime.
static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    // Which provider is there first does not matter, only that one is: no TLS is spoken here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(20))
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
});

/// One request; `Err` tells why there is no answer.
pub(crate) async fn ask(method: Method, url: &str, accept: Option<&str>) -> Result<Answer, String> {
    let mut request = CLIENT.request(method, url);
    if let Some(accept) = accept {
        request = request.header("Accept", accept);
    }
    let response = request.send().await.map_err(|error| format!("{error:?}"))?;
    Ok(Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.text().await.map_err(|error| format!("{error:?}"))?,
    })
}

/// A `GET` that must be answered.
pub(crate) async fn get(url: &str) -> Answer {
    ask(Method::GET, url, None).await.unwrap()
}
