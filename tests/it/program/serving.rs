//! What the running program shows: where it listens, when it is ready, metrics, pages, probes, the health check.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use laaffic_simulator::demo_accounts;
use testkit::answer::{get, ready};
use testkit::assertions::{has_lines, is_one_line, says, says_nothing_of};
use testkit::folder::Folder;
use testkit::process::{Process, run};
use testkit::watching::Exporter;

use super::{GOOD, demo, exporter, exporter_in, serving, simulated};

#[tokio::test]
async fn the_telemetry_path_moves_the_metrics_and_the_pages_link() {
    let demo = demo(["--web.telemetry-path=/deep/er"]).await;
    let metrics = demo.get("/deep/er").await;
    assert_eq!(metrics.status, 200);
    assert_eq!(
        metrics.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    says(metrics.text(), &["laaffic_redial_flow_info{"]);
    assert_eq!(demo.get("/metrics").await.status, 404);
    let page = demo.get("/").await;
    says(page.text(), &["href=\"deep/er\""]);
    says_nothing_of(page.text(), &["href=\"metrics\""]);
    says(&demo.process.stdout(), &[&format!("http://{}/deep/er", demo.address)]);
}

#[tokio::test]
async fn it_listens_on_every_address_it_is_given() {
    let v6 = TcpListener::bind("[::1]:0").is_ok();
    let other = if v6 { "[::1]:0" } else { "127.0.0.1:0" };
    let folder = Folder::configured(GOOD);
    let flag = "--web.listen-address";
    let exporter = Process::start(exporter_in(
        &folder,
        [flag, "127.0.0.1:0", flag, "localhost:0", flag, other],
    ));
    let addresses: [SocketAddr; 3] = exporter.listening().await;
    assert!(addresses.iter().all(|address| address.port() != 0));
    assert_eq!(addresses[2].is_ipv6(), v6);
    for address in addresses {
        assert_eq!(get(address, "/metrics").await.status, 200);
    }
}

#[tokio::test]
async fn the_simulator_prints_a_configuration_that_works_as_it_is() {
    let (_simulator, _, config) = simulated().await;
    let verdict = run(exporter_in(&Folder::configured(&config), ["--config.check"])).await;
    assert_eq!(verdict.code, Some(0), "{}", verdict.stderr);

    let exporter = serving(&config, []).await;
    ready(exporter.address).await;
    let metrics = exporter.metrics().await;
    let beginning = |start: String| metrics.lines().filter(move |line| line.starts_with(&start));
    for account in demo_accounts() {
        let (name, flows) = (account.name, account.flows.len());
        let infos = beginning(format!("laaffic_redial_flow_info{{account=\"{name}\",")).count();
        assert!(infos == flows || account.discovered && infos > flows, "{name}: {infos}");
        let mut up = beginning(format!("laaffic_redial_flow_up{{account=\"{name}\""));
        assert_eq!(up.any(|line| line.ends_with(" 1")), !account.refused, "{name}");
    }
}

#[tokio::test]
async fn ten_lines_of_configuration_show_a_flow() {
    let (_simulator, url, _) = simulated().await;
    let [retail, ..] = demo_accounts();
    let config = format!(
        "accounts:
  - name: main
    base_url: {url}
    api_key: {}
    api_secret_file: secret
    flows:
      - key_id: 1008
        name: warranty-renewal
        labels:
          team: support
",
        retail.api_key
    );
    // As an editor leaves it: the end of the line is not part of the secret.
    let secret = format!("{}\n", retail.api_secret);
    let folder = Folder::with([("config.yaml", config), ("secret", secret)]);
    let exporter = Exporter::start(exporter::<&str>([]), folder).await;
    ready(exporter.address).await;
    let metrics = exporter.metrics().await;
    has_lines(
        &metrics,
        &[
            "laaffic_redial_flow_up{account=\"main\",key_id=\"1008\"} 1",
            "laaffic_redial_flow_status{account=\"main\",key_id=\"1008\",status=\"execution_exception\"} 1",
            "laaffic_redial_flow_status_code{account=\"main\",key_id=\"1008\"} 4",
        ],
    );
    let mut lines = metrics.lines();
    let info = lines.find(|line| line.starts_with("laaffic_redial_flow_info{"));
    says(info.unwrap(), &["name=\"warranty-renewal\"", "team=\"support\""]);
    let page = exporter.get("/").await;
    says(page.text(), &["warranty-renewal", "execution_exception"]);
}

#[tokio::test]
async fn readiness_waits_for_the_first_answer() {
    // This vendor takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v3", silent.local_addr().unwrap());
    let config = GOOD.replace("http://127.0.0.1:9/v3", &url);
    let exporter = serving(&format!("global: {{ request_timeout: 30s }}\n{config}"), []).await;
    assert_eq!(exporter.get("/-/ready").await.status, 503);
    assert_eq!(exporter.get("/-/healthy").await.status, 200);
    let metrics = exporter.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    let success = "laaffic_redial_flow_last_success_timestamp_seconds{";
    says_nothing_of(metrics.text(), &[success]);
}

#[tokio::test]
async fn the_running_configuration_is_shown_without_secrets() {
    let exporter = serving(GOOD, []).await;
    let page = exporter.get("/config").await;
    assert_eq!(page.status, 200);
    let secrets = ["  api_key: <secret>", "  api_secret: <secret>"];
    has_lines(page.text(), &["- name: main", "  - key_id: 12"]);
    has_lines(page.text(), &secrets);
    says_nothing_of(page.text(), &["planted"]);
}

#[tokio::test]
async fn a_probe_shows_one_flow_and_refuses_what_it_does_not_know() {
    let (_simulator, _, config) = simulated().await;
    let exporter = serving(&config, []).await;
    let answer = exporter.get("/probe?account=retail&key_id=1008").await;
    assert_eq!(answer.status, 200);
    has_lines(
        answer.text(),
        &[
            "laaffic_probe_success 1",
            "laaffic_redial_flow_status_code{account=\"retail\",key_id=\"1008\"} 4",
        ],
    );
    for query in [
        "",
        "?account=retail",
        "?key_id=12",
        "?account=nobody&key_id=12",
        "?account=retail&key_id=0",
        "?account=retail&key_id=x",
    ] {
        let answer = exporter.get(&format!("/probe{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        is_one_line(answer.text().trim(), &[]);
    }
}

#[tokio::test]
async fn healthcheck_tells_a_running_exporter_from_none() {
    let running = serving(GOOD, []).await;
    let address = running.address.to_string();
    let check = async || run(exporter(["healthcheck", "--web.listen-address", &address])).await;
    let ended = check().await;
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    drop(running);
    let ended = check().await;
    assert_eq!(ended.code, Some(1));
    is_one_line(&ended.stderr, &["does not answer"]);
}

#[tokio::test]
async fn a_host_without_certificate_authorities_can_do_everything_but_https() {
    let without = |mut command: Command| {
        command.env("SSL_CERT_FILE", "/nonexistent");
        command.env("SSL_CERT_DIR", "/nonexistent");
        command
    };
    let running = Exporter::start(without(exporter::<&str>([])), Folder::configured(GOOD)).await;
    let address = running.address.to_string();
    let check = without(exporter(["healthcheck", "--web.listen-address", &address]));
    assert_eq!(run(check).await.code, Some(0));
    let https = Folder::configured(&GOOD.replace("http://127.0.0.1:9", "https://127.0.0.1:9"));
    let ended = run(without(exporter_in(&https, ["--web.listen-address=127.0.0.1:0"]))).await;
    assert_eq!(ended.code, Some(1));
    let line = ended.stderr.lines().last().unwrap();
    says(line, &["CA certificates", "tls_config.ca_file"]);
}
