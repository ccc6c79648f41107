{{/* Pods of Jobs, of the topics, `helm test` and the demo, and the demo's others: they run where services do by default. */}}

{{- define "pairmill.jobs.frame" -}}
{{- include "pairmill.pod.frame" (dict "root" . "spec" .Values.componentDefaults "user" .Values.runAsUser "account" .Values.jobs.serviceAccountName) | trim -}}
{{- end -}}

{{/* Takes root and component. */}}
{{- define "pairmill.jobs.metadata" -}}
labels:
  {{- include "pairmill.labels" (dict "root" .root "component" .component "labels" .root.Values.jobs.podLabels) | nindent 2 }}
{{- with mustMergeOverwrite (dict) .root.Values.commonAnnotations .root.Values.jobs.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
