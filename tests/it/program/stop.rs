//! The stop: in time, whatever clients leave half done.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use testkit::assertions::says;
use testkit::process::{Ended, Process};
use tokio::time::Instant;

use super::{GOOD, demo, serving, simulated};

/// How long a stop may take.
const STOP: Duration = Duration::from_secs(5);

#[tokio::test]
async fn sigterm_and_sigint_end_it_in_time_while_a_scrape_is_open() {
    // So many flows that the body fits in no socket's buffer.
    let flows: String = (1..=20_000).map(|key| format!("      - key_id: {key}\n")).collect();
    let config = GOOD.replace("      - key_id: 12\n", &flows);
    let ends_on = async |signal| {
        let exporter = serving(&config, []).await;
        let _scrape = open_scrape(exporter.address);
        let ended = ends_in_time(exporter.process, signal).await;
        says(&ended.stderr, &[&format!("signal=SIG{signal}")]);
    };
    tokio::join!(ends_on("TERM"), ends_on("INT"));
}

/// A scrape whose client has read the first bytes and then stalls.
fn open_scrape(address: SocketAddr) -> TcpStream {
    let mut scrape = connect_with_small_buffer(address);
    scrape.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut beginning = [0; 15];
    scrape.read_exact(&mut beginning).unwrap();
    assert_eq!(&beginning, b"HTTP/1.1 200 OK");
    scrape
}

/// Stops a process with this signal, which must work as documented.
async fn ends_in_time(process: Process, signal: &str) -> Ended {
    process.signal(signal);
    let asked = Instant::now();
    let ended = process.ended().await;
    let took = asked.elapsed();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(took < STOP, "SIG{signal} took {took:?}: {ended:?}");
    ended
}

fn connect_with_small_buffer(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.into()
}

#[tokio::test]
async fn idle_connections_and_half_requests_do_not_hold_up_the_exporters_stop() {
    let exporter = serving(GOOD, []).await;
    let _held = hold(exporter.address);
    ends_in_time(exporter.process, "TERM").await;
}

#[tokio::test]
async fn idle_connections_and_half_requests_do_not_hold_up_the_simulators_stop() {
    let (simulator, url, _) = simulated().await;
    let _held = hold(address_in(&url));
    ends_in_time(simulator, "TERM").await;
}

#[tokio::test]
async fn the_demo_outlives_a_hangup_and_nobodys_connections_hold_up_its_stop() {
    let demo = demo([]).await;
    demo.process.signal("HUP");
    let vendor = demo.process.writes("Simulated vendor").await;
    let _held = [hold(demo.address), hold(address_in(vendor.trim()))];
    ends_in_time(demo.process, "TERM").await;
}

/// The address in a URL.
fn address_in(url: &str) -> SocketAddr {
    url.split('/').nth(2).unwrap().parse().unwrap()
}

/// Three connections that nobody goes on with: without a request, with half of one, and after an answer.
fn hold(address: SocketAddr) -> [TcpStream; 3] {
    let idle = TcpStream::connect(address).unwrap();
    let mut half = TcpStream::connect(address).unwrap();
    half.write_all(b"GET /-/heal").unwrap();
    let mut kept = TcpStream::connect(address).unwrap();
    kept.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(kept.read(&mut [0; 64]).unwrap() > 0);
    [idle, half, kept]
}
