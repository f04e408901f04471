use std::fs;
use std::num::NonZeroU32;
use std::time::Duration;

use super::*;

const HASH: &str = "$2y$10$mrmxv/VH03QcaiSkF4cd8uh4ZZ4y5cNg.rz6kkUvM8RzlDoSSMrPO";

/// What is said of a file with this content.
fn refusal(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yaml");
    fs::write(&path, text).unwrap();
    let told = load(&path).unwrap_err().to_string();
    told.replace(&*path.to_string_lossy(), "web.yaml")
}

fn accepted(text: &str) -> WebConfig {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yaml");
    fs::write(&path, text).unwrap();
    load(&path).unwrap()
}

#[test]
fn nothing_is_plain_http_for_everybody() {
    for text in [
        "",
        "\n",
        "# nothing\n",
        "tls_server_config:\n",
        "tls_server_config: {}\nbasic_auth_users: {}\n",
        "---\n",
        "{}",
    ] {
        let config = accepted(text);
        assert!(config.tls.is_none() && config.users.is_empty() && config.headers.is_empty());
        assert!(config.rate_limit.is_none() && config.http2);
    }
}

#[test]
fn an_unknown_key_is_named_with_its_place() {
    for (text, told) in [
        (
            "tls_server_config:\n  cert_filse: x\n",
            "web.yaml:2:3: tls_server_config.cert_filse: unknown key; did you mean cert_file?",
        ),
        (
            "tls: {}",
            "web.yaml:1:1: tls: unknown key; the keys here are tls_server_config, http_server_config, basic_auth_users, rate_limit",
        ),
        (
            "http_server_config: {http3: true}",
            "web.yaml:1:22: http_server_config.http3: unknown key; did you mean http2?",
        ),
        (
            "rate_limit: {bursts: 1}",
            "web.yaml:1:14: rate_limit.bursts: unknown key; did you mean burst?",
        ),
        (
            "rate_limit: {}\nrate_limit: {}",
            "web.yaml:2:1: rate_limit: given twice, first in line 1; keep one of them",
        ),
        (
            "basic_auth_users:\n  al: x\n  al: x\n",
            "web.yaml:2:7: basic_auth_users.al: this is not a bcrypt hash",
        ),
        (
            "basic_auth_users:\n  al:\n",
            "web.yaml:2:5: basic_auth_users.al: there is nothing where there should be a text; write one value after the colon",
        ),
        (
            "basic_auth_users: {al:hunter2: x}\n",
            "web.yaml:1:20: basic_auth_users.al…: a key here has no colon in it; write a space after the colon that ends the key",
        ),
    ] {
        assert!(refusal(text).starts_with(told), "{text}\n{}", refusal(text));
    }
}

#[test]
fn no_value_that_may_be_a_secret_is_repeated() {
    for text in [
        "hunter2".to_owned(),
        "hunter2\nmore\n".to_owned(),
        "basic_auth_users: hunter2".to_owned(),
        "basic_auth_users: [hunter2]".to_owned(),
        "basic_auth_users: {a: hunter2}".to_owned(),
        "basic_auth_users: {a: [hunter2]}".to_owned(),
        "tls_server_config: hunter2".to_owned(),
        "tls_server_config: \"hunter2, expected hunter2\"".to_owned(),
        "tls_server_config: {cert: hunter2, key: hunter2}".to_owned(),
        "tls_server_config: {cert: hunter2, key: \"-----BEGIN PRIVATE KEY-----\\nhunter2\\n-----END PRIVATE KEY-----\\n\"}".to_owned(),
        "tls_server_config: {client_allowed_sans: hunter2}".to_owned(),
        "rate_limit: {burst: \"hunter2\"}".to_owned(),
        "http_server_config: {http2: \"hunter2\"}".to_owned(),
    ] {
        let told = refusal(&text);
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn every_problem_is_told_at_once_with_its_field() {
    let told = refusal(
        "tls_server_config:\n  client_auth_type: x\n  min_version: TLS11\n  max_version: SSL3\n  \
         cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA, TLS_X]\n  curve_preferences:\n  - CurveP521\n  - CurveP257\n\
         http_server_config: {headers: {X-Frame-Options: never, X-Mine: 1, X-Content-Type-Options: sniff}, http2: [x]}\n\
         basic_auth_users: {john: doe}\n\
         rate_limit: {interval: 1d, burst: many}\n",
    );
    for field in [
        "2:3: tls_server_config.cert_file: missing one of cert or cert_file",
        "2:3: tls_server_config.key_file: missing one of key or key_file",
        "2:21: tls_server_config.client_auth_type: this is not a policy",
        "3:16: tls_server_config.min_version: \"TLS11\" is not supported",
        "4:16: tls_server_config.max_version: this is not a version",
        "5:19: tls_server_config.cipher_suites[0]: \"TLS_RSA_WITH_AES_128_CBC_SHA\" is not supported",
        "5:49: tls_server_config.cipher_suites[1]: this is not a cipher suite",
        "7:5: tls_server_config.curve_preferences[0]: \"CurveP521\" is not supported",
        "8:5: tls_server_config.curve_preferences[1]: this is not a curve",
        "9:49: http_server_config.headers.X-Frame-Options: this is not a value",
        "9:56: http_server_config.headers.X-Mine: this header cannot be set here",
        "9:91: http_server_config.headers.X-Content-Type-Options: this is not a value",
        "9:106: http_server_config.http2: a list is not true or false",
        "10:26: basic_auth_users.john: this is not a bcrypt hash",
        "11:24: rate_limit.interval: \"1d\" is not a duration",
        "11:35: rate_limit.burst: this is not a whole number from 0 to 4294967295",
    ] {
        assert!(told.contains(&format!("web.yaml:{field}")), "{field} is not in\n{told}");
    }
    assert_eq!(told.lines().count(), 16, "{told}");
}

#[test]
fn tls_settings_without_a_certificate_are_not_plain_http() {
    for text in [
        "min_version: TLS13",
        "curve_preferences: [X25519]",
        "client_auth_type: NoClientCert",
    ] {
        let told = refusal(&format!("tls_server_config: {{{text}}}"));
        assert!(told.contains("missing one of cert or cert_file"), "{told}");
    }
}

#[test]
fn what_is_set_is_taken() {
    let config = accepted(&format!(
        "http_server_config: {{http2: false, headers: {{X-XSS-Protection: 1, x-frame-options: deny, Strict-Transport-Security: ''}}}}\n\
         basic_auth_users: {{al: {HASH}, 7: {HASH}}}\nrate_limit: {{interval: 1s, burst: 20}}\n"
    ));
    assert!(!config.http2);
    assert_eq!(config.headers["x-xss-protection"], "1");
    assert_eq!(config.headers["x-frame-options"], "deny");
    assert_eq!(config.headers.len(), 2);
    let burst = NonZeroU32::new(20).unwrap();
    assert_eq!(
        config.rate_limit,
        Some(RateLimit {
            interval: Duration::from_secs(1),
            burst
        })
    );
    assert!(config.users.hash("7").is_some_and(|(_, known)| known));
    assert!(!format!("{config:?}").contains("$2y$"));
    assert_eq!(accepted("rate_limit: {interval: 0, burst: 0}").rate_limit, None);
}
