//! Configurations with a mistake right where a secret is.

use super::fixture::credentials;
use super::marks::{MARK, marked};

/// What can be wrong with a line `KEY: SECRET`, where `K` stands for the key, `S` for the secret and `M` for one
/// of letters only. None of it is a configuration.
const LINES: &[&str] = &[
    // another kind of value
    "K: [S]",
    "K: {S: S}",
    "K: {a: S}",
    "K: [[S], {S: S}]",
    // given twice, by another name, not at all
    "K: S\n    K: S",
    "K: S\n    K_file: key",
    "K_fil: S",
    "Ks: S",
    // the secret under a neighbour's key
    "K_file: S",
    "K_env: S",
    "rate_limit: S",
    "http_client: S",
    "http_client: { proxy_url: S }",
    "http_client: { proxy_url: 'ftp://u:S@host' }",
    "http_client: { proxy_url: 'http://u:S@host:99999' }",
    "http_client: { proxy_url: 'http://u:S @host' }",
    "http_client: { tls_config: S }",
    "http_client: { tls_config: { key_file: S, cert_file: client.crt } }",
    "flows: S",
    // indentation and colons
    "\tK: S",
    "K:\tS: S",
    " K: S",
    "K:S",
    "K S",
    "K = S",
    "S",
    "K: S: S",
    "K:\nS",
    "- K: S",
    // quotes and brackets
    "K: \"S",
    "K: 'S",
    "K: \"S\" S",
    "K: 'S'S'",
    "K: \"S\\q\"",
    "K: \"\\xS\"",
    "K: [S",
    "K: {S",
    "K: S]\n    K: }",
    // what means something else at the beginning
    "K: *S",
    "K: &S",
    "K: !S S",
    "K: !S!S S",
    "K: !<S S",
    "K: !M S",
    "K: !M!M S",
    "K: *M",
    "K: &M",
    "K: &M [*M]",
    "K: %S",
    "K: @S",
    "K: `S",
    "K: |S",
    "K: >S",
    "K: - S",
    "K: << S\n    <<: S",
    "%S",
    "--- S",
    "... S",
    // characters that it cannot have
    "K: \"S\\nS\"",
    "K: \"S\\u0000\"",
    "K: S\u{1}S",
    "K: S\u{7f}",
];

fn filled(template: &str, name: &str, secret: &str) -> String {
    let put = |letter| match letter {
        'K' => name.to_owned(),
        'S' => secret.to_owned(),
        'M' => format!("{MARK}letters"),
        other => other.to_string(),
    };
    template.chars().map(put).collect()
}

/// Every broken form of this configuration: around a key, around a secret, and around a proxy's password. Each with what is wrong.
pub(crate) fn broken(config: &str) -> Vec<(String, Vec<u8>)> {
    let (key, secret) = credentials("inline");
    let mut forms = Vec::new();
    for (name, value) in [("api_key", key), ("api_secret", secret)] {
        let line = format!("    {name}: {value}\n");
        assert_eq!(config.matches(&line).count(), 1, "{line}");
        for template in LINES {
            let wrong = format!("    {}\n", filled(template, name, &value));
            forms.push(((*template).to_owned(), config.replacen(&line, &wrong, 1).into_bytes()));
        }
        let mut not_utf8 = config.as_bytes().to_vec();
        let at = config.find(&value).unwrap() + value.len();
        not_utf8.insert(at, 0xff);
        forms.push(("not UTF-8".to_owned(), not_utf8));
    }
    let base_url = format!("    base_url: http://u:{}@host\n", marked("in-url"));
    let of_inline = config.replacen("    base_url: ", &format!("{base_url}    was: "), 1);
    forms.push(("a password in the base URL".to_owned(), of_inline.into_bytes()));
    // Good as a configuration, but the key is none.
    let swapped = config.replacen("key_file: client.key", "key_file: secret", 1);
    forms.push(("a key file that holds another secret".to_owned(), swapped.into_bytes()));
    forms
}
