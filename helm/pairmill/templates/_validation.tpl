{{/* What the schema cannot say: each problem is a line that names the value. */}}

{{- define "pairmill.problems.parts" -}}
{{- $demo := .Values.demo.enabled -}}
{{- if not (include "pairmill.bootstrapServers" .) }}
kafka.bootstrapServers: is not set; give the brokers' addresses, host:port with commas between
{{- end }}
{{- if and (ne .Values.kafka.sasl.mechanism "none") (not .Values.kafka.sasl.existingSecret) }}
kafka.sasl.existingSecret: is not set; name the secret with the password of {{ .Values.kafka.sasl.username | default "the user" }}
{{- end }}
{{- if and (ne .Values.kafka.sasl.mechanism "none") (not .Values.kafka.sasl.username) }}
kafka.sasl.username: is not set; name the user that the password belongs to
{{- end }}
{{- if not (include "pairmill.storeUrl" .) }}
store.url: is not set; give the bucket and the prefix for datasets, s3://bucket/prefix
{{- end }}
{{- if not (include "pairmill.storeEndpoint" .) }}
store.endpoint: is not set; give the S3 endpoint, such as https://s3.example.org
{{- end }}
{{- if not (include "pairmill.storeSecret" .) }}
store.existingSecret: is not set; name the secret that has {{ .Values.store.credentialsKey }} with the keys of the bucket
{{- end }}
{{- if not (include "pairmill.authSecret" .) }}
auth.existingSecret: is not set; name the secret with {{ .Values.auth.tokensKey }}, {{ .Values.auth.stagesTokenKey }} and {{ .Values.auth.sessionKeyKey }}
{{- end }}
{{- if not (include "pairmill.tlsSecret" .) }}
tls.existingSecret: is not set; name the secret with the certificate of {{ include "pairmill.host" (dict "root" . "component" "gateway") }}, or set tls.certManager.enabled
{{- end }}
{{- if and .Values.tls.certManager.enabled (not .Values.tls.certManager.issuerRef.name) }}
tls.certManager.issuerRef.name: is not set; name the issuer
{{- end }}
{{- end -}}

{{- define "pairmill.problems.models" -}}
{{- $bundles := .Values.bundles -}}
{{- $source := include "pairmill.bundleSource" . -}}
{{- if not $source }}
bundles.source: is not set; say where model bundles come from: existingClaim, image, store or tiny
{{- else if not (include "pairmill.bundleName" .) }}
bundles.name: is not set; name the folder of the bundle that is served
{{- end }}
{{- if and (eq $source "existingClaim") (not $bundles.existingClaim.name) }}
bundles.existingClaim.name: is not set; name the claim whose folders are bundles
{{- end }}
{{- if and (eq $source "image") (not $bundles.image.reference) }}
bundles.image.reference: is not set; name the image that holds bundles
{{- end }}
{{- if and (eq (include "pairmill.topicsMode" .) "strimzi") (not .Values.topics.strimzi.cluster) }}
topics.strimzi.cluster: is not set; name the Kafka object that the topics belong to
{{- end }}
{{- if and (eq $source "store") (not $bundles.url) }}
bundles.url: is not set; give the prefix whose folders are bundles, s3://bucket/prefix
{{- end }}
{{- if and (eq .Values.embedding.mode "triton") (not .Values.triton.enabled) (not .Values.triton.target) }}
triton.target: is not set; give host:port of a Triton, set triton.enabled, or embedding.mode to inProcess
{{- end }}
{{- if and .Values.triton.enabled (eq .Values.triton.autoscaling.mode "keda") (not .Values.triton.autoscaling.prometheusAddress) }}
triton.autoscaling.prometheusAddress: is not set; give the address of the Prometheus that has Triton's metrics
{{- end }}
{{- if and .Values.triton.enabled (ne .Values.embedding.mode "triton") }}
triton.enabled: nobody would ask it; set embedding.mode to triton, or leave it out
{{- end }}
{{- end -}}

{{- define "pairmill.problems.network" -}}
{{- if and .Values.networkPolicy.enabled (not .Values.demo.enabled) }}
{{- range $key := list "kafkaTo" "storeTo" }}
{{- if not (get $.Values.networkPolicy $key) }}
networkPolicy.{{ $key }}: is not set; name the peers (ipBlock, or labels of namespace and pods), or set networkPolicy.enabled to false
{{- end }}
{{- end }}
{{- if and (include "pairmill.tritonTarget" .) (not .Values.triton.enabled) (not .Values.networkPolicy.tritonTo) }}
networkPolicy.tritonTo: is not set; name the peers of triton.target, or set networkPolicy.enabled to false
{{- end }}
{{- if and (or .Values.explorer.behindProxy .Values.ingress.enabled .Values.gatewayApi.enabled) (not .Values.networkPolicy.proxyFrom) }}
networkPolicy.proxyFrom: is not set; name the peers of the proxy before explorer or gateway, or set networkPolicy.enabled to false
{{- end }}
{{- if and .Values.gatewayTarget (not .Values.networkPolicy.gatewayTo) }}
networkPolicy.gatewayTo: is not set; name the peers of gatewayTarget, or set networkPolicy.enabled to false
{{- end }}
{{- end }}
{{- end -}}

{{/* Variables that follow from other values: names of pods, ports, folders, and the shares of the time to stop. */}}
{{- define "pairmill.ownVariables" -}}
{{- $names := list "PAIRMILL_MEMBER" "PAIRMILL_ADMIN_PORT" "PAIRMILL_ADMIN_HOST" -}}
{{- range $facts := (include "pairmill.facts" . | fromYaml).components -}}
{{- $names = concat $names $facts.stops (list $facts.scratch) -}}
{{- range $protocol := $facts.serves -}}{{- $names = append $names (printf "PAIRMILL_%s__LISTEN" $protocol) -}}{{- end -}}
{{- end -}}
{{- uniq $names | toYaml -}}
{{- end -}}

