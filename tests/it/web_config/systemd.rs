//! What systemd does and hears, with a socket in its place.

use std::os::unix::net::UnixDatagram;
use std::process::Command;

use testkit::folder::Folder;
use testkit::process::{Process, run};
use testkit::server::WebFolder;
use testkit::wait::PATIENCE;

use super::program::{CONFIG, program};
use crate::exporter;

/// Starts the program with systemd's ear in this folder, or a socket that is like it.
fn start_heard(folder: &Folder, mut command: Command) -> (Process, UnixDatagram) {
    let path = folder.file("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    command.env("NOTIFY_SOCKET", &path);
    (Process::start(command), socket)
}

fn hears(socket: &UnixDatagram) -> String {
    let mut message = [0; 256];
    let length = socket.recv(&mut message).unwrap();
    String::from_utf8_lossy(&message[..length]).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_when_it_is_ready_that_it_is_well_and_that_it_stops() {
    let mut command = exporter(["demo", "--web.listen-address=127.0.0.1:0"]);
    command.env("WATCHDOG_USEC", "1000000").env_remove("WATCHDOG_PID");
    let folder = Folder::new();
    let (program, socket) = start_heard(&folder, command);
    let mut heard = vec![hears(&socket), hears(&socket), hears(&socket)];
    // The first sign of health may come before the start is said to be done: both begin at once.
    heard.sort();
    assert_eq!(heard, ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
    program.stopped().await;
    let last = std::iter::repeat_with(|| hears(&socket)).find(|message| message != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_when_it_reloads_and_when_that_is_done_even_if_it_is_refused() {
    let folder = WebFolder::new("");
    folder.write("config.yaml", CONFIG);
    let mut command = program(&folder, ["--web.listen-address=127.0.0.1:0"]);
    command.env_remove("WATCHDOG_USEC");
    let (running, socket) = start_heard(&folder, command);
    assert_eq!(hears(&socket), "READY=1");
    let mut before = 0;
    for text in [CONFIG, "accounts: []"] {
        folder.write("config.yaml", text);
        running.signal("HUP");
        // systemd takes no reload for begun without the moment of its beginning, on the clock that never goes back.
        let heard = hears(&socket);
        let (reloading, moment) = heard.split_once("\nMONOTONIC_USEC=").unwrap();
        let moment: u64 = moment.parse().unwrap();
        assert!(reloading == "RELOADING=1" && moment > before, "{heard}");
        before = moment;
        assert_eq!(hears(&socket), "READY=1");
    }
    running.stopped().await;
    assert_eq!(hears(&socket), "STOPPING=1");
}

#[tokio::test]
async fn without_a_socket_it_says_so() {
    let mut command = exporter(["demo", "--web.systemd-socket"]);
    command.env_remove("LISTEN_FDS");
    let ended = run(command).await;
    let last = ended.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("laaffic-exporter: systemd passed no sockets on"),
        "{last}"
    );
    assert_eq!(ended.code, Some(1));
}
