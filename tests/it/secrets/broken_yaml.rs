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

/// What stands above a block of an account, and of its first flow; the block's lines go in by the last line's indentation.
const ACCOUNT: &str = "accounts:\n- name: a\n  base_url: http://h\n  api_key: x\n  api_secret: x\n  ";
const FLOW: &str =
    "accounts:\n- name: a\n  base_url: http://h\n  api_key: x\n  api_secret: x\n  flows:\n  - key_id: 1\n    ";

/// What this file's reader says of each line, below `above`; only of those that it has something to say against.
fn refusals(file: &Path, above: &str, [block, key]: [&str; 2], read: &Read) -> Vec<String> {
    let (_, indentation) = above.rsplit_once('\n').unwrap_or_default();
    let refusal = |line: &&str| {
        let line = line.replace('B', block).replace('K', key);
        let text = format!("{above}{}", line.replace('\n', &format!("\n{indentation}")));
        fs::write(file, &text).unwrap();
        read(file).map(|told| format!("{text}\n=> {told}"))
    };
    LINES.iter().filter_map(refusal).collect()
}

type Read = dyn Fn(&Path) -> Option<String>;

#[test]
fn no_broken_line_of_any_yaml_file_is_told_with_its_secret() {
    assert!(LINES.len() > 60);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.yaml");
    let main: &Read = &|file| Some(config::load(file, &|_| None).err()?.to_string());
    let web: &Read = &|file| Some(web_config::load(file).err()?.to_string());
    let http: &Read = &|file| Some(HttpConfig::load(file).err()?.to_string());
    for (above, place, read) in [
        ("", ["global", "api_secret"], main),
        ("", ["global", "poll_interval"], main),
        ("", ["accounts", "api_secret"], main),
        ("", ["accounts", "rate_limit"], main),
        ("", ["accounts", "max_concurrent_requests"], main),
        (ACCOUNT, ["http_client", "proxy_url"], main),
        (ACCOUNT, ["flows", "key_id"], main),
        (ACCOUNT, ["flows", "poll_interval"], main),
        (FLOW, ["labels", "team"], main),
        ("", ["basic_auth_users", "al"], web),
        ("", ["tls_server_config", "key"], web),
        ("", ["tls_server_config", "min_version"], web),
        ("", ["tls_server_config", "cipher_suites"], web),
        ("", ["http_server_config", "headers"], web),
        ("", ["http_server_config", "http2"], web),
        ("", ["rate_limit", "interval"], web),
        ("", ["rate_limit", "burst"], web),
        ("", ["basic_auth", "password"], http),
        ("", ["tls_config", "server_name"], http),
        ("", ["tls_config", "insecure_skip_verify"], http),
    ] {
        let refusals = refusals(&file, above, place, read);
        assert!(
            refusals.len() > 50,
            "only {} of the lines are refused: {place:?}",
            refusals.len()
        );
        for refusal in refusals {
            let (_, words) = refusal.split_once("\n=> ").unwrap();
            assert!(!words.contains(SECRET), "{refusal}");
            assert!(words.lines().all(|line| line.contains("file.yaml:")), "{refusal}");
        }
    }
}
