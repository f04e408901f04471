//! The Helm chart and the plain manifests, rendered by Helm itself and judged by what will read them: the schemas of Kubernetes and of the
//! operators, promtool, and the program under test with the very flags and configuration that its pod gets.

mod base;
mod configuration;
mod pod_security;
mod refusals;
mod render;
mod rules;
mod values;

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use testkit::assertions::says;

use self::render::{Rendered, rendered};
use self::values::matrix;

/// All kinds that the chart can make.
const KINDS: [&str; 13] = [
    "ConfigMap",
    "Deployment",
    "HTTPRoute",
    "Ingress",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "PodMonitor",
    "PrometheusRule",
    "Secret",
    "Service",
    "ServiceAccount",
    "ServiceMonitor",
    "StatefulSet",
];

/// The elements of a list; none where there is none.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Whether an object with these labels is one that a selector's `matchLabels` mean.
fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object().unwrap();
    assert!(!wanted.is_empty(), "it would select everything");
    wanted.iter().all(|(name, value)| labels[name] == *value)
}

#[test]
fn every_set_of_values_gives_what_helm_and_kubernetes_take() {
    let matrix = matrix();
    assert!(matrix.len() >= 12);
    let mut kinds = BTreeSet::new();
    for (name, rendered) in matrix {
        assert_eq!(rendered.refusal, None, "{name}");
        assert!(rendered.complaints.is_empty(), "{name}: {:#?}", rendered.complaints);
        kinds.extend(rendered.objects.iter().map(|object| object["kind"].as_str().unwrap()));
    }
    // What no set of values turns on, nobody has judged.
    assert_eq!(kinds, KINDS.into());
}

#[test]
fn what_would_be_refused_is_complained_of() {
    let monitor = json!({"selector": {}, "endpoints": [{"port": "http", "intervall": "15s"}]});
    let rule = json!({"groups": [{"name": "a", "rules": [{"alert": "A", "expr": "up", "for": "soon"}]}]});
    let route = json!({"parentRefs": [], "rules": [{"backendRefs": [{"name": "a", "port": 0}]}]});
    let object = |version: &str, kind: &str, spec: Value| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": spec});
    let wrong = rendered(json!({"extraManifests": [
        object("v1", "Service", json!({"portz": []})),
        object("v1", "Parrot", json!({})),
        object("monitoring.coreos.com/v1", "ServiceMonitor", monitor),
        object("monitoring.coreos.com/v1", "PrometheusRule", rule),
        object("gateway.networking.k8s.io/v1", "HTTPRoute", route),
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: twice\n  name: thrice\n",
    ]}));
    let complaints = wrong.complaints.join("\n");
    says(
        &complaints,
        &[
            "Service x: Kubernetes 1.28:",
            "portz",
            "Parrot x: Kubernetes 1.28: Couldn't find schema",
            "ServiceMonitor x: only this of it is known",
            "PrometheusRule x:",
            "HTTPRoute x: 0 is less than the minimum",
            "duplication of key \"name\"",
        ],
    );
}

#[test]
fn a_pod_is_found_by_all_that_look_for_it() {
    for (name, rendered) in matrix() {
        let pod = &rendered.workload()["spec"]["template"];
        let labels = &pod["metadata"]["labels"];
        let selectors = [
            (
                &["Deployment", "StatefulSet", "PodMonitor", "PodDisruptionBudget"][..],
                "/spec/selector/matchLabels",
            ),
            (&["NetworkPolicy"], "/spec/podSelector/matchLabels"),
            (&["Service"], "/spec/selector"),
        ];
        for (kinds, selector) in selectors {
            for object in kinds.iter().flat_map(|kind| rendered.of_kind(kind)) {
                let selector = object.pointer(selector).unwrap();
                assert!(selects(selector, labels), "{name}: {selector} does not select {labels}");
            }
        }
        for object in rendered.of_kind("ServiceMonitor") {
            let selector = &object["spec"]["selector"]["matchLabels"];
            let services = rendered.of_kind("Service");
            let selected: Vec<_> = services
                .iter()
                .filter(|service| selects(selector, &service["metadata"]["labels"]))
                .collect();
            // With two of them Prometheus would scrape each pod twice.
            assert_eq!(selected.len(), 1, "{name}");
            assert_eq!(
                selected[0]["spec"]["ports"][0]["name"], object["spec"]["endpoints"][0]["port"],
                "{name}"
            );
        }
    }
}

