{{/* What pods of ours share. `cpu` and `gpu` are the two images. */}}

{{- define "parjanya.image" -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag }}{{ end -}}
{{- end -}}

{{/* A name for each release: the tag, or the begin of the digest. */}}
{{- define "parjanya.release" -}}
{{- if .digest }}{{ .digest | trimPrefix "sha256:" | trunc 12 }}{{ else }}{{ .tag | toString | lower | replace "." "-" | replace "_" "-" | replace "+" "-" }}{{ end -}}
{{- end -}}

{{- define "parjanya.lanes" -}}
{{- if eq .Values.lanes.layout "split" }}{cpu: cpu, gpu: gpu}{{ else }}{embedded: gpu}{{ end -}}
{{- end -}}

{{/* What follows from other values. Models and their libraries are in the image `gpu` alone. */}}
{{- define "parjanya.derived" -}}
PARJANYA_HOME: /opt/parjanya
PARJANYA_LANES__LAYOUT: {{ .Values.lanes.layout }}
PARJANYA_LANES__LAUNCHER: kubernetes
{{- range $lane, $image := include "parjanya.lanes" . | fromYaml }}
{{- if eq $image "gpu" }}
PARJANYA_LANES__{{ upper $lane }}__IMAGE: {{ include "parjanya.image" $.Values.images.gpu }}
{{- end }}
{{- end }}
{{- if eq .Values.models.mode "inside" }}
PARJANYA_ENGINES__ENRICHER: transformers
PARJANYA_VLM__MODEL: {{ .Values.models.path }}
{{- with .Values.models.claim }}
PARJANYA_LANES__GPU__MODELS: {{ . }}
{{- end }}
{{- else if eq .Values.lanes.layout "split" }}
PARJANYA_LANES__GPU__GPUS: "0"
{{- end }}
{{- if eq .Values.models.mode "served" }}
PARJANYA_ENGINES__ENRICHER: openai
PARJANYA_ENDPOINT__URL: http://parjanya-model:8000/v1
PARJANYA_VLM__MODEL: {{ .Values.models.served.name }}
PARJANYA_VLM__REVISION: {{ .Values.models.served.revision | quote }}
{{- end }}
{{- with .Values.traces.endpoint }}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ . }}
{{- end }}
DAGSTER_EVENT_BATCH_SIZE: "100"
{{- end -}}

{{/* What everybody is told: that, and the site's own. */}}
{{- define "parjanya.settings" -}}
{{- include "parjanya.derived" . }}
{{- with .Values.settings }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Whoever reads settings starts anew where they change. */}}
{{- define "parjanya.checksums" -}}
checksum/settings: {{ include "parjanya.settings" . | sha256sum }}
checksum/dagster: {{ toJson .Values.dagster | sha256sum }}
{{- end -}}

{{- define "parjanya.dagsterPassword" -}}
- name: DAGSTER_PG_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ .Values.global.postgresqlSecretName }}, key: postgresql-password } }
{{- end -}}

{{- define "parjanya.envFrom" -}}
- configMapRef: { name: parjanya-settings }
- secretRef: { name: {{ .Values.secrets.truth }} }
{{- end -}}

{{- define "parjanya.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "parjanya.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "parjanya.spread" -}}
- maxSkew: 1
  topologyKey: topology.kubernetes.io/zone
  whenUnsatisfiable: ScheduleAnyway
  labelSelector: { matchLabels: { parjanya/part: {{ . }} } }
{{- end -}}

{{/* Three probes that ask one address. `host`: the name in the request, where one is asked for. */}}
{{- define "parjanya.httpProbes" -}}
startupProbe:
  httpGet: &asked
    path: {{ .path }}
    port: http
    {{- with .host }}
    httpHeaders: [{ name: Host, value: {{ . }} }]
    {{- end }}
  periodSeconds: 5
  timeoutSeconds: 10
  failureThreshold: {{ .patience | default 30 }}
readinessProbe:
  httpGet: *asked
  periodSeconds: 15
  timeoutSeconds: 10
livenessProbe:
  httpGet: *asked
  periodSeconds: 30
  timeoutSeconds: 20
  failureThreshold: 4
{{- end -}}

{{/* What a part may write: temporary files and its home. Dagster's instance is the chart's. */}}
{{- define "parjanya.mounts" -}}
- { name: tmp, mountPath: /tmp }
- { name: home, mountPath: /opt/parjanya }
- { name: instance, mountPath: /opt/parjanya/dagster/dagster.yaml, subPath: dagster.yaml }
{{- end -}}

{{- define "parjanya.volumes" -}}
- { name: tmp, emptyDir: { sizeLimit: 256Mi } }
- { name: home, emptyDir: { sizeLimit: 1Gi } }
- { name: instance, configMap: { name: dagster-instance } }
{{- end -}}

{{/* The doors: who is let in where, and what stands behind. */}}
{{- define "parjanya.doors" -}}
login: { door: operators, upstream: "parjanya-ui:3000", behind: ui, port: 3000 }
{{- if .Values.doors.viewers.enabled }}
viewers: { door: viewers, upstream: "parjanya-ui-read-only:3000", behind: ui, port: 3000 }
{{- end }}
{{- if .Values.doors.desk.enabled }}
desk-login: { door: desk, upstream: "parjanya-desk:3100", behind: desk, port: 3100 }
{{- end }}
{{- end -}}

{{/* Dagster's storage alone, as its chart writes it. */}}
{{- define "parjanya.dagsterStorage" -}}
telemetry: { enabled: false }
storage:
  postgres:
    postgres_db:
      hostname: {{ .Values.dagster.postgresql.postgresqlHost }}
      username: {{ .Values.dagster.postgresql.postgresqlUsername }}
      password: { env: DAGSTER_PG_PASSWORD }
      db_name: {{ .Values.dagster.postgresql.postgresqlDatabase }}
      port: {{ .Values.dagster.postgresql.service.port }}
      params: {{ toJson .Values.dagster.postgresql.postgresqlParams }}
{{- end -}}
