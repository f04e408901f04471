{{/* The pod, of the Deployment and of the StatefulSet alike. */}}
{{- define "laaffic-exporter.pod" -}}
metadata:
  labels:
    {{- include "laaffic-exporter.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- include "laaffic-exporter.map" (list $ .) | nindent 4 }}
    {{- end }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "laaffic-exporter.serviceAccountName" . }}
  # It asks nothing of Kubernetes.
  automountServiceAccountToken: false
  # Kubernetes would name the addresses of services in variables that begin as those of the exporter's flags do.
  enableServiceLinks: false
  # A stop takes 5 seconds at most.
  terminationGracePeriodSeconds: 10
  {{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ kindIs "string" . | ternary . (get (kindIs "map" . | ternary . dict) "name") }}
    {{- end }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  containers:
    - name: laaffic-exporter
      image: {{ include "laaffic-exporter.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        {{- include "laaffic-exporter.args" . | nindent 8 }}
      env:
        {{- include "laaffic-exporter.env" . | nindent 8 }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: http
          containerPort: 10871
      livenessProbe:
        {{- include "laaffic-exporter.probe" (list . "/-/healthy" .Values.livenessProbe) | nindent 8 }}
      readinessProbe:
        {{- include "laaffic-exporter.probe" (list . "/-/ready" .Values.readinessProbe) | nindent 8 }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      volumeMounts:
        # As folders: a file mounted by subPath would stay as it was at the start.
        - name: config
          mountPath: /etc/laaffic-exporter/config
          readOnly: true
        {{- if .Values.credentials.enabled }}
        - name: credentials
          mountPath: /etc/laaffic-exporter/credentials
          readOnly: true
        {{- end }}
        {{- if .Values.web.existingSecret }}
        - name: web
          mountPath: /etc/laaffic-exporter/web
          readOnly: true
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "laaffic-exporter.configMap" . }}
        # The configuration may hold a secret: not for everyone on the node.
        defaultMode: 0440
        items:
          - key: {{ .Values.existingConfigMap.key | quote }}
            path: config.yaml
    {{- if .Values.credentials.enabled }}
    - name: credentials
      secret:
        secretName: {{ include "laaffic-exporter.credentials" . }}
        defaultMode: 0440
    {{- end }}
    {{- with .Values.web.existingSecret }}
    - name: web
      secret:
        secretName: {{ . }}
        defaultMode: 0440
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    - {{ toYaml . | nindent 6 | trim }}
      {{- if not .labelSelector }}
      labelSelector:
        matchLabels:
          {{- include "laaffic-exporter.selectorLabels" $ | nindent 10 }}
      {{- end }}
    {{- end }}
  {{- end }}
{{- end -}}

{{/* The exporter's flags. The kubelet fills in $(POD_NAME) and $(POD_NAMESPACE). */}}
{{- define "laaffic-exporter.args" -}}
- --config.file=/etc/laaffic-exporter/config/config.yaml
- --config.enable-auto-reload
- {{ printf "--web.external-url=%s" (include "laaffic-exporter.externalUrl" .) | quote }}
- {{ printf "--web.allowed-hosts=%s" (include "laaffic-exporter.allowedHosts" .) | quote }}
{{- if .Values.web.existingSecret }}
- {{ include "laaffic-exporter.webConfig" . | quote }}
{{- end }}
{{- with .Values.grafanaUrl }}
- {{ printf "--grafana.url=%s" . | quote }}
{{- end }}
- --log.level={{ .Values.log.level }}
- --log.format={{ .Values.log.format }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "laaffic-exporter.webConfig" -}}
--web.config.file=/etc/laaffic-exporter/web/{{ .Values.web.key }}
{{- end -}}

{{- define "laaffic-exporter.env" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- if .Values.sharding.enabled }}
- name: LAAFFIC_EXPORTER_SHARD
  valueFrom:
    fieldRef:
      fieldPath: metadata.labels['apps.kubernetes.io/pod-index']
- name: LAAFFIC_EXPORTER_TOTAL_SHARDS
  value: {{ .Values.sharding.shards | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A probe that asks for a path, or runs the exporter's own health check where a password or a certificate is asked for: (list $ PATH TIMING). */}}
{{- define "laaffic-exporter.probe" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.web.probeKey -}}
exec:
  command:
    - /bin/laaffic-exporter
    - healthcheck
    - {{ include "laaffic-exporter.webConfig" $root | quote }}
    - {{ printf "--http.config.file=/etc/laaffic-exporter/web/%s" . | quote }}
{{- else -}}
httpGet:
  path: {{ index . 1 }}
  port: http
  scheme: {{ include "laaffic-exporter.scheme" $root | upper }}
{{- end }}
{{- with index . 2 }}
{{ toYaml . }}
{{- end }}
{{- end -}}
