//! Programs as child processes that do not outlive their test.
//!
//! What a [`Process`] writes is kept: a test waits for a line of it, asserts on all of it, and shows the last of it when it fails.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::assertions::is_one_line;
use crate::wait::wait_for;

/// How many of a process's last lines are shown when its test fails.
const TAIL: usize = 40;

/// The program under test with these arguments, and with none of the settings that the tests' own environment may hold: the one built
/// along with the tests, of which they know the path, unless `LAAFFIC_EXPORTER_BINARY` names another.
pub fn program<S: AsRef<OsStr>>(built: &str, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env::var_os("LAAFFIC_EXPORTER_BINARY").unwrap_or_else(|| built.into()));
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("LAAFFIC_") {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// The same command begun by a shell script, for which it is `"$0" "$@"`.
pub fn by_shell(script: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

/// The program on a socket that is open already, as systemd passes it on: so its address is known, whatever the log says.
pub fn on_socket(listener: TcpListener, command: &Command) -> Command {
    // The socket is file 3, and LISTEN_PID is the program's own number, which a shell keeps when it becomes it.
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" --web.systemd-socket";
    let mut command = by_shell(script, command);
    command.stdin(OwnedFd::from(listener));
    command
}

/// Set in a process that runs a single test.
const ALONE: &str = "TESTKIT_IN_A_PROCESS_OF_ITS_OWN";

/// Whether this process runs a single test, which another one has started for it.
pub fn is_in_a_process_of_its_own() -> bool {
    env::var_os(ALONE).is_some()
}

/// Runs one test of this very binary once more, in a process with these variables: for what concerns a process as a whole, such as its
/// environment, its memory or its panic hook. It must pass; gives what it has written.
pub fn in_a_process_of_its_own<'v>(test: &str, variables: impl IntoIterator<Item = (&'v str, &'v str)>) -> Output {
    // Whatever it takes, those that measure time beside it go first.
    let script = "command -v nice >/dev/null && exec nice -n 19 \"$0\" \"$@\"; exec \"$0\" \"$@\"";
    once_more(test, variables, script)
}

/// The same in a network of its own, of which there is nothing but this host's name for itself: there programs get the ports that they
/// take by themselves, whatever listens on this host. Needs `unshare` and `ip`; who is not root becomes it there, and nowhere else.
pub fn in_a_network_of_its_own<'v>(test: &str, variables: impl IntoIterator<Item = (&'v str, &'v str)>) -> Output {
    let script = "root=; [ \"$(id -u)\" = 0 ] || root=--map-root-user; \
                  exec unshare $root --net sh -c 'ip link set lo up && exec \"$0\" \"$@\"' \"$0\" \"$@\"";
    once_more(test, variables, script)
}

/// Runs a test in a process of its own, begun by a shell script for which it is `"$0" "$@"`.
fn once_more<'v>(test: &str, variables: impl IntoIterator<Item = (&'v str, &'v str)>, script: &str) -> Output {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .envs(variables);
    let output = by_shell(script, &command).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{test}: {output:?}"
    );
    output
}

/// A child process. Dropping it kills it; if the test is failing, its last lines are shown.
pub struct Process {
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
pub struct Ended {
    /// Its exit code; none if a signal has ended it.
    pub code: Option<i32>,
    /// All that it has written for whoever called it.
    pub stdout: String,
    /// All that it has written besides: the log, and errors.
    pub stderr: String,
}

impl Ended {
    /// What stderr says beside the log, which is there too.
    pub fn errors(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| !line.starts_with("time=")).collect()
    }

    /// Refused, with a single line that says all this.
    #[track_caller]
    pub fn is_refused_with(&self, words: &[&str]) {
        assert_eq!((self.code, &*self.stdout), (Some(1), ""), "{self:?}");
        is_one_line(&self.errors().join("\n"), words);
    }
}

impl Process {
    /// Starts it with nothing to read.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::spawn(command)
    }

    /// Starts it with the standard input that the command says.
    pub fn spawn(mut command: Command) -> Self {
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

    /// What it has written so far.
    pub fn stdout(&self) -> String {
        self.stdout.text.lock().unwrap().clone()
    }

    /// What it has logged so far.
    pub fn stderr(&self) -> String {
        self.stderr.text.lock().unwrap().clone()
    }

    /// The number by which the system knows it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name, with the shell's own `kill`: a minimal host has no program of that name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", &format!("kill -s {name} {}", self.child.id())])
            .status();
        assert!(status.unwrap().success());
    }

    /// Ends it in the middle of whatever it does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended by itself.
    pub async fn ended(mut self) -> Ended {
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

    /// Asks it to end, and waits until it has: well, as a program does that was asked to.
    pub async fn stopped(self) -> Ended {
        self.signal("TERM");
        let ended = self.ended().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended
    }

    /// Waits until these words are in its log, and gives what follows them on their line.
    pub async fn logs(&self, words: &str) -> String {
        wait_for(words, async || rest_of_line(&self.stderr(), words)).await
    }

    /// The same for what it writes for whoever called it.
    pub async fn writes(&self, words: &str) -> String {
        wait_for(words, async || rest_of_line(&self.stdout(), words)).await
    }

    /// Waits until the exporter's log says where it listens, on as many addresses as it was given.
    pub async fn listening<const N: usize>(&self) -> [SocketAddr; N] {
        wait_for("the line that says where it listens", async || {
            let log = self.stderr();
            // A line still being written has no end yet.
            let lines = log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            let addresses: Vec<SocketAddr> = lines
                .filter(|line| line.contains("msg=\"Listening on\""))
                .map(|line| line.split_once("address=").unwrap().1)
                .map(|rest| rest.split(' ').next().unwrap().trim_matches('"').parse().unwrap())
                .collect();
            <[SocketAddr; N]>::try_from(addresses)
        })
        .await
    }
}

impl Drop for Process {
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

/// What follows these words in a line that is whole: one still being written has no end yet.
fn rest_of_line(text: &str, words: &str) -> Result<String, String> {
    let (_, after) = text.split_once(words).ok_or(text)?;
    let (rest, _) = after.split_once('\n').ok_or(text)?;
    Ok(rest.to_owned())
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
pub async fn run(command: Command) -> Ended {
    Process::start(command).ended().await
}