#[test]
fn monitors_give_the_job_that_the_rules_ask_for() {
    let said = &matrix()["the Prometheus Operator, everything said"];
    let job = "redial/exporter";
    let relabelings = list(&said.only("ServiceMonitor")["spec"]["endpoints"][0]["relabelings"]);
    // Last: so no other one changes it.
    assert_eq!(
        relabelings.last().unwrap(),
        &json!({"targetLabel": "job", "replacement": job})
    );
    assert!(
        said.text("prometheusrule.yaml")
            .contains(&format!("up{{job=\"{job}\"}}"))
    );
    let pods = &matrix()["pods instead of a service"];
    let relabelings = list(&pods.only("PodMonitor")["spec"]["podMetricsEndpoints"][0]["relabelings"]);
    assert_eq!(relabelings.last().unwrap()["replacement"], "laaffic-exporter");
}

#[test]
fn a_monitor_says_of_a_scrape_what_it_was_told() {
    let said = &matrix()["the Prometheus Operator, everything said"];
    let monitor = said.only("ServiceMonitor");
    assert_eq!(monitor["metadata"]["labels"]["release"], "laaffic-exporter-prometheus");
    assert_eq!(monitor["metadata"]["namespace"], "observability");
    assert_eq!(
        monitor["spec"]["namespaceSelector"],
        json!({"matchNames": [render::NAMESPACE]})
    );
    let scrape = &monitor["spec"]["endpoints"][0];
    assert_eq!(
        (&scrape["interval"], &scrape["scrapeTimeout"]),
        (&json!("1m"), &json!("20s"))
    );
    assert_eq!(
        scrape["basicAuth"]["password"],
        json!({"name": "scrape", "key": "password"})
    );
    assert_eq!(scrape["tlsConfig"]["serverName"], "exporter.example");
    assert_eq!(scrape["relabelings"][0]["targetLabel"], "cluster");
    assert_eq!(scrape["metricRelabelings"][0]["action"], "labeldrop");
    let scheme = |set: &str| matrix()[set].only("ServiceMonitor")["spec"]["endpoints"][0]["scheme"].clone();
    assert_eq!((scheme("TLS"), scheme("shards")), (json!("https"), json!("http")));
}

#[test]
fn there_is_never_a_second_one_that_asks_for_the_same_flows() {
    let alone = matrix()["defaults"].workload();
    assert_eq!(alone["kind"], "Deployment");
    assert_eq!(alone["spec"]["replicas"], 1);
    // A rolling update would have two for a while.
    assert_eq!(alone["spec"]["strategy"]["type"], "Recreate");

    let shards = &matrix()["shards"];
    let workload = shards.workload();
    assert_eq!(workload["kind"], "StatefulSet");
    assert_eq!(workload["spec"]["replicas"], 3);
    assert_eq!(workload["spec"]["podManagementPolicy"], "Parallel");
    let env = list(&shards.pod()["containers"][0]["env"]);
    let of = |name: &str| env.iter().find(|variable| variable["name"] == name).unwrap();
    let ordinal = "metadata.labels['apps.kubernetes.io/pod-index']";
    assert_eq!(
        of("LAAFFIC_EXPORTER_SHARD")["valueFrom"]["fieldRef"]["fieldPath"],
        ordinal
    );
    assert_eq!(of("LAAFFIC_EXPORTER_TOTAL_SHARDS")["value"], "3");
    // Its name is how the shards are told apart.
    let headless = shards
        .of_kind("Service")
        .into_iter()
        .find(|service| service["spec"]["clusterIP"] == "None");
    assert_eq!(headless.unwrap()["metadata"]["name"], workload["spec"]["serviceName"]);
}

/// The probes of a pod.
fn probes(rendered: &Rendered) -> [&Value; 2] {
    let container = &rendered.pod()["containers"][0];
    [&container["livenessProbe"], &container["readinessProbe"]]
}

