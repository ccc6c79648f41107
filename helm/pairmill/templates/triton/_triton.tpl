{{/* Triton, where the release brings it: its models are written out of the bundles when a pod starts. */}}

{{- define "pairmill.triton.image" -}}
{{- $image := .Values.triton.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository $image.tag -}}
{{- end -}}
{{- end -}}

{{/* One container a bundle: the repository holds the models of all, by names that bear their digests. */}}
{{- define "pairmill.triton.init" -}}
{{- $serving := .Values.triton.serving -}}
{{- with include "pairmill.bundles.init" (dict "root" . "which" "all") | trim }}
{{ . }}
{{- end }}
{{- range $index, $name := include "pairmill.bundles.names" . | fromYamlArray }}
- name: models-{{ $index }}
  image: {{ include "pairmill.image" (dict "root" $ "component" "standalone") }}
  imagePullPolicy: {{ $.Values.image.pullPolicy }}
  args:
    - bundle
    - triton
    - /bundles/{{ $name }}
    - {{ include "pairmill.triton.repository" $ }}
    - --overwrite
    - --backend={{ $serving.backend }}
    - --instances={{ int $serving.instances }}
    - --max-batch={{ int $serving.maxBatch }}
    - --max-queue-delay-us={{ int $serving.queueDelayMicroseconds }}
    - --max-queue-size={{ int $serving.maxQueueSize }}
    - --threads={{ int $serving.threads }}
    {{- if $serving.tensorrt }}
    - --tensorrt
    {{- end }}
  securityContext:
    {{- include "pairmill.containerSecurityContext" $ | nindent 4 }}
  resources:
    {{- toYaml $.Values.bundles.resources | nindent 4 }}
  volumeMounts:
    {{- include "pairmill.bundles.mount" (dict "root" $) | nindent 4 }}
    - {name: models, mountPath: /models}
    - {name: tmp, mountPath: /tmp}
{{- end }}
{{- end -}}

{{/* Whether a pod fetches from the object store what it writes its models out of. */}}
{{- define "pairmill.triton.fetches" -}}
{{- if include "pairmill.triton.ownModels" . -}}{{- include "pairmill.bundles.fetched" . -}}{{- end -}}
{{- end -}}

{{/* To fetch bundles, when a pod starts; a server itself calls nobody. */}}
{{- define "pairmill.triton.egress" -}}
{{- $rules := list -}}
{{- if include "pairmill.triton.fetches" . -}}{{- $rules = list (include "pairmill.egress.dns" .) (include "pairmill.egress.store" .) -}}{{- end -}}
{{- with .Values.triton.extraEgress -}}{{- $rules = append $rules (toYaml .) -}}{{- end -}}
{{- compact $rules | join "\n" | default "[]" -}}
{{- end -}}

{{- define "pairmill.triton.ownModels" -}}
{{- if not .Values.triton.modelRepository.existingClaim -}}true{{- end -}}
{{- end -}}

{{/* A repository that is written is put together beside where it is to stand, so it is no mount itself. */}}
{{- define "pairmill.triton.repository" -}}
{{- if include "pairmill.triton.ownModels" . -}}/models/repository{{- else -}}/models{{- end -}}
{{- end -}}

{{- define "pairmill.triton.container" -}}
{{- $triton := .Values.triton -}}
- name: triton
  image: {{ include "pairmill.triton.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [tritonserver]
  args:
    - --model-repository={{ include "pairmill.triton.repository" . }}
    - --disable-auto-complete-config
    - --exit-timeout-secs={{ int $triton.stopSeconds }}
    {{- with $triton.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $triton.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $triton.extraEnv }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - {name: http, containerPort: 8000, protocol: TCP}
    - {name: grpc, containerPort: 8001, protocol: TCP}
    - {name: metrics, containerPort: 8002, protocol: TCP}
  startupProbe: # models are loaded, and compiled by TensorRT
    httpGet: {path: /v2/health/ready, port: http}
    periodSeconds: 10
    failureThreshold: {{ int $triton.startTries }}
    timeoutSeconds: 5
  livenessProbe:
    httpGet: {path: /v2/health/live, port: http}
    periodSeconds: 15
    failureThreshold: 4
    timeoutSeconds: 5
  readinessProbe:
    httpGet: {path: /v2/health/ready, port: http}
    periodSeconds: 5
    timeoutSeconds: 5
  lifecycle:
    preStop:
      sleep: {seconds: {{ int $triton.preStopSeconds }}}
  securityContext:
    {{- mustMergeOverwrite (include "pairmill.containerSecurityContext" . | fromYaml) $triton.securityContext | toYaml | nindent 4 }}
  resources:
    {{- toYaml $triton.resources | nindent 4 }}
  volumeMounts:
    - name: models
      mountPath: /models
      readOnly: true
      {{- with $triton.modelRepository.subPath }}
      subPath: {{ . }}
      {{- end }}
    - {name: tmp, mountPath: /tmp}
    - {name: shm, mountPath: /dev/shm}
    {{- with $triton.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "pairmill.triton.volumes" -}}
{{- $triton := .Values.triton -}}
- name: tmp
  emptyDir: {sizeLimit: 4Gi}
- name: shm
  emptyDir: {medium: Memory, sizeLimit: {{ $triton.shmSize }}}
{{- if include "pairmill.triton.ownModels" . }}
- name: models
  emptyDir: {sizeLimit: {{ $triton.modelRepository.size }}}
{{ include "pairmill.bundles.volume" (dict "root" .) }}
{{- if include "pairmill.triton.fetches" . }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- include "pairmill.sources.store" . | trim | nindent 6 }}
{{- end }}
{{- else }}
- name: models
  persistentVolumeClaim: {claimName: {{ $triton.modelRepository.existingClaim }}, readOnly: true}
{{- end }}
{{- with $triton.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
