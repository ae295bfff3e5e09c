{{- /* Names, labels, and what all pods have in common. A call takes a dict: `root` is the chart's context, `service` one of the services. */ -}}

{{- define "chappe.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 48 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 48 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "chappe.clusterName" -}}
{{- .Values.cluster.name | default (printf "%s-%s" .Release.Namespace (include "chappe.fullname" .)) -}}
{{- end }}

{{- define "chappe.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end }}

{{- define "chappe.labels" -}}
{{ include "chappe.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "chappe.image" -}}
{{- with .Values.image }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}{{ end -}}
{{- end }}

{{- /* Where others find the replicas of a service: one DNS name with the address of each. */ -}}
{{- define "chappe.peers" -}}
{{ include "chappe.fullname" .root }}-{{ .service }}-peers.{{ .root.Release.Namespace }}.svc:{{ .port }}
{{- end }}

{{- /* What a missing value means, and what to write. */ -}}
{{- define "chappe.check" -}}
{{- if not .Values.log.brokers }}{{ fail "log.brokers is empty: give Kafka's bootstrap servers, e.g. --set 'log.brokers={b-1.example:9094,b-2.example:9094}'" }}{{ end -}}
{{- if not .Values.coordination.endpoints }}{{ fail "coordination.endpoints is empty: give etcd's members, e.g. --set 'coordination.endpoints={etcd-0.example:2379}'" }}{{ end -}}
{{- if not .Values.store.host }}{{ fail "store.host is empty: say where MySQL or MariaDB answers, e.g. --set store.host=db.example" }}{{ end -}}
{{- if not .Values.store.secret }}{{ fail "store.secret is empty: name the secret with the database's password. Make it with: kubectl create secret generic chappe-store --from-literal=password=..." }}{{ end -}}
{{- if not .Values.gateway.adminKeySecret }}{{ fail "gateway.adminKeySecret is empty: name the secret with the operator's key. Make it with: kubectl create secret generic chappe-admin --from-literal=admin-key=\"admin_$(openssl rand -hex 32)\"" }}{{ end -}}
{{- if not .Values.crypto.keysSecret }}{{ fail "crypto.keysSecret is empty: name the secret with the key-encryption keys, and keep a copy of it elsewhere. Make it with: kubectl create secret generic chappe-keys --from-literal=key-encryption-keys=\"kek-1 $(openssl rand -base64 32)\"" }}{{ end -}}
{{- if and (not .Values.relay.codes.url) (not .Values.relay.codes.toFile) }}{{ fail "relay.codes.url is empty: give the address that sends one-time codes to phones, or for trials --set relay.codes.toFile=true" }}{{ end -}}
{{- if and .Values.peers.certManager.enabled (not .Values.peers.certManager.issuer) }}{{ fail "peers.certManager.issuer is empty: name the issuer that makes the certificate of the services, or set peers.certManager.enabled=false" }}{{ end -}}
{{- with .Values.sender.scaling }}
{{- if and .apply .external }}{{ fail "sender.scaling.apply and sender.scaling.external are both true: only one may set the number of senders" }}{{ end -}}
{{- if and .apply (not .most) }}{{ fail "sender.scaling.most is 0: say how many senders there may be, e.g. --set sender.scaling.most=12, or set sender.scaling.apply=false" }}{{ end -}}
{{- if and .apply (not $.Values.coordinator.kubernetes.enabled) }}{{ fail "sender.scaling.apply needs the API of Kubernetes: set coordinator.kubernetes.enabled=true" }}{{ end -}}
{{- if and .most (lt (int .most) (int .least)) }}{{ fail "sender.scaling.most is below sender.scaling.least" }}{{ end -}}
{{- end }}
{{- if gt (int .Values.log.minInSync) (int .Values.log.replication) }}{{ fail "log.minInSync is above log.replication: no append would ever be answered" }}{{ end -}}
{{- end }}

{{- define "chappe.tlsEnv" -}}
{{- if .tls.enabled }}
{{- if not .tls.secret }}{{ fail (printf "%s.tls.secret is empty: name the secret with ca.crt, or set %s.tls.enabled=false" .value .value) }}{{ end }}
- {name: {{ .variable }}_TLS_AUTHORITY, value: /etc/chappe/{{ .value }}-tls/ca.crt}
{{- if .tls.clientCertificate }}
- {name: {{ .variable }}_TLS_CERTIFICATE, value: /etc/chappe/{{ .value }}-tls/tls.crt}
- {name: {{ .variable }}_TLS_KEY, value: /etc/chappe/{{ .value }}-tls/tls.key}
{{- end }}
{{- end }}
{{- end }}

{{- define "chappe.secretEnv" -}}
- name: {{ .name }}
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}}
{{- end }}

{{- define "chappe.storeEnv" -}}
{{- with .Values.store }}
- {name: CHAPPE_STORE, value: {{ printf "mysql://%s@%s:%v/%s" .user .host .port .database | quote }}}
{{ include "chappe.secretEnv" (dict "name" "CHAPPE_STORE_PASSWORD" "secret" .secret "key" .secretKey) }}
{{- include "chappe.tlsEnv" (dict "variable" "CHAPPE_STORE" "value" "store" "tls" .tls) }}
{{- end }}
{{- end }}

{{- /* Of those who open further databases. */ -}}
{{- define "chappe.rangeStoresEnv" -}}
{{- include "chappe.storeEnv" . }}
{{- with .Values.store.loginsSecret }}
{{ include "chappe.secretEnv" (dict "name" "CHAPPE_STORE_LOGINS" "secret" . "key" "logins") }}
{{- end }}
{{- end }}

{{- define "chappe.logEnv" -}}
{{- $prefix := .Values.log.topicPrefix | default (printf "%s." (include "chappe.clusterName" .)) }}
{{- with .Values.log }}
- {name: CHAPPE_LOG, value: {{ printf "kafka://%s?replication=%v&min-in-sync=%v&prefix=%s" (join "," .brokers) .replication .minInSync $prefix | quote }}}
{{- if .sasl.secret }}
{{ include "chappe.secretEnv" (dict "name" "CHAPPE_LOG_USERNAME" "secret" .sasl.secret "key" "username") }}
{{ include "chappe.secretEnv" (dict "name" "CHAPPE_LOG_PASSWORD" "secret" .sasl.secret "key" "password") }}
- {name: CHAPPE_LOG_SASL, value: {{ .sasl.mechanism }}}
{{- end }}
{{- include "chappe.tlsEnv" (dict "variable" "CHAPPE_LOG" "value" "log" "tls" .tls) }}
{{- end }}
{{- end }}

{{- define "chappe.coordinationEnv" -}}
{{- $name := include "chappe.clusterName" . }}
{{- with .Values.coordination }}
- {name: CHAPPE_COORDINATION, value: {{ printf "etcd://%s?prefix=/%s&cluster=%s" (join "," .endpoints) $name $name | quote }}}
{{- if .auth.secret }}
{{ include "chappe.secretEnv" (dict "name" "CHAPPE_COORDINATION_USERNAME" "secret" .auth.secret "key" "username") }}
{{ include "chappe.secretEnv" (dict "name" "CHAPPE_COORDINATION_PASSWORD" "secret" .auth.secret "key" "password") }}
{{- end }}
{{- include "chappe.tlsEnv" (dict "variable" "CHAPPE_COORDINATION" "value" "coordination" "tls" .tls) }}
{{- end }}
{{- end }}

{{- /* The secrets of TLS that a service uses, as volumes: a changed one is there without a new pod, and read at the next start. */ -}}
{{- define "chappe.tlsVolumes" -}}
{{- $root := .root }}
{{- range .servers }}
{{- $tls := (index $root.Values .).tls }}
{{- if $tls.enabled }}
- name: {{ . }}-tls
  secret: {secretName: {{ $tls.secret }}, defaultMode: 0440}
{{- end }}
{{- end }}
{{- end }}

{{- define "chappe.tlsMounts" -}}
{{- $root := .root }}
{{- range .servers }}
{{- if (index $root.Values .).tls.enabled }}
- {name: {{ . }}-tls, mountPath: /etc/chappe/{{ . }}-tls, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{- /* The secret with the certificate that services show to each other; empty: there is none. */ -}}
{{- define "chappe.peerSecret" -}}
{{- with .Values.peers }}
{{- if .certManager.enabled }}{{ .tlsSecret | default (printf "%s-peers" (include "chappe.fullname" $)) }}{{ else }}{{ .tlsSecret }}{{ end }}
{{- end }}
{{- end }}

{{- /* A secret of certificate and key, given to a pod by its name. */ -}}
{{- define "chappe.certificateEnv" -}}
- {name: {{ .variable }}_TLS_CERTIFICATE, value: /etc/chappe/{{ .name }}/tls.crt}
- {name: {{ .variable }}_TLS_KEY, value: /etc/chappe/{{ .name }}/tls.key}
{{- end }}

{{- /* `restricted` of Pod Security, and nothing that can be written but /tmp. */ -}}
{{- define "chappe.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "chappe.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- /*
The pod of a service. `env`, `volumes`, `mounts`: YAML lists; `ports`: name to number; `servers`: whose TLS it needs;
`revisionLabel`: what tells the pods of one version from those of another; `leaves`: seconds in which callers hear that it goes;
`account`: the service account whose token it is given, absent: none.
*/ -}}
{{- define "chappe.pod" -}}
{{- $root := .root }}
{{- $values := index $root.Values .service }}
{{- $peerSecret := "" }}
{{- if not .callsNobody }}{{ $peerSecret = include "chappe.peerSecret" $root }}{{ end }}
metadata:
  labels: {{- include "chappe.labels" . | nindent 4 }}
  annotations:
    prometheus.io/scrape: 'true'
    prometheus.io/port: '7490'
    {{- with $root.Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ .account | default (include "chappe.fullname" $root) }}
  automountServiceAccountToken: {{ not (empty .account) }}
  enableServiceLinks: false
  {{- include "chappe.podSecurity" . | nindent 2 }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets: {{- range . }}
    - name: {{ . }}{{ end }}
  {{- end }}
  {{- with $root.Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $root.Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: {{ $root.Values.zones.maxSkew }}
      topologyKey: {{ $root.Values.zones.topologyKey }}
      whenUnsatisfiable: {{ $root.Values.zones.whenUnsatisfiable }}
      nodeTaintsPolicy: Honor
      matchLabelKeys: [{{ .revisionLabel }}]
      labelSelector:
        matchLabels: {{- include "chappe.selectorLabels" . | nindent 10 }}
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      nodeTaintsPolicy: Honor
      matchLabelKeys: [{{ .revisionLabel }}]
      labelSelector:
        matchLabels: {{- include "chappe.selectorLabels" . | nindent 10 }}
  # A stop is cut short by the process itself after 20 s; before it callers are given time to look elsewhere.
  terminationGracePeriodSeconds: {{ add 25 (.leaves | default 0) }}
  containers:
    - name: {{ .service }}
      image: {{ include "chappe.image" $root }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [{{ .service }}]
      {{- include "chappe.containerSecurity" . | nindent 6 }}
      env:
        - {name: CHAPPE_LOG_LEVEL, value: {{ $root.Values.logLevel }}}
        - {name: CHAPPE_ADMIN_PORT, value: '7490'}
        {{- .env | trim | nindent 8 }}
        {{- if $peerSecret }}
        - {name: CHAPPE_PEER_TLS_AUTHORITY, value: /etc/chappe/peer-tls/ca.crt}
        {{- include "chappe.certificateEnv" (dict "variable" "CHAPPE_PEER" "name" "peer-tls") | nindent 8 }}
        {{- end }}
      ports:
        - {name: admin, containerPort: 7490}
        {{- range $name, $port := .ports }}
        - {name: {{ $name }}, containerPort: {{ $port }}}
        {{- end }}
      # A start waits two minutes for servers that are away, and answers /healthz meanwhile.
      startupProbe: {httpGet: {path: /healthz, port: admin}, periodSeconds: 1, failureThreshold: 60}
      livenessProbe: {httpGet: {path: /healthz, port: admin}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 6}
      readinessProbe: {httpGet: {path: /readyz, port: admin}, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 2}
      {{- with .leaves }}
      lifecycle: {preStop: {sleep: {seconds: {{ . }}}}}
      {{- end }}
      resources: {{- toYaml $values.resources | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- with include "chappe.tlsMounts" . | trim }}{{ . | nindent 8 }}{{ end }}
        {{- if $peerSecret }}
        - {name: peer-tls, mountPath: /etc/chappe/peer-tls, readOnly: true}
        {{- end }}
        {{- with .mounts }}{{ . | trim | nindent 8 }}{{ end }}
  volumes:
    - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
    {{- with include "chappe.tlsVolumes" . | trim }}{{ . | nindent 4 }}{{ end }}
    {{- if $peerSecret }}
    - {name: peer-tls, secret: {secretName: {{ $peerSecret }}, defaultMode: 0440}}
    {{- end }}
    {{- with .volumes }}{{ . | trim | nindent 4 }}{{ end }}
{{- end }}

{{- define "chappe.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "chappe.fullname" .root }}-{{ .service }}
  labels: {{- include "chappe.labels" . | nindent 4 }}
spec:
  replicas: {{ (index .root.Values .service).replicas }}
  # A new one is ready before an old one goes.
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  selector:
    matchLabels: {{- include "chappe.selectorLabels" . | nindent 6 }}
  template: {{- include "chappe.pod" (merge (dict "revisionLabel" "pod-template-hash") .) | nindent 4 }}
{{- end }}

{{- define "chappe.peersService" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "chappe.fullname" .root }}-{{ .service }}-peers
  labels: {{- include "chappe.labels" . | nindent 4 }}
spec:
  clusterIP: None
  {{- if .alsoNotReady }}
  # Callers have its address from etcd, and go on while it says that something is amiss.
  publishNotReadyAddresses: true
  {{- end }}
  selector: {{- include "chappe.selectorLabels" . | nindent 4 }}
  ports:
    - {name: grpc, port: {{ .port }}, targetPort: {{ .target }}, appProtocol: kubernetes.io/h2c}
{{- end }}

{{- define "chappe.publicService" -}}
{{- $service := (index .root.Values .service).service }}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "chappe.fullname" .root }}-{{ .service }}
  labels: {{- include "chappe.labels" . | nindent 4 }}
  {{- with $service.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ $service.type }}
  {{- if ne $service.type "ClusterIP" }}
  externalTrafficPolicy: {{ $service.externalTrafficPolicy }}
  {{- end }}
  selector: {{- include "chappe.selectorLabels" . | nindent 4 }}
  ports:
    - name: grpc
      port: {{ $service.port }}
      targetPort: {{ .target }}
      appProtocol: kubernetes.io/h2c
      {{- with $service.nodePort }}
      nodePort: {{ . }}
      {{- end }}
{{- end }}

{{- define "chappe.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "chappe.fullname" .root }}-{{ .service }}
  labels: {{- include "chappe.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  # One that cannot become ready must not keep a node from being emptied.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "chappe.selectorLabels" . | nindent 6 }}
{{- end }}