#[test]
fn probes_ask_in_the_way_that_the_exporter_answers() {
    let asked = |set: &str| {
        probes(&matrix()[set]).map(|probe| (probe["httpGet"]["scheme"].clone(), probe["httpGet"]["path"].clone()))
    };
    let both = |scheme: &str| [(json!(scheme), json!("/-/healthy")), (json!(scheme), json!("/-/ready"))];
    assert_eq!(asked("defaults"), both("HTTP"));
    assert_eq!(asked("TLS"), both("HTTPS"));
    // Where a password is asked for, a probe by HTTP has none.
    for probe in probes(&matrix()["TLS and a password"]) {
        assert_eq!(probe["exec"]["command"][1], "healthcheck");
        assert!(probe["httpGet"].is_null());
    }
}

#[test]
fn the_dashboards_are_those_of_the_project() {
    let set = &matrix()["the Prometheus Operator, everything said"];
    let maps: Vec<_> = set
        .of_kind("ConfigMap")
        .into_iter()
        .filter(|map| map["metadata"]["labels"]["grafana_dashboard"] == "yes")
        .collect();
    let files: Vec<_> = fs::read_dir("grafana/dashboards")
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert_eq!(maps.len(), files.len());
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let map = maps.iter().find(|map| !map["data"][name].is_null());
        let map = map.unwrap_or_else(|| panic!("no ConfigMap has {name}"));
        assert_eq!(
            read(map["data"][name].as_str().unwrap()),
            read(&fs::read_to_string(&file).unwrap()),
            "{name}"
        );
        assert_eq!(map["metadata"]["annotations"]["grafana_folder"], "Voice");
        assert_eq!(map["metadata"]["namespace"], "observability");
    }
}

#[test]
fn a_policy_lets_out_what_it_must_and_nothing_else() {
    let egress = |set: &str| matrix()[set].only("NetworkPolicy")["spec"]["egress"].clone();
    let peers = egress("a network policy");
    let ports: Vec<_> = list(&peers).iter().map(|rule| rule["ports"].clone()).collect();
    let dns = json!([{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]);
    assert_eq!(ports, [dns, json!([{"port": 443}])]);
    // The cloud's own address, which hands out credentials, is no vendor.
    let except = &peers[1]["to"][0]["ipBlock"]["except"];
    assert!(list(except).contains(&json!("169.254.0.0/16")));
    let said = egress("a network policy, everything said");
    assert_eq!(list(&said).len(), 3);
    assert_eq!(said[1]["ports"], json!([{"port": 443}, {"port": 8443}]));
    let closed = matrix()["a network policy that lets nobody in"].only("NetworkPolicy");
    assert_eq!(closed["spec"]["ingress"], json!([]));
}

#[test]
fn labels_and_texts_may_be_templates() {
    let own = &matrix()["names, labels and an image of one's own"];
    for object in &own.objects {
        assert_eq!(
            object["metadata"]["labels"]["team"],
            render::NAMESPACE,
            "{}",
            object["kind"]
        );
    }
    assert_eq!(
        own.pod()["containers"][0]["image"],
        "registry.example.org/voice/exporter:1.2.3"
    );
    assert_eq!(
        own.pod()["imagePullSecrets"],
        json!([{"name": "pull"}, {"name": "pull-too"}])
    );
    assert_eq!(own.pod()["serviceAccountName"], "redial");
    let names = matrix()["further objects"]
        .objects
        .iter()
        .map(|object| object["metadata"]["name"].as_str().unwrap());
    let names: BTreeSet<_> = names.collect();
    assert!(names.contains("laaffic-exporter-text") && names.contains("object"));
}

#[test]
fn the_notes_lead_to_the_first_metric() {
    let notes = |set: &str| matrix()[set].text("NOTES.txt").to_owned();
    says(
        &notes("defaults"),
        &[
            "kubectl --namespace monitoring create secret generic laaffic-exporter-credentials",
            "kubectl --namespace monitoring port-forward service/laaffic-exporter 10871:10871",
            "curl --silent http://localhost:10871/metrics | grep ^laaffic_redial_flow_up",
            "serviceMonitor.enabled",
            "prometheusRule.enabled",
        ],
    );
    says(&notes("a trial"), &["fine for a trial", "credentials.existingSecret"]);
    says(&notes("TLS"), &["--insecure https://localhost:10871/metrics"]);
    assert!(!notes("the Prometheus Operator").contains("prometheusRule.enabled"));
}
