{{- define "soulfra.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "soulfra.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels of an object; of one process when called with (list $ "edge"). */}}
{{- define "soulfra.labels" -}}
{{- $top := . -}}
{{- if kindIs "slice" . -}}
{{- $top = first . -}}
{{ include "soulfra.selector" . }}
{{- else -}}
app.kubernetes.io/name: {{ $top.Chart.Name }}
app.kubernetes.io/instance: {{ $top.Release.Name }}
{{- end }}
app.kubernetes.io/version: {{ $top.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $top.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $top.Chart.Name $top.Chart.Version }}
{{- end -}}

{{/* What never changes of one process: (list $ "edge"). */}}
{{- define "soulfra.selector" -}}
{{- $top := first . -}}
app.kubernetes.io/name: {{ $top.Chart.Name }}
app.kubernetes.io/instance: {{ $top.Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end -}}

{{/* Annotations of a pod that serves metrics: (list $ 9101). */}}
{{- define "soulfra.podAnnotations" -}}
{{- $top := first . -}}
{{- if $top.Values.monitoring.annotations }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ last . | quote }}
{{- end }}
{{- with $top.Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Of every pod: who it runs as, and where: (list $ "edge"). */}}
{{- define "soulfra.pod" -}}
{{- $top := first . -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "soulfra.selector" $ | nindent 8 }}
  {{- end }}
{{- with $top.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $top.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $top.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $top.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Of every container: what is run, and what it may do. */}}
{{- define "soulfra.container" -}}
image: {{ include "soulfra.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  - name: tmp
    mountPath: /tmp
  - name: secrets
    mountPath: /run/secrets/soulfra
    readOnly: true
  {{- if .Values.kafka.caSecret }}
  - name: kafka-ca
    mountPath: /run/kafka-ca
    readOnly: true
  {{- end }}
{{- end -}}

{{- define "soulfra.volumes" -}}
- name: tmp
  emptyDir: {}
- name: secrets
  secret:
    secretName: {{ .Values.secrets.existingSecret }}
    defaultMode: 0440
{{- with .Values.kafka.caSecret }}
- name: kafka-ca
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{/* Settings that all processes share. */}}
{{- define "soulfra.env" -}}
- name: SOULFRA_ENVIRONMENT
  value: production
- name: SOULFRA_SECRETS_DIR
  value: /run/secrets/soulfra
- name: SOULFRA_LOCAL__DATA
  value: /tmp/soulfra
- name: SOULFRA_TELEMETRY__HOST
  value: 0.0.0.0
{{- with .Values.kafka }}
- name: SOULFRA_KAFKA__BOOTSTRAP
  value: {{ .bootstrap | quote }}
- name: SOULFRA_KAFKA__PARTITIONS
  value: {{ .partitions | int | quote }}
- name: SOULFRA_KAFKA__REPLICATION
  value: {{ .replication | int | quote }}
- name: SOULFRA_KAFKA__MIN_INSYNC_REPLICAS
  value: {{ .minInsyncReplicas | int | quote }}
- name: SOULFRA_KAFKA__SECURITY_PROTOCOL
  value: {{ .securityProtocol }}
{{- if hasPrefix "SASL" .securityProtocol }}
- name: SOULFRA_KAFKA__SASL_MECHANISM
  value: {{ .saslMechanism }}
- name: SOULFRA_KAFKA__SASL_USERNAME
  value: {{ .saslUsername | quote }}
{{- end }}
{{- if .caSecret }}
- name: SOULFRA_KAFKA__CA_FILE
  value: /run/kafka-ca/ca.crt
{{- end }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ include "soulfra.plain" $value | quote }}
{{- end }}
{{- end -}}

{{/* A number as people write it: Helm reads 104857600 as 1.048576e+08. */}}
{{- define "soulfra.plain" -}}
{{- if kindIs "float64" . -}}
{{- if eq (floor .) . }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- else -}}
{{ . }}
{{- end -}}
{{- end -}}

{{/* Where uploads and results lie, for the processes that read and write them. */}}
{{- define "soulfra.objectsEnv" -}}
{{- with .Values.objects -}}
- name: SOULFRA_OBJECTS__URL
  value: {{ .url | quote }}
{{- if .region }}
- name: SOULFRA_OBJECTS__REGION
  value: {{ .region | quote }}
{{- end }}
{{- if .endpoint }}
- name: SOULFRA_OBJECTS__ENDPOINT
  value: {{ .endpoint | quote }}
{{- end }}
{{- $secret := .existingSecret }}
{{- if $secret }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The name of a worker, kept over restarts: that of its pod. */}}
{{- define "soulfra.instanceEnv" -}}
- name: SOULFRA_WORKER__INSTANCE
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- end -}}

{{/* Alive is not ready: a worker that reads its tables back is alive, and a broker that is away restarts nobody. */}}
{{- define "soulfra.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: telemetry}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: telemetry}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /healthz, port: telemetry}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end -}}

{{- define "soulfra.publicUrl" -}}
{{- with .Values.edge -}}
{{- if .publicUrl -}}
{{ .publicUrl }}
{{- else if .ingress.enabled -}}
{{ ternary "https" "http" (ne .ingress.tlsSecret "") }}://{{ .ingress.host }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A quantity of memory as Kubernetes writes it, in MiB: 1Gi, 512Mi, 1500M, 2G or bytes. */}}
{{- define "soulfra.mebibytes" -}}
{{- $text := toString . -}}
{{- $number := float64 (regexFind "^[0-9.]+" $text) -}}
{{- $unit := regexFind "[A-Za-z]*$" $text -}}
{{- $bytes := dict "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 -}}
{{- if kindIs "float64" . -}}{{- $number = . -}}{{- $unit = "" -}}{{- end -}}
{{- int64 (divf (mulf $number (get $bytes $unit | default 1.0)) 1048576.0) -}}
{{- end -}}
