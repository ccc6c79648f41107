{{/* Names and labels. */}}

{{- define "pairmill.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 40 characters: with the component's, a set's name has at most 52, for its pods bear it in a label with a hash. */}}
{{- define "pairmill.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "pairmill.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Takes root and component. Nothing in here may ever change: selectors are immutable. */}}
{{- define "pairmill.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pairmill.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Takes root, component, and perhaps labels of the object. */}}
{{- define "pairmill.labels" -}}
{{- $fixed := include "pairmill.selectorLabels" . | fromYaml -}}
{{- $_ := set $fixed "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- $_ := set $fixed "app.kubernetes.io/part-of" "pairmill" -}}
{{- $_ := set $fixed "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $fixed "helm.sh/chart" (include "pairmill.chart" .root) -}}
{{- mustMergeOverwrite (dict) .root.Values.commonLabels (default dict .labels) $fixed | toYaml -}}
{{- end -}}

{{/* Takes root, component, and perhaps labels and annotations of the object. */}}
{{- define "pairmill.metadata" -}}
labels:
  {{- include "pairmill.labels" . | nindent 2 }}
{{- with mustMergeOverwrite (dict) .root.Values.commonAnnotations (default dict .annotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "pairmill.componentName" -}}
{{- printf "%s-%s" (include "pairmill.fullname" .root) .component -}}
{{- end -}}

{{/* Takes root and component. The host name that others reach it by. */}}
{{- define "pairmill.host" -}}
{{- printf "%s.%s.svc" (include "pairmill.componentName" .) .root.Release.Namespace -}}
{{- end -}}

{{- define "pairmill.serviceAccountName" -}}
{{- if .spec.serviceAccount.name -}}
{{- .spec.serviceAccount.name -}}
{{- else if .spec.serviceAccount.create -}}
{{- include "pairmill.componentName" . -}}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{/* Takes root, component, and perhaps an image of its own. */}}
{{- define "pairmill.image" -}}
{{- $own := default dict .image -}}
{{- $shared := .root.Values.image -}}
{{- $registry := .root.Values.global.imageRegistry | default $shared.registry -}}
{{- $repository := $own.repository | default (printf "%s%s" $shared.prefix .component) -}}
{{- $digest := $own.digest | default (get $shared.digests .component) -}}
{{- if $digest -}}
{{- $repository = printf "%s@%s" $repository $digest -}}
{{- else -}}
{{- $repository = printf "%s:%s" $repository ($own.tag | default $shared.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- if and $registry (not $own.repository) -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" $registry) $repository -}}
{{- end -}}
{{- $repository -}}
{{- end -}}

{{- define "pairmill.imagePullSecrets" -}}
{{- with concat .Values.image.pullSecrets (default list .Values.global.imagePullSecrets) | uniq }}
imagePullSecrets:
  {{- range . }}
  - name: {{ if kindIs "map" . }}{{ .name }}{{ else }}{{ . }}{{ end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Takes root and user; where that is none, whom the cluster chooses. Files are the group's that all pods share. */}}
{{- define "pairmill.podSecurityContext" -}}
runAsNonRoot: true
{{- with .user }}
runAsUser: {{ int . }}
runAsGroup: {{ int . }}
{{- end }}
{{- with .root.Values.runAsUser }}
fsGroup: {{ int . }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "pairmill.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
