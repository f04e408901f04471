//! Who asks for pages and does not read them: the memory of the exporter as a process stays bounded.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use reqwest::StatusCode;
use socket2::{Domain, Socket, Type};
use testkit::assertions::within;
use testkit::vendor::{account, still};
use testkit::watching::Watching;

use crate::exporter;

const FLOWS: u64 = 4000;
const READERS: usize = 100;

/// What the kernel says of the exporter's memory, in kB: `VmRSS`, or `VmHWM` for the most since [`forget`].
fn memory(world: &Watching, of: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.exporter.process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(of)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Lets the high-water mark begin anew (proc(5), `clear_refs`).
fn forget(world: &Watching) {
    std::fs::write(format!("/proc/{}/clear_refs", world.exporter.process.id()), "5").unwrap();
}

/// Asks, and reads no more than the first bytes, so that the answer has begun. Gives the status.
fn ask(address: SocketAddr, path: &str, encoding: &str) -> (TcpStream, StatusCode) {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    // Else the kernel holds what the exporter should.
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept-Encoding: {encoding}\r\n\r\n"
    )
    .unwrap();
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).unwrap();
    let status = StatusCode::from_bytes(&begin[9..]).unwrap();
    (stream, status)
}

/// What is asked for: how that is called, which encodings the readers take by turns, and the path of each.
type Attack<'a> = (&'static str, &'static [&'static str], &'a dyn Fn(usize) -> String);

#[tokio::test]
async fn whoever_reads_pages_or_does_not_memory_is_bounded() {
    let flow = |key_id| format!("key_id: {key_id}, name: reminder number {key_id}, labels: {{team: growth}}");
    let global = "poll_interval: 60s, terminal_poll_interval: 60s";
    let account = account("main", (1..=FLOWS).map(still));
    let world = Watching::start(exporter::<&str>([]), account, global, (1..=FLOWS).map(flow)).await;
    let idle = memory(&world, "VmRSS");
    let most = 2 * idle + 32 * 1024;
    let same = |path: &'static str| move |_| path.to_owned();
    let filters = |number| format!("/?filter=reminder{}", "+".repeat(number));
    let attacks: [Attack<'_>; 5] = [
        ("the page", &["identity", "gzip", "identity", "zstd"], &same("/")),
        ("filtered pages", &["identity", "gzip"], &filters),
        ("changes", &["identity", "gzip"], &|number| format!("/?since={number}")),
        ("the JSON", &["identity", "zstd"], &same("/api/v1/flows")),
        ("the configuration", &["identity"], &same("/config")),
    ];
    for (what, encodings, path) in attacks {
        forget(&world);
        let asked = (0..READERS).map(|number| (path(number), encodings[number % encodings.len()]));
        let asked: Vec<_> = asked.collect();
        let address = world.exporter.address;
        // All at once: some have to wait for others.
        let readers = asked
            .into_iter()
            .map(|(path, encoding)| std::thread::spawn(move || ask(address, &path, encoding)));
        let readers: Vec<_> = readers.collect();
        let readers: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        within(what, memory(&world, "VmHWM"), ..most);
        let count = |wanted| readers.iter().filter(|(_, status)| *status == wanted).count();
        let (answered, refused) = (count(StatusCode::OK), count(StatusCode::SERVICE_UNAVAILABLE));
        assert!(
            answered > 0 && answered + refused == READERS,
            "{what}: {answered} + {refused}"
        );
        // Scrapes go on meanwhile.
        assert_eq!(world.exporter.get("/metrics").await.status, StatusCode::OK, "{what}");
        drop(readers);
        // Half of them hang up in the middle, and the page is there again.
        testkit::wait::wait_for(what, async || match world.exporter.get("/").await.status {
            StatusCode::OK => Ok(()),
            status => Err(status),
        })
        .await;
    }
}
