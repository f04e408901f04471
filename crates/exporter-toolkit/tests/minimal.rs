//! The example of the README, run as a program: it serves what it says, and stops when it is told to.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

struct Minimal {
    child: Child,
    address: String,
}

impl Minimal {
    fn start() -> Self {
        // Cargo builds the examples of a package along with its tests, beside their folder.
        let mut folder = std::env::current_exe().unwrap();
        folder.pop();
        folder.pop();
        let binary = folder.join("examples/minimal");
        assert!(
            binary.exists(),
            "cargo test --test minimal alone builds no examples; leave --test out"
        );
        let mut child = Command::new(binary)
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, address }
    }

    fn get(&self, path: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Minimal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn the_minimal_exporter_serves_both_formats_and_a_landing_page() {
    let minimal = Minimal::start();
    assert!(minimal.get("/hello", "").ends_with("Hello!\n"));
    let classic = minimal.get("/metrics", "");
    assert!(
        classic.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{classic}"
    );
    assert!(
        classic.contains("# TYPE minimal_greetings_total counter\nminimal_greetings_total "),
        "{classic}"
    );
    let openmetrics = minimal.get("/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n");
    assert!(openmetrics.contains("# TYPE minimal_greetings counter\n") && openmetrics.contains("# EOF\n"));
    let packed = minimal.get("/metrics", "Accept-Encoding: gzip\r\n");
    assert!(packed.contains("content-encoding: gzip"));
    let landing = minimal.get("/", "");
    assert!(landing.contains("<a href=\"metrics\">Metrics</a>"), "{landing}");
    assert!(minimal.get("/nowhere", "").starts_with("HTTP/1.1 404"));
}

#[test]
fn a_termination_signal_ends_it_well() {
    let mut minimal = Minimal::start();
    let told = Command::new("sh")
        .args(["-c", &format!("kill -TERM {}", minimal.child.id())])
        .status()
        .unwrap();
    assert!(told.success() && minimal.child.wait().unwrap().success());
}
