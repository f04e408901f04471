{{/* How a ServiceMonitor or a PodMonitor scrapes: (list $ MONITOR). */}}
{{- define "laaffic-exporter.endpoint" -}}
{{- $root := index . 0 -}}
{{- $monitor := index . 1 -}}
port: http
path: /metrics
scheme: {{ include "laaffic-exporter.scheme" $root }}
interval: {{ $monitor.interval }}
{{- with $monitor.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with $monitor.tlsConfig }}
tlsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $monitor.basicAuth }}
basicAuth:
  {{- toYaml . | nindent 2 }}
{{- end }}
relabelings:
  {{- with $monitor.relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  # The rules and the dashboards know the job by this name.
  - targetLabel: job
    replacement: {{ $root.Values.job }}
{{- with $monitor.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Which pods or services it looks for: (list $ MONITOR). Its own namespace is where it looks by itself. */}}
{{- define "laaffic-exporter.selection" -}}
{{- $root := index . 0 -}}
{{- if (index . 1).namespace -}}
namespaceSelector:
  matchNames: [{{ $root.Release.Namespace }}]
{{ end -}}
selector:
  matchLabels:
    {{- include "laaffic-exporter.selectorLabels" $root | nindent 4 }}
{{- end -}}
