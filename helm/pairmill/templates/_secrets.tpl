{{/* Secrets as files. Each pod is given the keys that it needs, under names that the variables have. */}}

{{/* Takes secret and items, pairs of key and path. One source of a projected volume. */}}
{{- define "pairmill.secretSource" -}}
- secret:
    name: {{ .secret }}
    items:
      {{- range .items }}
      - {key: {{ first . | quote }}, path: {{ last . | quote }}}
      {{- end }}
{{- end -}}

{{- define "pairmill.sources.kafka" -}}
{{- $kafka := .Values.kafka -}}
{{- if and $kafka.tls.enabled $kafka.tls.caSecret }}
{{ include "pairmill.secretSource" (dict "secret" $kafka.tls.caSecret "items" (list (list $kafka.tls.caKey "kafka/ca.crt"))) }}
{{- end }}
{{- if and $kafka.tls.enabled $kafka.tls.clientSecret }}
{{ include "pairmill.secretSource" (dict "secret" $kafka.tls.clientSecret "items" (list (list "tls.crt" "kafka/tls.crt") (list "tls.key" "kafka/tls.key"))) }}
{{- end }}
{{- if ne $kafka.sasl.mechanism "none" }}
{{ include "pairmill.secretSource" (dict "secret" $kafka.sasl.existingSecret "items" (list (list $kafka.sasl.passwordKey "kafka/password"))) }}
{{- end }}
{{- end -}}

{{- define "pairmill.sources.store" -}}
{{- $store := .Values.store }}
{{ include "pairmill.secretSource" (dict "secret" (include "pairmill.storeSecret" .) "items" (list (list $store.credentialsKey "store/credentials.json"))) }}
{{- with $store.caSecret }}
{{ include "pairmill.secretSource" (dict "secret" . "items" (list (list $store.caKey "store/ca.crt"))) }}
{{- end }}
{{- end -}}

{{- define "pairmill.sources.stage" -}}
{{ include "pairmill.secretSource" (dict "secret" (include "pairmill.authSecret" .) "items" (list (list .Values.auth.stagesTokenKey "auth/stages.token"))) }}
{{- if not .Values.tls.systemCa }}
{{ include "pairmill.secretSource" (dict "secret" (include "pairmill.tlsSecret" .) "items" (list (list .Values.tls.caKey "tls/ca.crt"))) }}
{{- end }}
{{- end -}}

{{/* Takes root and component. What a server needs: who may call, and its certificate. */}}
{{- define "pairmill.sources.server" -}}
{{- $auth := .root.Values.auth -}}
{{- $items := list (list $auth.tokensKey "auth/tokens.toml") -}}
{{- if eq .component "explorer" -}}
{{- $items = append $items (list $auth.sessionKeyKey "auth/session.key") -}}
{{- end }}
{{ include "pairmill.secretSource" (dict "secret" (include "pairmill.authSecret" .root) "items" $items) }}
{{ include "pairmill.secretSource" (dict "secret" (include "pairmill.tlsSecret" .root) "items" (list (list "tls.crt" "tls/tls.crt") (list "tls.key" "tls/tls.key"))) }}
{{- end -}}

{{- define "pairmill.sources.triton" -}}
{{- $triton := .Values.triton -}}
{{- if and (include "pairmill.tritonTarget" .) (not $triton.enabled) -}}
{{- if and $triton.tls.enabled $triton.tls.caSecret }}
{{ include "pairmill.secretSource" (dict "secret" $triton.tls.caSecret "items" (list (list $triton.tls.caKey "triton/ca.crt"))) }}
{{- end }}
{{- with $triton.tokenSecret }}
{{ include "pairmill.secretSource" (dict "secret" . "items" (list (list $triton.tokenKey "triton/token"))) }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Takes root, component, facts. The sources of a component's secrets. */}}
{{- define "pairmill.sources" -}}
{{- $sources := list (include "pairmill.sources.store" .root) -}}
{{- if .facts.bus -}}{{- $sources = append $sources (include "pairmill.sources.kafka" .root) -}}{{- end -}}
{{- if .facts.asks -}}{{- $sources = append $sources (include "pairmill.sources.stage" .root) -}}{{- end -}}
{{- if .facts.serves -}}{{- $sources = append $sources (include "pairmill.sources.server" .) -}}{{- end -}}
{{- if include "pairmill.asksTriton" . -}}{{- $sources = append $sources (include "pairmill.sources.triton" .root) -}}{{- end -}}
{{- range $source := $sources -}}
{{- with trim $source }}
{{ . }}
{{- end -}}
{{- end -}}
{{- end -}}
