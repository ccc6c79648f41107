{{/* Variables of the services: each template adds to the given `env`, and writes nothing. */}}

{{- define "pairmill.env.kafka" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $_ := set .env "PAIRMILL_BUS_URL" (printf "kafka://%s" (include "pairmill.bootstrapServers" .root)) -}}
{{- if $kafka.tls.enabled -}}
{{- $_ := set .env "PAIRMILL_KAFKA__TLS" "yes" -}}
{{- if $kafka.tls.caSecret -}}
{{- $_ := set .env "PAIRMILL_KAFKA__CA_FILE" "/etc/pairmill/kafka/ca.crt" -}}
{{- end -}}
{{- if $kafka.tls.clientSecret -}}
{{- $_ := set .env "PAIRMILL_KAFKA__CERTIFICATE_FILE" "/etc/pairmill/kafka/tls.crt" -}}
{{- $_ := set .env "PAIRMILL_KAFKA__KEY_FILE" "/etc/pairmill/kafka/tls.key" -}}
{{- end -}}
{{- end -}}
{{- if ne $kafka.sasl.mechanism "none" -}}
{{- $_ := set .env "PAIRMILL_KAFKA__SASL_MECHANISM" $kafka.sasl.mechanism -}}
{{- $_ := set .env "PAIRMILL_KAFKA__SASL_USERNAME" $kafka.sasl.username -}}
{{- $_ := set .env "PAIRMILL_KAFKA__SASL_PASSWORD_FILE" "/etc/pairmill/kafka/password" -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.env.store" -}}
{{- $_ := set .env "PAIRMILL_STORE_URL" (include "pairmill.storeUrl" .root) -}}
{{- $_ := set .env "PAIRMILL_S3__ENDPOINT" (include "pairmill.storeEndpoint" .root) -}}
{{- $_ := set .env "PAIRMILL_S3__REGION" .root.Values.store.region -}}
{{- $_ := set .env "PAIRMILL_S3__CREDENTIALS_FILE" "/etc/pairmill/store/credentials.json" -}}
{{- if .root.Values.store.caSecret -}}
{{- $_ := set .env "PAIRMILL_S3__CA_FILE" "/etc/pairmill/store/ca.crt" -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.env.gateway" -}}
{{- $_ := set .env "PAIRMILL_GATEWAY_TARGET" (include "pairmill.gatewayTarget" .root) -}}
{{- $_ := set .env "PAIRMILL_GATEWAY__TOKEN_FILE" "/etc/pairmill/auth/stages.token" -}}
{{- if .root.Values.tls.systemCa -}}
{{- $_ := set .env "PAIRMILL_GATEWAY__TLS" "yes" -}}
{{- else -}}
{{- $_ := set .env "PAIRMILL_GATEWAY__CA_FILE" "/etc/pairmill/tls/ca.crt" -}}
{{- end -}}
{{- end -}}

{{/* Takes prefix besides: how Triton is asked. */}}
{{- define "pairmill.env.triton" -}}
{{- $triton := .root.Values.triton -}}
{{- with include "pairmill.tritonTarget" .root -}}
{{- $_ := set $.env (printf "%sTRITON_TARGET" $.prefix) . -}}
{{- if and $triton.tls.enabled (not $triton.enabled) -}}
{{- $_ := set $.env (printf "%sTRITON__TLS" $.prefix) "yes" -}}
{{- if $triton.tls.caSecret -}}
{{- $_ := set $.env (printf "%sTRITON__CA_FILE" $.prefix) "/etc/pairmill/triton/ca.crt" -}}
{{- end -}}
{{- end -}}
{{- if and $triton.tokenSecret (not $triton.enabled) -}}
{{- $_ := set $.env (printf "%sTRITON__TOKEN_FILE" $.prefix) "/etc/pairmill/triton/token" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes protocol besides: what a server of it is told. */}}
{{- define "pairmill.env.server" -}}
{{- $prefix := printf "PAIRMILL_%s__" .protocol -}}
{{- $port := get .facts.ports (ternary "grpc" "http" (eq .protocol "RPC")) -}}
{{- $_ := set .env (printf "%sLISTEN" $prefix) (printf "0.0.0.0:%d" (int $port)) -}}
{{- $_ := set .env (printf "%sTOKENS_FILE" $prefix) "/etc/pairmill/auth/tokens.toml" -}}
{{- if and (eq .protocol "HTTP") (include "pairmill.behindProxy" .root) -}}
{{- $_ := set .env "PAIRMILL_HTTP__BEHIND_PROXY" "yes" -}}
{{- $_ := set .env "PAIRMILL_HTTP__MAX_CONNECTIONS_PER_ADDRESS" "2000" -}}
{{- else -}}
{{- $_ := set .env (printf "%sTLS__CERTIFICATE_FILE" $prefix) "/etc/pairmill/tls/tls.crt" -}}
{{- $_ := set .env (printf "%sTLS__KEY_FILE" $prefix) "/etc/pairmill/tls/tls.key" -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.env.own" -}}
{{- if eq .component "gateway" -}}
{{- $_ := set .env "PAIRMILL_BUNDLES" "/bundles" -}}
{{- $indexer := include "pairmill.spec" (dict "root" .root "component" "indexer") | fromYaml -}}
{{- $_ := set .env "PAIRMILL_INDEX_FINISHED" (ternary "yes" "no" $indexer.enabled) -}}
{{- else if eq .component "explorer" -}}
{{- $_ := set .env "PAIRMILL_CORE__MODEL__BUNDLES" "/bundles" -}}
{{- $_ := set .env "PAIRMILL_HTTP__SESSION_KEY_FILE" "/etc/pairmill/auth/session.key" -}}
{{- else if eq (default "" .facts.bundles) "one" -}}
{{- $_ := set .env "PAIRMILL_BUNDLE" (printf "/bundles/%s" (include "pairmill.bundleName" .root)) -}}
{{- with .root.Values.bundles.digest -}}
{{- $_ := set $.env "PAIRMILL_BUNDLE_DIGEST" . -}}
{{- end -}}
{{- end -}}
{{- if include "pairmill.asksTriton" . -}}
{{- $prefix := ternary "PAIRMILL_CORE__MODEL__" "PAIRMILL_" (eq .component "explorer") -}}
{{- include "pairmill.env.triton" (dict "root" .root "env" .env "prefix" $prefix) -}}
{{- end -}}
{{- end -}}

{{/* Takes root, component, spec, facts. All variables of a component, what is set for it on top. */}}
{{- define "pairmill.environment" -}}
{{- $env := dict "PAIRMILL_ADMIN_HOST" "0.0.0.0" "PAIRMILL_ADMIN_PORT" "9100" "PAIRMILL_LOG_LEVEL" .root.Values.logLevel -}}
{{- range $name := list "OMP_NUM_THREADS" "OPENBLAS_NUM_THREADS" -}}
{{- $_ := set $env $name "1" -}}
{{- end -}}
{{- $_ := set $env .facts.scratch "/scratch" -}}
{{- range .facts.stops -}}
{{- $_ := set $env . (toString $.spec.stopSeconds) -}}
{{- end -}}
{{- $given := dict "root" .root "component" .component "spec" .spec "facts" .facts "env" $env -}}
{{- include "pairmill.env.store" $given -}}
{{- if .facts.bus -}}{{- include "pairmill.env.kafka" $given -}}{{- end -}}
{{- if .facts.asks -}}{{- include "pairmill.env.gateway" $given -}}{{- end -}}
{{- range $protocol := .facts.serves -}}
{{- include "pairmill.env.server" (dict "root" $.root "facts" $.facts "env" $env "protocol" $protocol) -}}
{{- end -}}
{{- include "pairmill.env.own" $given -}}
{{- mustMergeOverwrite $env .spec.env | toYaml -}}
{{- end -}}
