{{/* What the services work with: addresses and the names of secrets, the demo's where it is on and none is given. */}}

{{- define "pairmill.demoName" -}}
{{- printf "%s-demo-%s" (include "pairmill.fullname" .root) .part -}}
{{- end -}}

{{- define "pairmill.bootstrapServers" -}}
{{- if and .Values.demo.enabled (not .Values.kafka.bootstrapServers) -}}
{{- printf "%s:9092" (include "pairmill.demoName" (dict "root" . "part" "kafka")) -}}
{{- else -}}
{{- .Values.kafka.bootstrapServers -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.storeUrl" -}}
{{- if and .Values.demo.enabled (not .Values.store.url) -}}
s3://pairmill/datasets
{{- else -}}
{{- .Values.store.url -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.storeEndpoint" -}}
{{- if and .Values.demo.enabled (not .Values.store.endpoint) -}}
{{- printf "http://%s:7070" (include "pairmill.demoName" (dict "root" . "part" "s3")) -}}
{{- else -}}
{{- .Values.store.endpoint -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.storeSecret" -}}
{{- if and .Values.demo.enabled (not .Values.store.existingSecret) -}}
{{- include "pairmill.demoName" (dict "root" . "part" "store") -}}
{{- else -}}
{{- .Values.store.existingSecret -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.authSecret" -}}
{{- if and .Values.demo.enabled (not .Values.auth.existingSecret) -}}
{{- include "pairmill.demoName" (dict "root" . "part" "auth") -}}
{{- else -}}
{{- .Values.auth.existingSecret -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.tlsSecret" -}}
{{- if .Values.tls.existingSecret -}}
{{- .Values.tls.existingSecret -}}
{{- else if .Values.tls.certManager.enabled -}}
{{- printf "%s-tls" (include "pairmill.fullname" .) -}}
{{- else if .Values.demo.enabled -}}
{{- include "pairmill.demoName" (dict "root" . "part" "tls") -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.bundleSource" -}}
{{- if and .Values.demo.enabled (not .Values.bundles.source) -}}
tiny
{{- else -}}
{{- .Values.bundles.source -}}
{{- end -}}
{{- end -}}

{{/* The folder of the bundle that inference and scorer serve. */}}
{{- define "pairmill.bundleName" -}}
{{- if eq (include "pairmill.bundleSource" .) "tiny" -}}
{{- .Values.bundles.name | default "tiny" -}}
{{- else -}}
{{- .Values.bundles.name -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.topicsMode" -}}
{{- if and .Values.demo.enabled (eq .Values.topics.mode "hook") -}}
job
{{- else -}}
{{- .Values.topics.mode -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.topicsReplication" -}}
{{- if .Values.demo.enabled -}}1{{- else -}}{{ int .Values.topics.replication }}{{- end -}}
{{- end -}}

{{/* Takes root and component. The demo's downloader alone learns the address of the demo's web, which is no public one. */}}
{{- define "pairmill.isDemoDownloader" -}}
{{- if and .root.Values.demo.enabled (eq .component "downloader") -}}true{{- end -}}
{{- end -}}
