//! What systemd does and hears, with a socket in its place.

use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::program::{CONFIG, program};
use crate::world::{Folder, PATIENCE};

fn hears(socket: &UnixDatagram) -> String {
    let mut message = [0; 256];
    let length = socket.recv(&mut message).unwrap();
    String::from_utf8_lossy(&message[..length]).trim().to_owned()
}

async fn end(mut program: Child) {
    let id = program.id().unwrap().to_string();
    Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
    assert!(timeout(PATIENCE, program.wait()).await.unwrap().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_when_it_is_ready_that_it_is_well_and_that_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let program = Command::new(env!("CARGO_BIN_EXE_laaffic-exporter"))
        .args(["demo", "--web.listen-address=127.0.0.1:0"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", Duration::from_secs(1).as_micros().to_string())
        .env_remove("WATCHDOG_PID")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut heard = vec![hears(&socket), hears(&socket), hears(&socket)];
    // The first sign of health may come before the start is said to be done: both begin at once.
    heard.sort();
    assert_eq!(heard, ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
    end(program).await;
    let last = std::iter::repeat_with(|| hears(&socket)).find(|message| message != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_when_it_reloads_and_when_that_is_done_even_if_it_is_refused() {
    let folder = Folder::new("");
    folder.write("config.yaml", CONFIG);
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let running = program(&folder)
        .arg("--web.listen-address=127.0.0.1:0")
        .env("NOTIFY_SOCKET", &path)
        .env_remove("WATCHDOG_USEC")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(hears(&socket), "READY=1");
    let id = running.id().unwrap().to_string();
    let mut before = 0;
    for text in [CONFIG, "accounts: []"] {
        folder.write("config.yaml", text);
        Command::new("kill").args(["-HUP", &id]).status().await.unwrap();
        // systemd takes no reload for begun without the moment of its beginning, on the clock that never goes back.
        let heard = hears(&socket);
        let (reloading, moment) = heard.split_once("\nMONOTONIC_USEC=").unwrap();
        let moment: u64 = moment.parse().unwrap();
        assert!(reloading == "RELOADING=1" && moment > before, "{heard}");
        before = moment;
        assert_eq!(hears(&socket), "READY=1");
    }
    end(running).await;
    assert_eq!(hears(&socket), "STOPPING=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_on_the_socket_that_it_is_given() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // As systemd does it: the socket is file 3, and LISTEN_PID is the program's own number, which a shell keeps when it becomes it.
    let program = Command::new("sh")
        .args([
            "-c",
            "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" demo --web.systemd-socket",
        ])
        .arg(env!("CARGO_BIN_EXE_laaffic-exporter"))
        .stdin(std::os::fd::OwnedFd::from(listener))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    // The socket is open already, so the first request just waits for the start.
    let answer = timeout(PATIENCE, client.get(format!("http://{address}/metrics")).send());
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    end(program).await;
}

#[tokio::test]
async fn without_a_socket_it_says_so() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_laaffic-exporter"))
        .args(["demo", "--web.systemd-socket"])
        .env_remove("LISTEN_FDS")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stderr.take().unwrap()).lines();
    let mut last = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        last = line;
    }
    assert!(
        last.starts_with("laaffic-exporter: systemd passed no sockets on"),
        "{last}"
    );
    assert_eq!(program.wait().await.unwrap().code(), Some(1));
}
