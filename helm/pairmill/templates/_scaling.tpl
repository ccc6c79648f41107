{{/* Scaling. The templates of a component take root, component, spec and facts. */}}

{{- define "pairmill.scaleTarget" -}}
apiVersion: apps/v1
kind: {{ .facts.kind }}
name: {{ include "pairmill.componentName" . }}
{{- end -}}

{{/* Takes root, kind, component, mode and replicas. The number that a workload states; none where an autoscaler has
     it. A field that was stated and no longer is falls to its default, one member. Applied by the server a field has an
     owner: as long as that is Helm, the number goes on as it is, and once an autoscaler has set it, it is the
     autoscaler's, and stays. Whoever renders without asking a cluster states none. */}}
{{- define "pairmill.replicas" -}}
{{- if eq .mode "none" -}}
{{- int .replicas -}}
{{- else -}}
{{- $live := lookup "apps/v1" .kind .root.Release.Namespace (include "pairmill.componentName" .) -}}
{{- $stated := false -}}
{{- range $entry := dig "metadata" "managedFields" list $live -}}
{{- if and (eq $entry.operation "Apply") (hasKey (dig "fieldsV1" "f:spec" dict $entry) "f:replicas") -}}
{{- $stated = true -}}
{{- end -}}
{{- end -}}
{{- if $stated -}}{{- int $live.spec.replicas -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Up at once, down slowly: members that come and go move partitions. */}}
{{- define "pairmill.scaleBehavior" -}}
{{- $usual := dict "scaleDown" (dict "stabilizationWindowSeconds" 600 "policies" (list (dict "type" "Percent" "value" 50 "periodSeconds" 300))) -}}
{{- mustMergeOverwrite $usual (deepCopy .spec.autoscaling.behavior) | toYaml -}}
{{- end -}}

{{/* The lag of the topic of tasks alone: what stands in a retry round waits for its time, and is no work. */}}
{{- define "pairmill.scaledObject" -}}
{{- $scaling := .spec.autoscaling -}}
scaleTargetRef:
  {{- include "pairmill.scaleTarget" . | nindent 2 }}
pollingInterval: {{ int $scaling.pollingSeconds }}
minReplicaCount: {{ int $scaling.minReplicas }}
maxReplicaCount: {{ int $scaling.maxReplicas }}
{{- with $scaling.fallback }}
fallback:
  {{- toYaml . | nindent 2 }}
{{- end }}
advanced:
  horizontalPodAutoscalerConfig:
    behavior:
      {{- include "pairmill.scaleBehavior" . | nindent 6 }}
triggers:
  - type: kafka
    metadata:
      bootstrapServers: {{ include "pairmill.bootstrapServers" .root }}
      consumerGroup: {{ include "pairmill.group" . }}
      topic: {{ .facts.topic }}
      lagThreshold: {{ $scaling.lag | int | quote }}
      offsetResetPolicy: earliest
      ensureEvenDistributionOfPartitions: {{ $scaling.evenPartitions | quote }}
      {{- if ne .root.Values.kafka.sasl.mechanism "none" }}
      sasl: {{ get (dict "plain" "plaintext" "scram-sha-256" "scram_sha256" "scram-sha-512" "scram_sha512") .root.Values.kafka.sasl.mechanism }}
      {{- end }}
      {{- if .root.Values.kafka.tls.enabled }}
      tls: enable
      {{- end }}
    {{- if include "pairmill.kedaAuthentication" .root }}
    authenticationRef: {name: {{ include "pairmill.fullname" .root }}-kafka}
    {{- end }}
{{- end -}}

{{/* Whether KEDA has to be told secrets of Kafka. */}}
{{- define "pairmill.kedaAuthentication" -}}
{{- $kafka := .Values.kafka -}}
{{- $wanted := or (ne $kafka.sasl.mechanism "none") (and $kafka.tls.enabled (or $kafka.tls.caSecret $kafka.tls.clientSecret)) -}}
{{- $used := "" -}}
{{- range $component := include "pairmill.installed" . | fromYamlArray -}}
{{- $spec := include "pairmill.spec" (dict "root" $ "component" $component) | fromYaml -}}
{{- if eq $spec.autoscaling.mode "keda" -}}{{- $used = "true" -}}{{- end -}}
{{- end -}}
{{- if $wanted -}}{{- $used -}}{{- end -}}
{{- end -}}

{{- define "pairmill.kedaSecrets" -}}
{{- $kafka := .Values.kafka -}}
{{- if ne $kafka.sasl.mechanism "none" }}
- {parameter: username, name: {{ $kafka.sasl.existingSecret }}, key: {{ $kafka.sasl.usernameKey }}}
- {parameter: password, name: {{ $kafka.sasl.existingSecret }}, key: {{ $kafka.sasl.passwordKey }}}
{{- end }}
{{- if $kafka.tls.enabled }}
{{- with $kafka.tls.caSecret }}
- {parameter: ca, name: {{ . }}, key: {{ $kafka.tls.caKey }}}
{{- end }}
{{- with $kafka.tls.clientSecret }}
- {parameter: cert, name: {{ . }}, key: tls.crt}
- {parameter: key, name: {{ . }}, key: tls.key}
{{- end }}
{{- end }}
{{- end -}}

{{- define "pairmill.problems.scaling" -}}
{{- $facts := include "pairmill.facts" . | fromYaml -}}
{{- range $component := include "pairmill.installed" . | fromYamlArray }}
{{- $spec := include "pairmill.spec" (dict "root" $ "component" $component) | fromYaml }}
{{- $own := get $facts.components $component }}
{{- $scaling := $spec.autoscaling }}
{{- if ne $scaling.mode "none" }}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) }}
components.{{ $component }}.autoscaling.maxReplicas: {{ int $scaling.maxReplicas }} is less than minReplicas, {{ int $scaling.minReplicas }}
{{- end }}
{{- if and $own.topic (gt (int $scaling.maxReplicas) (int $.Values.topics.partitions)) }}
components.{{ $component }}.autoscaling.maxReplicas: {{ int $scaling.maxReplicas }} is more than topics.partitions, {{ int $.Values.topics.partitions }}; the rest would have no work
{{- end }}
{{- end }}
{{- if and (eq $scaling.mode "keda") (not $own.topic) }}
components.{{ $component }}.autoscaling.mode: the {{ $component }} reads no topic of tasks; use hpa or none
{{- end }}
{{- if and (eq $scaling.mode "keda") (eq (default "" $own.groupBy) "bundle") (not $.Values.bundles.digest) }}
bundles.digest: is not set; the consumer group of {{ $component }} bears it, and autoscaling needs to know that
{{- end }}
{{- if and (eq $scaling.mode "keda") (ne $.Values.kafka.sasl.mechanism "none") (not $.Values.kafka.sasl.usernameKey) }}
kafka.sasl.usernameKey: is not set; KEDA reads the user's name from that key of kafka.sasl.existingSecret
{{- end }}
{{- end }}
{{- end -}}
