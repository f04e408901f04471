//! A real Prometheus scrapes over TLS, with a client certificate and a password.

use std::fs;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::pki::Authority;
use crate::world::{Folder, TLS, eventually};

#[tokio::test]
#[ignore = "needs the prometheus program; scripts/test runs it"]
async fn a_real_prometheus_scrapes_with_a_certificate_and_a_password() {
    let clients = Authority::new("client authority");
    let hash = bcrypt::hash("alice123", 10).unwrap();
    let folder = Folder::new(&format!(
        "{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.crt\n  \
         client_allowed_sans: [prometheus.example.net]\nbasic_auth_users: {{alice: {hash}}}\n"
    ));
    folder.write("clients.crt", &clients.cert);
    folder.write("ca.crt", &folder.authority.cert);
    folder.write_pair("client", &clients.client(&["prometheus.example.net"]));
    let world = folder.serve().await;
    let job = |name: &str, lines: &str| {
        format!(
            "  - job_name: {name}\n    scheme: https\n    static_configs: [{{targets: ['localhost:{}']}}]\n{lines}",
            world.address.port()
        )
    };
    let tls = "    tls_config: {ca_file: ca.crt, cert_file: client.crt, key_file: client.key}\n";
    let password = |password: &str| format!("    basic_auth: {{username: alice, password: {password}}}\n");
    let text = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n{}{}{}",
        job("good", &format!("{tls}{}", password("alice123"))),
        job("wrong", &format!("{tls}{}", password("alice1234"))),
        job(
            "bare",
            &format!("    tls_config: {{ca_file: ca.crt}}\n{}", password("alice123"))
        ),
    );
    world.folder.write("prometheus.yml", &text);

    let own = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let log = fs::File::create(world.folder.path().join("log")).unwrap();
    let mut prometheus = Command::new("prometheus")
        .arg("--config.file=prometheus.yml")
        .arg("--storage.tsdb.path=data")
        .arg(format!("--web.listen-address={own}"))
        .current_dir(world.folder.path())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let client = world.client();
    let targets = async || -> Option<Value> {
        let response = client.get(format!("http://{own}/api/v1/targets")).send().await.ok()?;
        serde_json::from_slice(&response.bytes().await.ok()?).ok()
    };
    // Before the first discovery there are no targets.
    let of = |targets: &Value, job: &str| -> Option<(String, String)> {
        let all = targets["data"]["activeTargets"].as_array()?;
        let target = all.iter().find(|target| target["labels"]["job"] == job)?;
        let text = |name: &str| Some(target[name].as_str()?.to_owned());
        Some((text("health")?, text("lastError")?))
    };
    let mut last = Value::Null;
    eventually(async || {
        last = targets().await.unwrap_or_default();
        let jobs = ["good", "wrong", "bare"].map(|job| of(&last, job));
        jobs.iter()
            .all(|job| job.as_ref().is_some_and(|(health, _)| health != "unknown"))
    })
    .await;
    assert_eq!(of(&last, "good"), Some(("up".to_owned(), String::new())));
    let (health, error) = of(&last, "wrong").unwrap();
    assert!(health == "down" && error.contains("401"), "{error}");
    let (health, error) = of(&last, "bare").unwrap();
    // The alert, or the reset that may overtake it; in any case no answer of HTTP.
    assert!(
        health == "down" && !error.is_empty() && !error.contains("HTTP status"),
        "{error}"
    );
    prometheus.kill().await.unwrap();
}

#[tokio::test]
#[ignore = "needs the promtool program; scripts/test runs it"]
async fn promtool_agrees_that_a_real_prometheus_would_take_the_example() {
    let folder = Folder::new(&fs::read_to_string("deploy/web-config.example.yaml").unwrap());
    let mut check = Command::new("promtool");
    let ended = check
        .args(["check", "web-config"])
        .arg(folder.file())
        .output()
        .await
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}
