//! Sets of values that people may come with: together they turn on everything that the chart has.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::render::{Rendered, render};

/// The chart rendered with each of them.
pub(super) fn matrix() -> &'static BTreeMap<String, Rendered> {
    static MATRIX: OnceLock<BTreeMap<String, Rendered>> = OnceLock::new();
    MATRIX.get_or_init(|| render(sets()))
}

/// Two accounts, of which one has its key and secret from the environment.
fn accounts() -> Value {
    json!([
        {
            "name": "main",
            "base_url": "https://api.laaffic.com/v3",
            "api_key_file": "/etc/laaffic-exporter/credentials/api_key",
            "api_secret_file": "/etc/laaffic-exporter/credentials/api_secret",
            "rate_limit": 2.5,
            "outcomes": true,
            "flows": [{"key_id": 90_071_992_547_409_u64, "name": "overdue: reminder", "labels": {"team": "collections"}}],
        },
        {
            "name": "sales",
            "base_url": "https://api.laaffic.com/v3",
            "api_key_env": "SALES_API_KEY",
            "api_secret_env": "SALES_API_SECRET",
            "discovery": {"lookback": "3d", "rules": [{"match": "(?P<team>[a-z]+)-.*", "labels": {"team": "$team"}}]},
        },
    ])
}

/// A key of a Secret, as the operator's objects name it.
fn key(name: &str) -> Value {
    json!({"name": "scrape", "key": name})
}

fn monitor() -> Value {
    json!({
        "enabled": true,
        "namespace": "observability",
        "labels": {"release": "{{ .Release.Name }}-prometheus"},
        "annotations": {"example.org/why": "said"},
        "interval": "1m",
        "scrapeTimeout": "20s",
        "tlsConfig": {"ca": {"secret": key("ca.crt")}, "serverName": "exporter.example"},
        "basicAuth": {"username": key("username"), "password": key("password")},
        "relabelings": [{"targetLabel": "cluster", "replacement": "eu-1"}],
        "metricRelabelings": [{"action": "labeldrop", "regex": "endpoint"}],
    })
}

/// What the web-config file of `web` is, where a set of values names its Secret.
pub(super) const WEB_SECRET: &str = "exporter-web";

