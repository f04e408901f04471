"""Renders the chart with many sets of values, in one process, and has Helm, Kubernetes and yamllint judge what comes of each.

Reads {"chart": PATH, "cases": {NAME: {"release": ..., "namespace": ..., "values": {...}}}} and writes for each name
{"refusal": text or null, "texts": {TEMPLATE: text}, "objects": [...], "complaints": [...]}, all as JSON.
"""

import functools
import json
import pathlib
import sys

import helm_python.chart
import jsonschema
import kubernetes_validate
import kubernetes_validate.utils
import yaml
import yamllint.config
import yamllint.linter
from cloudcoil.models.prometheus_operator.v1 import PodMonitor, PrometheusRule, ServiceMonitor
from helm_python import Chart, HelmError

# The oldest Kubernetes that the chart is for, and the newest whose schemas are there.
VERSIONS = ["1.28", kubernetes_validate.latest_version()]

OPERATORS = {"PodMonitor": PodMonitor, "PrometheusRule": PrometheusRule, "ServiceMonitor": ServiceMonitor}

HTTP_ROUTE = json.loads(pathlib.Path(__file__).with_name("httproute.schema.json").read_text())

# What no parser of YAML complains of, but people stumble over.
STYLE = yamllint.config.YamlLintConfig("rules: {key-duplicates: enable, trailing-spaces: enable, empty-values: enable}")

# A Helm message below this is advice.
WARNING = 2

# It reads a version's definitions, megabytes of them, anew for each object.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)


@functools.cache
def style_complaints(text):
    return [str(problem) for problem in yamllint.linter.run(text, STYLE)]


def operators_complaint(kind, thing):
    """What the operator's own definition does not know is dropped in reading, so what is left must be the same."""
    try:
        known = OPERATORS[kind].model_validate(thing).model_dump(by_alias=True, exclude_unset=True, mode="json")
    except ValueError as error:
        return str(error)
    if json.dumps(known, sort_keys=True) != json.dumps(thing, sort_keys=True):
        return f"only this of it is known: {json.dumps(known)}"
    return None


def routes_complaint(thing):
    try:
        jsonschema.validate(thing, HTTP_ROUTE)
    except jsonschema.ValidationError as error:
        return error.message
    return None


def kubernetes_complaint(thing, version):
    try:
        kubernetes_validate.validate(thing, version, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        return f"Kubernetes {version}: {error.message}"
    return None


@functools.cache
def complaints_of(text):
    """All that is wrong with an object, given as JSON: many sets of values make the same one."""
    thing = json.loads(text)
    kind, group = thing["kind"], thing["apiVersion"].partition("/")[0]
    if group == "monitoring.coreos.com":
        found = [operators_complaint(kind, thing)]
    elif group == "gateway.networking.k8s.io":
        found = [routes_complaint(thing)]
    else:
        found = [kubernetes_complaint(thing, version) for version in VERSIONS]
    return [f"{kind} {thing['metadata']['name']}: {complaint}" for complaint in found if complaint]


def judge(path, chart, case):
    values, namespace = case["values"], case["namespace"]
    try:
        texts = chart.render(values, name=case["release"], namespace=namespace)
    except HelmError as error:
        return {"refusal": str(error), "texts": {}, "objects": [], "complaints": []}
    linted = helm_python.chart.lint(path, values, strict=True, namespace=namespace)
    complaints = [message["error"] for message in linted["messages"] if message["severity"] >= WARNING]
    objects = []
    for name, text in texts.items():
        if name.endswith("NOTES.txt"):
            continue
        complaints += [f"{name}: {complaint}" for complaint in style_complaints(text)]
        objects += filter(None, yaml.load_all(text, Loader=yaml.CSafeLoader))
    for thing in objects:
        complaints += complaints_of(json.dumps(thing))
    return {"refusal": None, "texts": texts, "objects": objects, "complaints": complaints}


def main():
    asked = json.load(sys.stdin)
    path = asked["chart"]
    with Chart.load(path) as chart:
        json.dump({name: judge(path, chart, case) for name, case in asked["cases"].items()}, sys.stdout)


main()
