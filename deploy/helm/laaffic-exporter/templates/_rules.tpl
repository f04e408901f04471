{{/* The rules: files/rules.yaml, with a value for each placeholder. */}}

{{/* Seconds of a duration in Prometheus' notation, such as 1m30s. */}}
{{- define "laaffic-exporter.seconds" -}}
{{- $length := dict "y" 31536000 "w" 604800 "d" 86400 "h" 3600 "m" 60 "s" 1 -}}
{{- $seconds := 0 -}}
{{- range regexFindAll "[0-9]+[ywdhms]" . -1 -}}
{{- $seconds = add $seconds (mul (regexFind "[0-9]+" . | int64) (get $length (regexFind "[a-z]" .))) -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{/* The same as Prometheus writes it: 90s is 1m30s, but years and weeks only where nothing remains. */}}
{{- define "laaffic-exporter.duration" -}}
{{- $rest := include "laaffic-exporter.seconds" . | int64 -}}
{{- range list (list "y" 31536000 true) (list "w" 604800 true) (list "d" 86400 false) (list "h" 3600 false) (list "m" 60 false) (list "s" 1 false) -}}
{{- $length := index . 1 | int64 -}}
{{- if and (ge $rest $length) (or (not (index . 2)) (eq (mod $rest $length) 0)) -}}
{{- div $rest $length }}{{ index . 0 -}}
{{- $rest = mod $rest $length -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The text of the rule file. It is never a template to Helm: its {{ }} are Prometheus' own. */}}
{{- define "laaffic-exporter.rules" -}}
{{- $rule := .Values.prometheusRule -}}
{{- $url := include "laaffic-exporter.externalUrl" . | replace "$(POD_NAMESPACE)" .Release.Namespace -}}
{{- $url = $url | replace "$(POD_NAME)" (printf "%s-0" (include "laaffic-exporter.fullname" .)) | trimSuffix "/" -}}
{{- .Files.Get "files/rules.yaml"
  | replace "<job>" .Values.job
  | replace "<page>" $rule.severity
  | replace "<ticket>" $rule.ticketSeverity
  | replace "<exception-for>" (include "laaffic-exporter.duration" $rule.exceptionFor)
  | replace "<exception-for-seconds>" (include "laaffic-exporter.seconds" $rule.exceptionFor)
  | replace "<down-for>" (include "laaffic-exporter.duration" $rule.downFor)
  | replace "<not-refreshed-for>" (include "laaffic-exporter.duration" $rule.notRefreshedFor)
  | replace "<not-refreshed-for-seconds>" (include "laaffic-exporter.seconds" $rule.notRefreshedFor)
  | replace "<external-url>" $url -}}
{{- end -}}
