{{/* Components: what is set for each, and what the chart knows of it. */}}

{{- define "pairmill.facts" -}}
{{- .Files.Get "files/components.yaml" -}}
{{- end -}}

{{/* Takes root and component. Defaults of all with the component's own on top. */}}
{{- define "pairmill.spec" -}}
{{- mustMergeOverwrite (deepCopy .root.Values.componentDefaults) (deepCopy (get .root.Values.components .component | default dict)) | toYaml -}}
{{- end -}}

{{/* Takes root and component. All that the templates of one component need. */}}
{{- define "pairmill.context" -}}
{{- $all := include "pairmill.facts" .root | fromYaml -}}
{{- dict "spec" (include "pairmill.spec" . | fromYaml) "facts" (get $all.components .component) | toYaml -}}
{{- end -}}

{{/* The names of those that are installed, in order. */}}
{{- define "pairmill.installed" -}}
{{- $root := . -}}
{{- $names := list -}}
{{- range $name := keys (include "pairmill.facts" . | fromYaml).components | sortAlpha -}}
{{- $spec := include "pairmill.spec" (dict "root" $root "component" $name) | fromYaml -}}
{{- if $spec.enabled -}}
{{- $names = append $names $name -}}
{{- end -}}
{{- end -}}
{{- toYaml $names -}}
{{- end -}}

{{/* Takes root, component, facts. The consumer group; its name says what its members can do. */}}
{{- define "pairmill.group" -}}
{{- if eq (default "" .facts.groupBy) "rules" -}}
{{- printf "%s-%s" .facts.group (include "pairmill.facts" .root | fromYaml).rulesVersion -}}
{{- else if eq (default "" .facts.groupBy) "bundle" -}}
{{- printf "%s-%s" .facts.group (trunc 12 .root.Values.bundles.digest) -}}
{{- else -}}
{{- .facts.group -}}
{{- end -}}
{{- end -}}

{{/* Takes spec and facts. Seconds between SIGTERM and SIGKILL: the pause before, what it needs to stop, and a margin. */}}
{{- define "pairmill.grace" -}}
{{- $stopping := add (mul (len .facts.stops) (int .spec.stopSeconds)) (default 0 .facts.stopsBesides) -}}
{{- add $stopping (int .spec.preStopSeconds) 15 -}}
{{- end -}}

{{/* Whether something before the explorer speaks TLS: not where only the gateway has a way in. */}}
{{- define "pairmill.behindProxy" -}}
{{- $page := or (and .Values.ingress.enabled .Values.ingress.explorer.host) (and .Values.gatewayApi.enabled .Values.gatewayApi.explorer.host) -}}
{{- if or .Values.explorer.behindProxy $page -}}true{{- end -}}
{{- end -}}

{{/* Whether the pods that ask Triton have one to ask: its host and port. */}}
{{- define "pairmill.tritonTarget" -}}
{{- if eq .Values.embedding.mode "triton" -}}
{{- if .Values.triton.enabled -}}
{{- printf "%s-triton.%s.svc:8001" (include "pairmill.fullname" .) .Release.Namespace -}}
{{- else -}}
{{- .Values.triton.target -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.gatewayTarget" -}}
{{- .Values.gatewayTarget | default (printf "%s:7600" (include "pairmill.host" (dict "root" . "component" "gateway"))) -}}
{{- end -}}

{{/* Takes root and component. */}}
{{- define "pairmill.asksTriton" -}}
{{- if include "pairmill.tritonTarget" .root -}}
{{- if or (eq .component "inference") (and (eq .component "explorer") .root.Values.explorer.useTriton) -}}true{{- end -}}
{{- end -}}
{{- end -}}