pub(super) fn sets() -> Vec<(&'static str, Value)> {
    vec![
        ("defaults", json!({})),
        (
            "a trial",
            json!({"credentials": {"inline": {"api_key": "k", "api_secret": "0123"}}}),
        ),
        (
            "two accounts, one of them from the environment",
            json!({
                "config": {"global": {"poll_interval": "30s"}, "accounts": accounts()},
                "credentials": {"existingSecret": "laaffic"},
                "extraEnvFrom": [{"secretRef": {"name": "sales"}}],
                "extraEnv": [
                    {"name": "SALES_API_KEY", "value": "k"},
                    {"name": "SALES_API_SECRET", "valueFrom": {"secretKeyRef": {"name": "sales", "key": "secret"}}},
                ],
            }),
        ),
        (
            "a ConfigMap that is there already",
            json!({"existingConfigMap": {"name": "redial", "key": "exporter.yml"}, "credentials": {"enabled": false}}),
        ),
        (
            "the Prometheus Operator",
            json!({"serviceMonitor": {"enabled": true}, "prometheusRule": {"enabled": true}, "dashboards": {"enabled": true}}),
        ),
        (
            "the Prometheus Operator, everything said",
            json!({
                "job": "redial/exporter",
                "serviceMonitor": monitor(),
                "prometheusRule": {
                    "enabled": true,
                    "namespace": "observability",
                    "labels": {"role": "{{ .Release.Namespace }}-rules"},
                    "annotations": {"example.org/why": "said"},
                    "severity": "P1",
                    "ticketSeverity": "P4",
                    "exceptionFor": "90s",
                    "downFor": "1d1h",
                    "notRefreshedFor": "2w",
                },
                "dashboards": {
                    "enabled": true,
                    "namespace": "observability",
                    "labels": {"grafana_dashboard": "yes"},
                    "annotations": {"grafana_folder": "Voice"},
                },
                "externalUrl": "https://redial.example.org/exporter/",
                "grafanaUrl": "https://grafana.example.org",
            }),
        ),
        ("pods instead of a service", json!({"podMonitor": {"enabled": true}})),
        (
            "pods instead of a service, everything said",
            json!({"podMonitor": monitor()}),
        ),
        (
            "TLS",
            json!({"web": {"existingSecret": WEB_SECRET, "tls": true}, "serviceMonitor": {"enabled": true}}),
        ),
        (
            "TLS and a password",
            json!({
                "web": {"existingSecret": WEB_SECRET, "key": "web.yml", "tls": true, "probeKey": "probe.yml"},
                "prometheusRule": {"enabled": true},
            }),
        ),
        (
            "an ingress with TLS",
            json!({
                "ingress": {
                    "enabled": true,
                    "className": "nginx",
                    "labels": {"a": "b"},
                    "annotations": {"nginx.ingress.kubernetes.io/auth-type": "basic"},
                    "hosts": ["redial.example.org", "*.redial.example.org"],
                    "tls": [{"hosts": ["redial.example.org"], "secretName": "redial-tls"}],
                },
                "prometheusRule": {"enabled": true},
            }),
        ),
        (
            "a route",
            json!({
                "httpRoute": {
                    "enabled": true,
                    "labels": {"a": "b"},
                    "annotations": {"c": "d"},
                    "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}],
                    "hostnames": ["redial.example.org"],
                    "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-debug"]}}],
                },
                "externalUrl": "https://redial.example.org",
                "service": {"port": 80, "type": "LoadBalancer", "labels": {"a": "b"}, "annotations": {"c": "d"}},
            }),
        ),
        (
            "shards",
            json!({
                "sharding": {"enabled": true, "shards": 3},
                "serviceMonitor": {"enabled": true},
                "prometheusRule": {"enabled": true},
                "pdb": {"enabled": true},
                "topologySpreadConstraints": [
                    {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"},
                    {
                        "maxSkew": 2,
                        "topologyKey": "topology.kubernetes.io/zone",
                        "whenUnsatisfiable": "DoNotSchedule",
                        "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "laaffic-exporter"}},
                    },
                ],
            }),
        ),
        (
            "shards with pages of their own",
            json!({
                "sharding": {"enabled": true},
                "externalUrl": "https://$(POD_NAME).redial.example.org/",
                "prometheusRule": {"enabled": true},
                "podMonitor": {"enabled": true},
                "pdb": {"enabled": true, "maxUnavailable": "50%"},
            }),
        ),
        ("a network policy", json!({"networkPolicy": {"enabled": true}})),
        (
            "a network policy, everything said",
            json!({"networkPolicy": {
                "enabled": true,
                "from": [{"podSelector": {}}],
                "dns": [{"ipBlock": {"cidr": "169.254.20.10/32"}}],
                "vendor": [{"ipBlock": {"cidr": "203.0.113.0/24"}}],
                "vendorPorts": [443, 8443],
                "extraEgress": [{"to": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}], "ports": [{"port": 3128}]}],
            }}),
        ),
        (
            "a network policy that lets nobody in",
            json!({"networkPolicy": {"enabled": true, "from": [], "dns": []}}),
        ),
        (
            "names, labels and an image of one's own",
            json!({
                "nameOverride": "redial",
                "fullnameOverride": "redial-exporter",
                "clusterDomain": "cluster.example",
                "commonLabels": {"team": "{{ .Release.Namespace }}", "cost": "12"},
                "global": {"imageRegistry": "registry.example.org", "imagePullSecrets": ["pull"], "of": "a parent"},
                "image": {"registry": "elsewhere.example.org", "repository": "voice/exporter", "tag": "1.2.3", "pullPolicy": "Always"},
                "imagePullSecrets": [{"name": "pull-too"}],
                "serviceAccount": {"name": "redial", "annotations": {"a": "b"}},
            }),
        ),
        (
            "a pod of one's own",
            json!({
                "image": {"digest": format!("sha256:{}", "0a".repeat(32))},
                "annotations": {"a": "b"},
                "podLabels": {"version": "{{ .Chart.AppVersion }}"},
                "podAnnotations": {"c": "d"},
                "priorityClassName": "high",
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "tolerations": [{"key": "voice", "operator": "Exists"}],
                "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}],
                }}},
                "revisionHistoryLimit": 0,
                "resources": {"limits": {"memory": "1Gi"}},
                "livenessProbe": {"initialDelaySeconds": 5},
                "readinessProbe": {"periodSeconds": 30},
                "log": {"level": "debug", "format": "json"},
                "extraArgs": ["--web.max-requests=10"],
                "extraVolumes": [{"name": "authorities", "configMap": {"name": "authorities"}}],
                "extraVolumeMounts": [{"name": "authorities", "mountPath": "/etc/authorities", "readOnly": true}],
                "serviceAccount": {"create": false},
                "web": {"allowedHosts": ["*", ".example.org"]},
            }),
        ),
        (
            "further objects",
            json!({"extraManifests": [
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-text\n",
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "object"}},
            ]}),
        ),
    ]
}
