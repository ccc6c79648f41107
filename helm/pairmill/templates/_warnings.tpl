{{/* Choices that somebody should know of: a line each. */}}

{{- define "pairmill.warnings" -}}
{{- if .Values.demo.enabled }}
demo.enabled: Kafka and datasets of this release are single and go with it; nothing of it is for work that matters.
{{- end }}
{{- if eq (include "pairmill.bundleSource" .) "tiny" }}
bundles.source=tiny: the tiny CLIP knows drawn shapes only; of real pictures it keeps next to nothing.
{{- end }}
{{- if not .Values.networkPolicy.enabled }}
networkPolicy.enabled=false: downloaders check addresses themselves, but nothing else keeps them from reaching into the cluster.
{{- end }}
{{- if and (not .Values.kafka.tls.enabled) (not .Values.demo.enabled) }}
kafka.tls.enabled=false: records, and passwords of SASL plain, cross the network readable.
{{- end }}
{{- if and (hasPrefix "http://" (include "pairmill.storeEndpoint" .)) (not .Values.demo.enabled) }}
store.endpoint is http: datasets cross the network readable.
{{- end }}
{{- if and (eq (include "pairmill.topicsReplication" .) "1") (not .Values.demo.enabled) }}
topics.replication=1: with that broker's disk running jobs are lost.
{{- end }}
{{- if and (not .Values.bundles.digest) (ne (include "pairmill.bundleSource" .) "tiny") }}
bundles.digest is not set: pods take whatever stands in the folder {{ include "pairmill.bundleName" . }}.
{{- end }}
{{- if eq (include "pairmill.topicsMode" .) "none" }}
topics.mode=none: services wait until the topics are there; `pairmill topics check` says what is wanted.
{{- end }}
{{- range $component := include "pairmill.installed" . | fromYamlArray }}
{{- $spec := include "pairmill.spec" (dict "root" $ "component" $component) | fromYaml }}
{{- if and (eq $spec.scratch.type "emptyDir") (eq $spec.scratch.medium "Memory") }}
components.{{ $component }}.scratch.medium=Memory: its files count against the memory limit.
{{- end }}
{{- with $spec.image.tag | default $.Values.image.tag }}
{{- if eq . "latest" }}
components.{{ $component }}: the tag latest is another image tomorrow.
{{- end }}
{{- end }}
{{- if and (ne $spec.service.type "ClusterIP") (has $component (list "gateway" "explorer")) }}
components.{{ $component }}.service.type={{ $spec.service.type }}: it can be called from outside the cluster.
{{- end }}
{{- end }}
{{- end -}}
