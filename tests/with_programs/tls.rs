//! A real Prometheus scrapes over TLS, with a client certificate and a password.

use std::fs;
use std::process::Command;

use testkit::assertions::says;
use testkit::certificates::Authority;
use testkit::process::run;
use testkit::prometheus::Prometheus;
use testkit::server::{TLS, WebFolder};
use testkit::wait::wait_for;

#[tokio::test]
async fn a_real_prometheus_scrapes_with_a_certificate_and_a_password() {
    let clients = Authority::new("client authority");
    let hash = bcrypt::hash("alice123", 10).unwrap();
    let folder = WebFolder::new(&format!(
        "{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.crt\n  \
         client_allowed_sans: [prometheus.example.net]\nbasic_auth_users: {{alice: {hash}}}\n"
    ));
    folder.write("clients.crt", &clients.cert);
    folder.write_pair("client", &clients.client(&["prometheus.example.net"]));
    let world = folder.serve().await;
    let job = |name: &str, certificate: &str, password: &str| {
        format!(
            "  - job_name: {name}\n    scheme: https\n    static_configs: [{{targets: ['localhost:{}']}}]\n    \
             tls_config: {{ca_file: ca.crt{certificate}}}\n    basic_auth: {{username: alice, password: {password}}}\n",
            world.address.port()
        )
    };
    let certificate = ", cert_file: client.crt, key_file: client.key";
    let text = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n{}{}{}",
        job("good", certificate, "alice123"),
        job("wrong", certificate, "alice1234"),
        job("bare", "", "alice123"),
    );
    let prometheus = Prometheus::start(&world.folder, &text, &[]).await;
    // Before the first discovery there are no targets.
    let [good, wrong, bare] = wait_for("every target to have been scraped", async || {
        let targets = prometheus.api("targets", &[]).await?;
        let all = targets["activeTargets"].as_array().ok_or("no targets")?;
        let of = |job: &str| {
            let target = all.iter().find(|target| target["labels"]["job"] == job)?;
            let text = |name: &str| Some(target[name].as_str()?.to_owned());
            Some((text("health")?, text("lastError")?)).filter(|(health, _)| health != "unknown")
        };
        let jobs: Option<Vec<_>> = ["good", "wrong", "bare"].into_iter().map(of).collect();
        <[_; 3]>::try_from(jobs.ok_or("not yet")?).map_err(|_| "too many".to_owned())
    })
    .await;
    assert_eq!(good, ("up".to_owned(), String::new()));
    assert_eq!(wrong.0, "down");
    says(&wrong.1, &["401"]);
    // The alert, or the reset that may overtake it; in any case no answer of HTTP.
    let (health, error) = bare;
    assert!(
        health == "down" && !error.is_empty() && !error.contains("HTTP status"),
        "{error}"
    );
}

#[tokio::test]
async fn promtool_agrees_that_a_real_prometheus_would_take_the_example() {
    let folder = WebFolder::new(&fs::read_to_string("deploy/web-config.example.yaml").unwrap());
    let mut check = Command::new("promtool");
    check.args(["check", "web-config"]).arg(folder.web_yaml());
    let ended = run(check).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
