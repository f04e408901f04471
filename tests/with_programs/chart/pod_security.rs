//! Each pod keeps the Pod Security Standard `restricted`, as Kubernetes describes it rule by rule, and what the chart promises beyond.

use serde_json::{Value, json};

use super::list;
use super::values::matrix;

/// Kinds of volumes that `restricted` allows.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// The rules of `restricted` that a pod's `spec` breaks.
fn violations(pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut rule = |kept: bool, words: &str| {
        if !kept {
            found.push(words.to_owned());
        }
    };
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        rule(pod[field] != true, field);
    }
    for volume in list(&pod["volumes"]) {
        let kind = volume.as_object().unwrap().keys().find(|key| *key != "name").unwrap();
        rule(VOLUMES.contains(&kind.as_str()), "volume types");
    }
    let of_pod = &pod["securityContext"];
    rule(list(&of_pod["sysctls"]).is_empty(), "sysctls");
    for kind in ["containers", "initContainers", "ephemeralContainers"] {
        for container in list(&pod[kind]) {
            let own = &container["securityContext"];
            // What the container does not say, the pod says for it.
            let field = |name: &str| if own[name].is_null() { &of_pod[name] } else { &own[name] };
            rule(own["privileged"] != true, "privileged");
            rule(own["allowPrivilegeEscalation"] == false, "allowPrivilegeEscalation");
            rule(own["capabilities"]["drop"] == json!(["ALL"]), "capabilities");
            let added = list(&own["capabilities"]["add"]);
            rule(added.iter().all(|name| name == "NET_BIND_SERVICE"), "capabilities");
            rule(field("runAsNonRoot") == true, "runAsNonRoot");
            rule(field("runAsUser") != 0, "runAsUser");
            let profile = field("seccompProfile")["type"].as_str();
            rule(
                matches!(profile, Some("RuntimeDefault" | "Localhost")),
                "seccompProfile",
            );
            rule(field("seLinuxOptions").is_null(), "seLinuxOptions");
            rule(field("windowsOptions").is_null(), "windowsOptions");
            let mount = own["procMount"].as_str();
            rule(matches!(mount, None | Some("Default")), "procMount");
            let profile = field("appArmorProfile")["type"].as_str();
            rule(
                matches!(profile, None | Some("RuntimeDefault" | "Localhost")),
                "appArmorProfile",
            );
            rule(
                list(&container["ports"]).iter().all(|port| port["hostPort"].is_null()),
                "hostPort",
            );
        }
    }
    found
}

#[test]
fn every_pod_keeps_the_restricted_standard() {
    for (name, rendered) in matrix() {
        let pod = rendered.pod();
        assert_eq!(violations(pod), [""; 0], "{name}");
        // Beyond the standard.
        let container = &pod["containers"][0];
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{name}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        assert_eq!(pod["enableServiceLinks"], false, "{name}");
        for account in rendered.of_kind("ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false, "{name}");
        }
        for volume in list(&pod["volumes"])
            .iter()
            .filter(|volume| volume["name"] != "authorities")
        {
            let source = if volume["secret"].is_null() {
                &volume["configMap"]
            } else {
                &volume["secret"]
            };
            assert_eq!(source["defaultMode"], 0o440, "{name}: {volume}");
        }
    }
}

#[test]
fn a_pod_that_breaks_a_rule_is_told() {
    let good = matrix()["defaults"].pod();
    for (pointer, value, rule) in [
        ("", json!({"hostNetwork": true}), "hostNetwork"),
        (
            "",
            json!({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}),
            "volume types",
        ),
        ("/securityContext", json!({"runAsNonRoot": null}), "runAsNonRoot"),
        ("/securityContext", json!({"runAsUser": 0}), "runAsUser"),
        (
            "/securityContext",
            json!({"seccompProfile": {"type": "Unconfined"}}),
            "seccompProfile",
        ),
        (
            "/securityContext",
            json!({"sysctls": [{"name": "a", "value": "b"}]}),
            "sysctls",
        ),
        (
            "/containers/0",
            json!({"ports": [{"containerPort": 1, "hostPort": 1}]}),
            "hostPort",
        ),
        (
            "/containers/0/securityContext",
            json!({"privileged": true}),
            "privileged",
        ),
        (
            "/containers/0/securityContext",
            json!({"allowPrivilegeEscalation": null}),
            "allowPrivilegeEscalation",
        ),
        (
            "/containers/0/securityContext",
            json!({"procMount": "Unmasked"}),
            "procMount",
        ),
        (
            "/containers/0/securityContext",
            json!({"capabilities": {"drop": []}}),
            "capabilities",
        ),
        (
            "/containers/0/securityContext/capabilities",
            json!({"add": ["NET_RAW"]}),
            "capabilities",
        ),
    ] {
        let mut pod = good.clone();
        let place = pod.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        place.extend(value.as_object().unwrap().clone());
        assert_eq!(violations(&pod), [rule], "{value}");
    }
}
