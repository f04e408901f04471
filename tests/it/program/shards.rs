//! Accounts that several exporters share.

use testkit::answer::get;
use testkit::assertions::{is_one_line, says, says_nothing_of};
use testkit::folder::Folder;
use testkit::process::run;
use testkit::watching::Exporter;

use crate::{exporter, exporter_in};

/// Of three shards `west` falls to 0, `main` to 1 and `east` to 2; nothing answers.
const THREE: &str = "\
accounts:
  - {name: west, base_url: 'http://127.0.0.1:9/v3', api_key: planted-key, api_secret: planted-secret, flows: [{key_id: 1}]}
  - {name: main, base_url: 'http://127.0.0.1:9/v3', api_key: planted-key, api_secret: planted-secret, flows: [{key_id: 2}]}
  - {name: east, base_url: 'http://127.0.0.1:9/v3', api_key: planted-key, api_secret: planted-secret, flows: [{key_id: 3}]}
";

async fn shard(ordinal: u32, config: &str) -> Exporter {
    let arguments = [format!("--shard={ordinal}"), "--total-shards=3".to_owned()];
    Exporter::start(exporter(arguments), Folder::configured(config)).await
}

#[tokio::test]
async fn a_shard_has_its_accounts_and_says_whose_the_others_are() {
    let exporter = shard(1, THREE).await;
    let metrics = exporter.metrics().await;
    says(
        &metrics,
        &[
            "laaffic_exporter_shard_info{shard=\"1\",total_shards=\"3\"} 1\n",
            "laaffic_exporter_total_shards 3\n",
            "{account=\"main\"",
        ],
    );
    says_nothing_of(&metrics, &["west", "east"]);
    let page = exporter.get("/").await;
    says(page.text(), &["shard 1 of 3"]);
    let config = exporter.get("/config").await;
    says(config.text(), &["name: main"]);
    says_nothing_of(config.text(), &["west", "east"]);
    for (path, status) in [
        ("/probe?account=west&key_id=1", 400),
        ("/api/v1/flows?account=west", 400),
        ("/flows/west/1", 404),
    ] {
        let answer = exporter.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        says(answer.text(), &["is shard 1 of 3", "shard 0 polls it"]);
    }
    assert!(exporter.process.stderr().contains("shard=1 total_shards=3 accounts=1"));
}

#[tokio::test]
async fn a_shard_without_an_account_is_well_and_takes_one_that_a_reload_brings() {
    let (with, without) = THREE.split_at(THREE.rfind("  - ").unwrap());
    assert!(without.contains("east"));
    let exporter = shard(2, with).await;
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(exporter.get(path).await.status, 200, "{path}");
    }
    says_nothing_of(&exporter.metrics().await, &["account="]);
    exporter.folder.write("config.yaml", THREE);
    exporter.process.signal("HUP");
    exporter.process.logs("configuration reloaded").await;
    let metrics = exporter.metrics().await;
    says(&metrics, &["account=\"east\""]);
    says_nothing_of(&metrics, &["west", "main"]);
}

#[tokio::test]
async fn the_check_reads_the_whole_file_and_says_who_polls_what() {
    let folder = Folder::configured(THREE);
    let ended = run(exporter_in(
        &folder,
        ["--config.check", "--total-shards=4", "--shard=3"],
    ))
    .await;
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    let told: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(told[0], "config.yaml: good; accounts: 3, flows: 3");
    assert_eq!(told.len(), 5, "{told:?}");
    for (line, name) in [
        ("shard 0 of 4: ", "west"),
        ("shard 1 of 4: ", "none"),
        ("shard 2 of 4: ", "east"),
        ("shard 3 of 4: ", "main"),
    ] {
        assert!(
            told.iter().any(|told| told.starts_with(line) && told.contains(name)),
            "{told:?}"
        );
    }
    // Another shard's mistake is everybody's: the file is the same.
    let folder = Folder::configured(&THREE.replacen("flows: [{key_id: 1}]", "flows: [{key_id: 0}]", 1));
    let ended = run(exporter_in(&folder, ["--total-shards=3", "--shard=2"])).await;
    ended.is_refused_with(&["config.yaml:2:", "key_id"]);
}

#[tokio::test]
async fn what_is_no_shard_is_bad_usage() {
    for (arguments, words) in [
        (
            &["--shard=3", "--total-shards=3"][..],
            &["--shard 3", "--total-shards 3", "the last one is 2"][..],
        ),
        (&["--shard=1"], &["--shard 1", "--total-shards 1"]),
        (&["--total-shards=0"], &["--total-shards", "1 to 1000"]),
        (&["--shard=-1"], &["--shard", "0 or more"]),
        (&["--shard=first"], &["--shard", "whole number"]),
    ] {
        let ended = run(exporter(arguments)).await;
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{arguments:?}");
        is_one_line(&ended.stderr, words);
    }
    let folder = Folder::configured(THREE);
    let mut command = exporter_in::<&str>(&folder, ["--config.check"]);
    command
        .env("LAAFFIC_EXPORTER_SHARD", "2")
        .env("LAAFFIC_EXPORTER_TOTAL_SHARDS", "2");
    let ended = run(command).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
}

#[tokio::test]
async fn alone_it_has_all_accounts() {
    let exporter = Exporter::start(exporter::<&str>([]), Folder::configured(THREE)).await;
    let metrics = get(exporter.address, "/metrics").await;
    says(
        metrics.text(),
        &[
            "{shard=\"0\",total_shards=\"1\"} 1\n",
            "\"west\"",
            "\"main\"",
            "\"east\"",
        ],
    );
    says_nothing_of(exporter.get("/").await.text(), &["shard"]);
}
