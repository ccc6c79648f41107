{{/* The pod of a component. Its parts take root, component, spec and facts. */}}

{{- define "pairmill.pod.probe" -}}
{{- mustMergeOverwrite (dict "httpGet" (dict "path" .path "port" "admin")) .probe | toYaml -}}
{{- end -}}

{{/* Cores, as many as the pod is given; what is set for the service goes before. */}}
{{- define "pairmill.pod.cores" -}}
{{- $from := "" -}}
{{- if dig "limits" "cpu" "" .spec.resources -}}{{- $from = "limits.cpu" -}}
{{- else if dig "requests" "cpu" "" .spec.resources -}}{{- $from = "requests.cpu" -}}{{- end -}}
{{- range $name := .facts.cores -}}
{{- if and $from (not (hasKey $.spec.env $name)) }}
- name: {{ $name }}
  valueFrom:
    resourceFieldRef: {containerName: {{ $.component }}, resource: {{ $from }}, divisor: "1"}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "pairmill.pod.env" -}}
{{- if eq .facts.kind "StatefulSet" }}
- name: PAIRMILL_MEMBER
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
{{- end }}
{{- include "pairmill.pod.cores" . }}
{{- if include "pairmill.isDemoDownloader" . }}
{{ include "pairmill.demo.downloaderEnv" .root | trim }}
{{- end }}
{{- with .spec.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "pairmill.pod.ports" -}}
- {name: admin, containerPort: 9100, protocol: TCP}
{{- range $name, $port := .facts.ports }}
- {name: {{ $name }}, containerPort: {{ int $port }}, protocol: TCP}
{{- end }}
{{- end -}}

{{- define "pairmill.pod.mounts" -}}
- {name: secrets, mountPath: /etc/pairmill, readOnly: true}
- {name: scratch, mountPath: /scratch}
- {name: tmp, mountPath: /tmp}
{{- if .facts.bundles }}
{{ include "pairmill.bundles.mount" (dict "root" .root) }}
{{- end }}
{{- with .spec.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "pairmill.pod.scratch" -}}
{{- $scratch := .spec.scratch -}}
- name: scratch
{{- if eq $scratch.type "ephemeral" }}
  ephemeral:
    volumeClaimTemplate:
      metadata:
        labels:
          {{- include "pairmill.selectorLabels" . | nindent 10 }}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $scratch.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests: {storage: {{ $scratch.size }}}
{{- else }}
  emptyDir:
    sizeLimit: {{ $scratch.size }}
    {{- with $scratch.medium }}
    medium: {{ . }}
    {{- end }}
{{- end }}
{{- end -}}

{{- define "pairmill.pod.volumes" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- include "pairmill.sources" . | trim | nindent 6 }}
{{ include "pairmill.pod.scratch" . }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .spec.tmpSize }}
{{- if .facts.bundles }}
{{ include "pairmill.bundles.volume" . }}
{{- end }}
{{- with .spec.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "pairmill.pod.lifecycle" -}}
{{- if .spec.lifecycle -}}
{{- toYaml .spec.lifecycle -}}
{{- else if int .spec.preStopSeconds -}}
preStop: # others may not know yet that it goes
  sleep: {seconds: {{ int .spec.preStopSeconds }}}
{{- end -}}
{{- end -}}

{{- define "pairmill.pod.container" -}}
- name: {{ .component }}
  image: {{ include "pairmill.image" (dict "root" .root "component" .component "image" .spec.image) }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  envFrom:
    - configMapRef: {name: {{ include "pairmill.componentName" . }}}
    {{- with .spec.extraEnvFrom }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with include "pairmill.pod.env" . | trim }}
  env:
    {{- . | nindent 4 }}
  {{- end }}
  ports:
    {{- include "pairmill.pod.ports" . | nindent 4 }}
  startupProbe:
    {{- include "pairmill.pod.probe" (dict "path" "/livez" "probe" .spec.startupProbe) | nindent 4 }}
  livenessProbe:
    {{- include "pairmill.pod.probe" (dict "path" "/livez" "probe" .spec.livenessProbe) | nindent 4 }}
  readinessProbe:
    {{- include "pairmill.pod.probe" (dict "path" "/readyz" "probe" .spec.readinessProbe) | nindent 4 }}
  {{- with include "pairmill.pod.lifecycle" . }}
  lifecycle:
    {{- . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- mustMergeOverwrite (include "pairmill.containerSecurityContext" .root | fromYaml) .spec.securityContext | toYaml | nindent 4 }}
  resources:
    {{- toYaml .spec.resources | nindent 4 }}
  volumeMounts:
    {{- include "pairmill.pod.mounts" . | nindent 4 }}
{{- end -}}

{{/* Takes root, spec, user, and perhaps account, token and links. What every pod of a release begins with: who pulls
     its image, who it is, where it runs, and how it resolves names. */}}
{{- define "pairmill.pod.frame" -}}
{{- include "pairmill.imagePullSecrets" .root }}
{{- with .account }}
serviceAccountName: {{ . }}
{{- end }}
automountServiceAccountToken: {{ default false .token }}
enableServiceLinks: {{ default false .links }}
securityContext:
  {{- mustMergeOverwrite (include "pairmill.podSecurityContext" . | fromYaml) (default dict .spec.podSecurityContext) | toYaml | nindent 2 }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" "runtimeClassName" "schedulerName" "dnsPolicy" "dnsConfig" "hostAliases" }}
{{- with get $.spec $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What is set, or else spread over nodes and zones as far as that can be had. */}}
{{- define "pairmill.pod.spread" -}}
topologySpreadConstraints:
{{- if .spec.topologySpreadConstraints }}
  {{- toYaml .spec.topologySpreadConstraints | nindent 2 }}
{{- else }}
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "pairmill.selectorLabels" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "pairmill.pod.annotations" -}}
{{- $checksum := dict "checksum/config" (include "pairmill.environment" . | sha256sum) -}}
{{- if .root.Values.monitoring.scrapeAnnotations -}}
{{- $_ := set $checksum "prometheus.io/scrape" "true" -}}
{{- $_ := set $checksum "prometheus.io/port" "9100" -}}
{{- end -}}
{{- mustMergeOverwrite (dict) .root.Values.commonAnnotations .spec.podAnnotations $checksum | toYaml -}}
{{- end -}}

{{- define "pairmill.pod" -}}
metadata:
  labels:
    {{- include "pairmill.labels" (dict "root" .root "component" .component "labels" .spec.podLabels) | nindent 4 }}
  annotations:
    {{- include "pairmill.pod.annotations" . | nindent 4 }}
spec:
  {{- $account := include "pairmill.serviceAccountName" . }}
  {{- $links := not (empty (include "pairmill.isDemoDownloader" .)) }}
  {{- include "pairmill.pod.frame" (dict "root" .root "spec" .spec "user" .root.Values.runAsUser "account" $account "token" .spec.serviceAccount.automount "links" $links) | trim | nindent 2 }}
  terminationGracePeriodSeconds: {{ include "pairmill.grace" . }}
  {{- include "pairmill.pod.spread" . | nindent 2 }}
  {{- $init := "" -}}
  {{- if .facts.bundles -}}{{- $init = include "pairmill.bundles.init" (dict "root" .root "which" .facts.bundles) -}}{{- end -}}
  {{- if or (trim $init) .spec.extraInitContainers }}
  initContainers:
    {{- with trim $init }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with .spec.extraInitContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  containers:
    {{- include "pairmill.pod.container" . | nindent 4 }}
    {{- with .spec.sidecars }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "pairmill.pod.volumes" . | nindent 4 }}
{{- end -}}
