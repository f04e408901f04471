//! The manual page of the configuration file, `deploy/man/laaffic-exporter.yaml.5`: made from the schema, as the reference in `docs/` is.
//!
//! The test here compares it; with `UPDATE_GOLDEN=1` it writes it instead.

use std::path::Path;

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use serde_json::Value;
use testkit::golden;

use super::reference::{BLOCKS, block, default, description, in_order, is_required, kind, schema};
use crate::config;

const PAGE: &str = "deploy/man/laaffic-exporter.yaml.5";

const EXAMPLE: &str = "\
accounts:
  - name: main
    base_url: https://api.laaffic.com/v3
    api_key_file: /run/credentials/laaffic-exporter.service/api_key
    api_secret_file: /run/credentials/laaffic-exporter.service/api_secret
    flows:
      - key_id: 12
        name: overdue-reminder
        labels: { team: collections }
      - key_id: 13
";

/// The page: what holds for the whole file, then each block with its keys, in the order of the file.
fn page(schema: &Value) -> String {
    let mut page = Roff::new();
    // Without a date, as the pages of the commands are.
    page.control(
        "TH",
        ["laaffic-exporter.yaml", "5", "\"\"", "laaffic-exporter", "File Formats"],
    );
    page.control("SH", ["NAME"]);
    page.text([roman("laaffic-exporter.yaml - configuration file of laaffic-exporter")]);
    introduce(&mut page);
    page.control("SH", ["KEYS"]);
    for (path, name) in BLOCKS {
        keys(&mut page, path, name, block(schema, name));
    }
    show_example(&mut page);
    page.control("SH", ["FILES"]);
    for (path, meaning) in [
        (
            "/etc/laaffic-exporter/config.yaml",
            "The file that the Debian package's service reads.",
        ),
        (
            "/usr/share/doc/laaffic-exporter/examples/config.example.yaml",
            "Every key at work.",
        ),
        (
            "/usr/share/laaffic-exporter/config.schema.json",
            "The same as a JSON schema, for editors with a YAML language server.",
        ),
    ] {
        page.control("TP", []);
        page.text([italic(path)]);
        page.text([roman(meaning)]);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([roman("laaffic-exporter(1), laaffic-exporter-check(1)")]);
    page.render()
}

fn introduce(page: &mut Roff) {
    page.control("SH", ["DESCRIPTION"]);
    let paragraphs = [
        "The file that `--config.file` names, in YAML. An unknown key, or one that is given twice, is a mistake; a key without a value \
         counts as not given. `laaffic-exporter --config.check` lists every mistake at once, with line and column.",
        "Durations are written as in Prometheus: `500ms`, `30s`, `5m`, `1m30s`, `12h`, `7d`. None may be zero. Relative paths start from \
         the folder of the file.",
        "On `SIGHUP` the file is loaded again: where it has a mistake, what was in force stays so.",
    ];
    for (number, paragraph) in paragraphs.into_iter().enumerate() {
        if number > 0 {
            page.control("PP", []);
        }
        page.text(inlines(paragraph));
    }
}

fn keys(page: &mut Roff, path: &str, name: &str, block: &Value) {
    if !path.is_empty() {
        page.control("SS", [path]);
        page.text(inlines(&description(block)));
    }
    for key in in_order(block, name) {
        let property = &block["properties"][key];
        let mut head = vec![bold(key), roman(format!(" ({}", kind(property)))];
        match default(property) {
            _ if is_required(block, key) => head.push(roman("; must be given")),
            Some(value) => head.extend([roman("; default "), bold(value)]),
            None => {}
        }
        head.push(roman(")"));
        page.control("TP", []);
        page.text(head);
        page.text(inlines(&description(property)));
    }
}

fn show_example(page: &mut Roff) {
    page.control("SH", ["EXAMPLE"]);
    page.text([roman(
        "An account whose key and secret are handed on by systemd, and two flows of it:",
    )]);
    page.control("PP", []);
    page.control("nf", []);
    page.control("RS", []);
    for line in EXAMPLE.lines() {
        page.text([roman(line)]);
    }
    page.control("RE", []);
    page.control("fi", []);
}

/// Text with words of code in it, which are bold.
fn inlines(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    parts
        .filter(|(_, part)| !part.is_empty())
        .map(|(number, part)| if number % 2 == 1 { bold(part) } else { roman(part) })
        .collect()
}

#[test]
fn the_manual_page_has_every_key() {
    golden::matches(PAGE, &page(&schema()));
}

#[test]
fn the_example_in_the_manual_page_is_good() {
    // Its files are there only while the service runs.
    let example = EXAMPLE.replace("_file: /run/credentials/laaffic-exporter.service/", ": ");
    let config = config::parse(&example, Path::new("example"), &|_: &str| None).unwrap();
    assert_eq!(config.accounts[0].flows.len(), 2);
}