{{/* Variables that a component does not know, and those that the chart alone can set right. */}}
{{- define "pairmill.problems.variables" -}}
{{- $known := .Files.Get "files/variables.yaml" | fromYaml -}}
{{- $follows := include "pairmill.ownVariables" . | fromYamlArray -}}
{{- range $component, $given := .Values.components }}
{{- $own := default dict $given.env }}
{{- $shared := $.Values.componentDefaults.env }}
{{- range $name := keys (merge (dict) $own $shared) | sortAlpha }}
{{- $where := ternary (printf "components.%s.env" $component) "componentDefaults.env" (hasKey $own $name) }}
{{- if has $name $follows }}
{{ $where }}: {{ $name }} follows from other values ({{ ternary "stopSeconds" "the templates" (hasSuffix "_SECONDS" $name) }}); leave it out
{{- else if and (hasPrefix "PAIRMILL_" $name) (hasKey $own $name) (not (has $name (get $known $component))) }}
{{ $where }}: {{ $name }} is no variable of the {{ $component }}; docs/settings.md has them
{{- else if and (hasPrefix "PAIRMILL_" $name) (not (hasKey $own $name)) (not (has $name (get $known $component))) }}
{{ $where }}: {{ $name }} is no variable of the {{ $component }}; set it for those that know it, under components
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Takes root, value, secret and keys: whether a secret is there, where a cluster can be asked. */}}
{{- define "pairmill.problems.secret" -}}
{{- $there := lookup "v1" "Secret" .root.Release.Namespace .secret -}}
{{- if not $there }}
{{ .value }}: there is no secret {{ .secret }} in namespace {{ .root.Release.Namespace }}; make it, or set checkSecrets to false
{{- else }}
{{- range $key := .keys }}
{{- if not (hasKey (default dict $there.data) $key) }}
{{ $.value }}: the secret {{ $.secret }} has no key {{ $key }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Each secret that is named, with the keys that pods of this release read, and KEDA. */}}
{{- define "pairmill.problems.secrets" -}}
{{- $v := .Values -}}
{{- $installed := include "pairmill.installed" . | fromYamlArray -}}
{{- $auth := list -}}
{{- $tls := list -}}
{{- if or (has "gateway" $installed) (has "explorer" $installed) -}}
{{- $auth = append $auth $v.auth.tokensKey -}}
{{- $tls = list "tls.crt" "tls.key" -}}
{{- end -}}
{{- if has "explorer" $installed -}}{{- $auth = append $auth $v.auth.sessionKeyKey -}}{{- end -}}
{{- $auth = append $auth $v.auth.stagesTokenKey -}}
{{- if not $v.tls.systemCa -}}{{- $tls = append $tls $v.tls.caKey -}}{{- end -}}
{{- $sasl := list $v.kafka.sasl.passwordKey -}}
{{- if include "pairmill.kedaAuthentication" . -}}{{- $sasl = append $sasl $v.kafka.sasl.usernameKey -}}{{- end -}}
{{- $named := list
  (list "store.existingSecret" $v.store.existingSecret (list $v.store.credentialsKey))
  (list "store.caSecret" $v.store.caSecret (list $v.store.caKey))
  (list "auth.existingSecret" $v.auth.existingSecret $auth)
  (list "tls.existingSecret" $v.tls.existingSecret $tls)
  (list "kafka.sasl.existingSecret" (ternary "" $v.kafka.sasl.existingSecret (eq $v.kafka.sasl.mechanism "none")) $sasl)
  (list "kafka.tls.caSecret" (ternary $v.kafka.tls.caSecret "" $v.kafka.tls.enabled) (list $v.kafka.tls.caKey))
  (list "kafka.tls.clientSecret" (ternary $v.kafka.tls.clientSecret "" $v.kafka.tls.enabled) (list "tls.crt" "tls.key"))
  (list "triton.tls.caSecret" (ternary $v.triton.tls.caSecret "" $v.triton.tls.enabled) (list $v.triton.tls.caKey))
  (list "triton.tokenSecret" $v.triton.tokenSecret (list $v.triton.tokenKey)) -}}
{{- range $named }}
{{- if index . 1 }}
{{- include "pairmill.problems.secret" (dict "root" $ "value" (index . 0) "secret" (index . 1) "keys" (index . 2)) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Only a cluster answers with a list, be it an empty one. */}}
{{- define "pairmill.isConnected" -}}
{{- if hasKey (lookup "v1" "Secret" .Release.Namespace "") "items" -}}true{{- end -}}
{{- end -}}

{{- define "pairmill.validate" -}}
{{- $problems := list -}}
{{- range $kind := list "parts" "models" "network" "variables" "scaling" -}}
{{- $problems = append $problems (include (printf "pairmill.problems.%s" $kind) $) -}}
{{- end -}}
{{- if and .Values.checkSecrets (include "pairmill.isConnected" .) -}}
{{- $problems = append $problems (include "pairmill.problems.secrets" .) -}}
{{- end -}}
{{- $said := list -}}
{{- range $line := join "\n" $problems | splitList "\n" -}}
{{- if trim $line -}}{{- $said = append $said (trim $line) -}}{{- end -}}
{{- end -}}
{{- if $said -}}
{{- fail (printf "\n\nThese values cannot be installed:\n  %s\n" (join "\n  " (uniq $said))) -}}
{{- end -}}
{{- end -}}
