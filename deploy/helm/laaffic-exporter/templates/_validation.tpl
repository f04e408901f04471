{{/* What the schema cannot say: values that do not go together. Each sentence says what to do. */}}
{{- define "laaffic-exporter.validate" -}}
{{- $values := .Values -}}
{{- $refusals := list -}}
{{- if and $values.credentials.existingSecret $values.credentials.inline -}}
{{- $refusals = append $refusals "credentials.existingSecret and credentials.inline: give one of them; inline is for trials" -}}
{{- end -}}
{{- if and $values.credentials.inline (not $values.credentials.enabled) -}}
{{- $refusals = append $refusals "credentials.inline needs credentials.enabled, or nobody reads it" -}}
{{- end -}}
{{- if and $values.sharding.enabled (or $values.ingress.enabled $values.httpRoute.enabled) -}}
{{- $refusals = append $refusals "ingress and httpRoute lead to any of the shards, each of which shows its own accounts only: leave them off with sharding.enabled, or lead to the pods by extraManifests" -}}
{{- end -}}
{{- if and $values.sharding.enabled $values.externalUrl (not (contains "$(POD_NAME)" $values.externalUrl)) -}}
{{- $refusals = append $refusals "externalUrl must have $(POD_NAME) in it with sharding.enabled: each shard shows its own accounts only" -}}
{{- end -}}
{{- if and $values.serviceMonitor.enabled $values.podMonitor.enabled -}}
{{- $refusals = append $refusals "serviceMonitor.enabled and podMonitor.enabled: turn on one of them, or Prometheus scrapes and counts everything twice" -}}
{{- end -}}
{{- if and (or $values.web.tls $values.web.probeKey) (not $values.web.existingSecret) -}}
{{- $refusals = append $refusals "web.tls and web.probeKey need web.existingSecret, the Secret with the web-config file" -}}
{{- end -}}
{{- if and $values.ingress.enabled (not $values.ingress.hosts) -}}
{{- $refusals = append $refusals "ingress.hosts must name a host with ingress.enabled" -}}
{{- end -}}
{{- if and $values.httpRoute.enabled (not $values.httpRoute.parentRefs) -}}
{{- $refusals = append $refusals "httpRoute.parentRefs must name a gateway with httpRoute.enabled" -}}
{{- end -}}
{{- if $refusals -}}
{{- fail (printf "\n- %s\n" (join "\n- " $refusals)) -}}
{{- end -}}
{{- end -}}
