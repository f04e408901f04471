//! Broken lines, with secrets as values and as keys, in every YAML file that is read: no message has any of them.

use std::fs;
use std::path::Path;

use exporter_toolkit::web_config;
use laaffic_exporter::config::{self, HttpConfig};

const SECRET: &str = "hunter2";

/// Lines with the secret as a value, or in a key that cannot be one because the space after its colon was forgotten. `B` stands for a
/// block of the file that takes a mapping, `K` for a key of it that takes a text.
const LINES: &[&str] = &[
    // the forgotten space
    "B: {K:hunter2}",
    "B: {K:hunter2: x}",
    "B: {\"K:hunter2\"}",
    "B: {K:hunter2, K: x}",
    "B: {'K:hunter2': x}",
    "B: {K:hunter2: hunter2}",
    "B: {K:hunter2: [hunter2]}",
    "B: {K:hunter2: {a: hunter2}}",
    "B:\n  K:hunter2",
    "B:\n  K:hunter2: x",
    "B:\n  K:hunter2\n  K: x",
    "B:\n  - K:hunter2",
    "B:\n  - K:hunter2: x",
    "B:hunter2",
    "B:hunter2: x",
    "B:{K: hunter2}",
    "K:hunter2: x\nB: {}",
    "? K:hunter2\n: x",
    "? {K: hunter2}\n: x",
    "? [hunter2]\n: x",
    "B: {? K:hunter2 : x}",
    "B: {[hunter2]: x}",
    "B: {{a: hunter2}: x}",
    // another kind of value
    "B: hunter2",
    "B: 'hunter2'",
    "B: \"hunter2, expected hunter2\"",
    "B: [hunter2]",
    "B: [K, hunter2]",
    "B: [{K: hunter2}]",
    "B: {K: [hunter2]}",
    "B: {K: {a: hunter2}}",
    "B: {K: {hunter2: hunter2}: x}",
    "hunter2",
    "[hunter2]",
    "- hunter2",
    "- K: hunter2",
    "'hunter2",
    // given twice
    "B: {K: hunter2, K: hunter2}",
    "B: {K:hunter2: x, K:hunter2: y}",
    "B: {K: hunter2}\nB: {K: hunter2}",
    // quotes, brackets, indentation
    "B: {K: 'hunter2}",
    "B: {K: \"hunter2}",
    "B: {K: 'hunter2'hunter2}",
    "B: {K: \"hunter2\\q\"}",
    "B: {K: \"\\xhunter2\"}",
    "B: {K: hunter2",
    "B: {K hunter2}",
    "B: {K = hunter2}",
    "B:\n\tK: hunter2",
    "B:\n  K: hunter2\n K: hunter2",
    "B:\n  K: a\n   hunter2: b",
    "B: K: hunter2",
    // what means something else at the beginning
    "B: {K: *hunter2}",
    "B: {K: &hunter2}",
    "B: {K: !hunter2 x}",
    "B: {K: !hunter2!hunter2 x}",
    "B: {K: !<hunter2 x}",
    "B: {K: @hunter2}",
    "B: {K: `hunter2}",
    "B: {K: %hunter2}",
    "%hunter2",
    "--- hunter2",
    "... hunter2",
    "B: {<<: hunter2}",
    "B: {K: \"hunter2\\u0000\"}",
    "B: {K: hunter2\u{1}}",
];

/// What this file's reader says of each line; `None` where it has nothing to say against it.
fn refusals(file: &Path, block: &str, key: &str, read: impl Fn(&Path) -> Option<String>) -> Vec<String> {
    let refusal = |line: &&str| {
        let text = line.replace('B', block).replace('K', key);
        fs::write(file, &text).unwrap();
        read(file).map(|told| format!("{text}\n=> {told}"))
    };
    LINES.iter().filter_map(refusal).collect()
}

#[test]
fn no_broken_line_of_any_yaml_file_is_told_with_its_secret() {
    assert!(LINES.len() > 50);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.yaml");
    let main = |file: &Path| Some(config::load(file, &|_| None).err()?.to_string());
    let web = |file: &Path| Some(web_config::load(file).err()?.to_string());
    let http = |file: &Path| Some(HttpConfig::load(file).err()?.to_string());
    let told = [
        refusals(&file, "global", "api_secret", main),
        refusals(&file, "accounts", "api_secret", main),
        refusals(&file, "basic_auth_users", "al", web),
        refusals(&file, "tls_server_config", "key", web),
        refusals(&file, "http_server_config", "headers", web),
        refusals(&file, "basic_auth", "password", http),
        refusals(&file, "tls_config", "server_name", http),
    ];
    for refusals in told {
        assert!(refusals.len() > 50, "only {} of the lines are refused", refusals.len());
        for refusal in refusals {
            let (_, words) = refusal.split_once("\n=> ").unwrap();
            assert!(!words.contains(SECRET), "{refusal}");
        }
    }
}
