{{- /* One server: a pod with a stable name, its service and its volume. A call takes a dict: `root` is the chart's context. */ -}}

{{- define "chappe-dev.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .server }}
{{- end }}

{{- define "chappe-dev.labels" -}}
{{ include "chappe-dev.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- /*
`server`: its key in the values; `user`: whom the image expects; `port`; `data`: where its data lies; `writes`: folders
that it writes besides; `container`: what only it has, as YAML.
*/ -}}
{{- define "chappe-dev.server" -}}
{{- $values := .root.Values }}
{{- $server := index $values .server }}
{{- $name := printf "%s-%s" .root.Release.Name .server }}
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels: {{- include "chappe-dev.labels" . | nindent 4 }}
spec:
  selector: {{- include "chappe-dev.selectorLabels" . | nindent 4 }}
  ports:
    - {name: clients, port: {{ .port }}, targetPort: clients}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $name }}
  labels: {{- include "chappe-dev.labels" . | nindent 4 }}
spec:
  replicas: 1
  serviceName: {{ $name }}
  selector:
    matchLabels: {{- include "chappe-dev.selectorLabels" . | nindent 6 }}
  {{- if $values.persistence.enabled }}
  # What was tried goes with the release.
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $values.persistence.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources: {requests: {storage: {{ $values.persistence.size }}}}
  {{- end }}
  template:
    metadata:
      labels: {{- include "chappe-dev.labels" . | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      # Variables of Kubernetes for services would be taken for settings of Kafka.
      enableServiceLinks: false
      securityContext:
        runAsNonRoot: true
        runAsUser: {{ .user }}
        runAsGroup: {{ .user }}
        fsGroup: {{ .user }}
        seccompProfile: {type: RuntimeDefault}
      {{- with $values.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .server }}
          image: {{ $server.image }}
          imagePullPolicy: {{ $values.pullPolicy }}
          {{- .container | trim | nindent 10 }}
          ports:
            - {name: clients, containerPort: {{ .port }}}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          resources: {{- toYaml $server.resources | nindent 12 }}
          volumeMounts:
            - {name: data, mountPath: {{ .data }}}
            {{- range $index, $folder := .writes }}
            - {name: written, mountPath: {{ $folder }}, subPath: folder-{{ $index }}}
            {{- end }}
      volumes:
        - {name: written, emptyDir: {sizeLimit: 256Mi}}
        {{- if not $values.persistence.enabled }}
        - {name: data, emptyDir: {}}
        {{- end }}
{{- end }}
