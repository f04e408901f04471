//! Values that would do harm, or nothing, are refused with a sentence that says what to do.

use serde_json::{Value, json};

use super::render::render;

/// Values, and words of what is said of them.
fn refused() -> Vec<(Value, &'static [&'static str])> {
    let account =
        json!({"name": "a", "base_url": "https://api.laaffic.com/v3", "api_key_env": "A", "api_secret_env": "B"});
    let with = |key: &str, value: Value| {
        let mut account = account.clone();
        account[key] = value;
        json!({"config": {"accounts": [account]}})
    };
    vec![
        (
            json!({"replicas": 2}),
            &[
                "at '/replicas'",
                "1",
                "sharding.enabled: true",
                "would ask the vendor for every flow again",
            ],
        ),
        (json!({"replicas": 0}), &["at '/replicas'"]),
        (json!({"replicaCount": 1}), &["'replicaCount' not allowed"]),
        (
            json!({"serviceMonitor": {"enable": true}}),
            &["at '/serviceMonitor'", "'enable' not allowed"],
        ),
        (
            json!({"sharding": {"enabled": true, "shards": 0}}),
            &["at '/sharding/shards'", "minimum"],
        ),
        (
            json!({"image": {"digest": "latest"}}),
            &["at '/image/digest'", "sha256:"],
        ),
        (json!({"job": "a\"b"}), &["at '/job'", "pattern"]),
        (
            json!({"externalUrl": "redial.example.org"}),
            &["at '/externalUrl'", "https?://"],
        ),
        (
            json!({"externalUrl": "https://a.example/?{{ boom }}"}),
            &["at '/externalUrl'"],
        ),
        (
            json!({"prometheusRule": {"downFor": "soon"}}),
            &["at '/prometheusRule/downFor'"],
        ),
        (
            json!({"prometheusRule": {"exceptionFor": "0s"}}),
            &["at '/prometheusRule/exceptionFor'", "[1-9]"],
        ),
        (
            json!({"prometheusRule": {"severity": "a b"}}),
            &["at '/prometheusRule/severity'"],
        ),
        (
            json!({"log": {"level": "trace"}}),
            &["at '/log/level'", "'debug', 'info', 'warn', 'error'"],
        ),
        (
            json!({"pdb": {"enabled": true, "maxUnavailable": 0}}),
            &["at '/pdb/maxUnavailable'", "minimum"],
        ),
        (
            json!({"config": {"accounts": []}}),
            &["at '/config/accounts'", "minItems"],
        ),
        (
            with("rate_limt", json!(5)),
            &["at '/config/accounts/0'", "'rate_limt' not allowed"],
        ),
        (with("api_key", json!("k")), &["at '/config/accounts/0'", "oneOf"]),
        (
            with("flows", json!([{"key_id": 1, "labels": {"__a": "b"}}])),
            &["'__a' does not match pattern"],
        ),
        (
            with("flows", json!([{"key_id": 1, "poll_interval": ""}])),
            &["/poll_interval"],
        ),
        (
            json!({"credentials": {"existingSecret": "a", "inline": {"api_key": "k"}}}),
            &["credentials.existingSecret and credentials.inline: give one of them"],
        ),
        (
            json!({"credentials": {"enabled": false, "inline": {"api_key": "k"}}}),
            &["credentials.inline needs credentials.enabled"],
        ),
        (
            json!({"sharding": {"enabled": true}, "ingress": {"enabled": true, "hosts": ["a.example"]}}),
            &["ingress and httpRoute", "leave them off with sharding.enabled"],
        ),
        (
            json!({"sharding": {"enabled": true}, "externalUrl": "https://a.example"}),
            &["externalUrl must have $(POD_NAME) in it"],
        ),
        (
            json!({"serviceMonitor": {"enabled": true}, "podMonitor": {"enabled": true}}),
            &["turn on one of them", "twice"],
        ),
        (
            json!({"web": {"tls": true}}),
            &["web.tls and web.probeKey need web.existingSecret"],
        ),
        (
            json!({"ingress": {"enabled": true}}),
            &["ingress.hosts must name a host"],
        ),
        (
            json!({"httpRoute": {"enabled": true}}),
            &["httpRoute.parentRefs must name a gateway"],
        ),
    ]
}

#[test]
fn bad_values_are_refused_with_what_to_do() {
    let refused = refused();
    let names: Vec<_> = (0..refused.len()).map(|number| number.to_string()).collect();
    let sets = names.iter().map(String::as_str).zip(&refused);
    let rendered = render(sets.map(|(name, (values, _))| (name, values.clone())));
    for (name, (values, words)) in names.iter().zip(&refused) {
        let told = rendered[name].refusal.as_deref().unwrap_or_default();
        for word in *words {
            assert!(told.contains(word), "{values}: {word:?} is not in {told:?}");
        }
    }
}
