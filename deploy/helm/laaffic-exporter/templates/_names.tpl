{{/* Names, labels and addresses. */}}

{{- define "laaffic-exporter.name" -}}
{{- .Values.nameOverride | default .Chart.Name -}}
{{- end -}}

{{/* 52 letters at most: the longest name that is made of it, a shard's pod, has 63 as a host's name. */}}
{{- define "laaffic-exporter.fullname" -}}
{{- $name := include "laaffic-exporter.name" . -}}
{{- $both := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- .Values.fullnameOverride | default $both | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* Of the service that tells the shards apart. */}}
{{- define "laaffic-exporter.shards" -}}
{{- include "laaffic-exporter.fullname" . }}-shards
{{- end -}}

{{- define "laaffic-exporter.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "laaffic-exporter.fullname" .) "default") -}}
{{- end -}}

{{- define "laaffic-exporter.credentials" -}}
{{- .Values.credentials.existingSecret | default (printf "%s-credentials" (include "laaffic-exporter.fullname" .)) -}}
{{- end -}}

{{- define "laaffic-exporter.configMap" -}}
{{- .Values.existingConfigMap.name | default (include "laaffic-exporter.fullname" .) -}}
{{- end -}}

{{/* By which the pods are known for ever: a Deployment cannot change them. */}}
{{- define "laaffic-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "laaffic-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "laaffic-exporter.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "laaffic-exporter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ include "laaffic-exporter.map" (list $ .) }}
{{- end }}
{{- end -}}

{{/* The entries of a map of texts, each on a line of its own, where the texts may be templates: (list $ MAP). */}}
{{- define "laaffic-exporter.map" -}}
{{- $root := index . 0 -}}
{{- $lines := list -}}
{{- range $key, $value := index . 1 -}}
{{- $lines = append $lines (printf "%s: %s" $key (tpl $value $root | quote)) -}}
{{- end -}}
{{- $lines | join "\n" -}}
{{- end -}}

{{/* `metadata` of what is made: (dict "root" $ "name" NAME), and "namespace", "labels", "annotations" where there are some. */}}
{{- define "laaffic-exporter.metadata" -}}
name: {{ .name }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "laaffic-exporter.labels" .root | nindent 2 }}
  {{- with .labels }}
  {{- include "laaffic-exporter.map" (list $.root .) | nindent 2 }}
  {{- end }}
{{- with .annotations }}
annotations:
  {{- include "laaffic-exporter.map" (list $.root .) | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "laaffic-exporter.image" -}}
{{- $image := .Values.image -}}
{{- $registry := .Values.global.imageRegistry | default $image.registry -}}
{{- with $registry }}{{ . }}/{{ end -}}
{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* http or https. */}}
{{- define "laaffic-exporter.scheme" -}}
{{- .Values.web.tls | ternary "https" "http" -}}
{{- end -}}

{{/* Where people reach the exporter; the namespace is to come from the pod, so that the same manifest fits any. */}}
{{- define "laaffic-exporter.externalUrl" -}}
{{- $port := .Values.service.port -}}
{{- if .Values.externalUrl -}}
{{ .Values.externalUrl }}
{{- else if and .Values.ingress.enabled .Values.ingress.hosts -}}
{{ .Values.ingress.tls | empty | ternary "http" "https" }}://{{ first .Values.ingress.hosts }}/
{{- else if .Values.sharding.enabled -}}
{{ include "laaffic-exporter.scheme" . }}://$(POD_NAME).{{ include "laaffic-exporter.shards" . }}.$(POD_NAMESPACE).svc:10871/
{{- else -}}
{{ include "laaffic-exporter.scheme" . }}://{{ include "laaffic-exporter.fullname" . }}.$(POD_NAMESPACE).svc:{{ $port }}/
{{- end -}}
{{- end -}}

{{/* The names that its services, its ingress and its route have, and those that are allowed besides. */}}
{{- define "laaffic-exporter.allowedHosts" -}}
{{- $domain := .Values.clusterDomain -}}
{{- $service := include "laaffic-exporter.fullname" . -}}
{{- $hosts := list $service (printf "%s.$(POD_NAMESPACE)" $service) (printf "%s.$(POD_NAMESPACE).svc" $service) (printf "%s.$(POD_NAMESPACE).svc.%s" $service $domain) -}}
{{- if .Values.sharding.enabled -}}
{{- $shards := include "laaffic-exporter.shards" . -}}
{{- $hosts = concat $hosts (list (printf ".%s.$(POD_NAMESPACE).svc" $shards) (printf ".%s.$(POD_NAMESPACE).svc.%s" $shards $domain)) -}}
{{- end -}}
{{- if .Values.ingress.enabled }}{{ $hosts = concat $hosts .Values.ingress.hosts }}{{ end -}}
{{- if .Values.httpRoute.enabled }}{{ $hosts = concat $hosts .Values.httpRoute.hostnames }}{{ end -}}
{{- $names := list -}}
{{- range concat $hosts .Values.web.allowedHosts }}{{ $names = append $names (trimPrefix "*" . | default "*") }}{{ end -}}
{{- $names | uniq | join "," -}}
{{- end -}}
