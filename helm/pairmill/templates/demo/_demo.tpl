{{/* What a demo brings itself: one Kafka, one S3 server, a synthetic web, and a job over it. */}}

{{/* Takes root and part, as demoName does. The component's name in labels. */}}
{{- define "pairmill.demo.component" -}}
{{- printf "demo-%s" .part -}}
{{- end -}}

{{/* Variables of the downloaders, as a list for `env`: where the hosts of the synthetic web are dialled. The address
     is that of the web's Service, which the kubelet knows (enableServiceLinks), and the only private one allowed. */}}
{{- define "pairmill.demo.downloaderEnv" -}}
{{- $web := printf "$(%s_SERVICE_HOST)" (include "pairmill.demoName" (dict "root" . "part" "web") | upper | replace "-" "_") -}}
- name: PAIRMILL_CONNECT_TO
  value: "nxdomain.example=nxdomain,servfail.example=servfail,refused.example={{ $web }}:7901,example={{ $web }}:7900"
- name: PAIRMILL_ALLOWED_NETWORKS
  value: "{{ $web }}/32"
{{- end -}}

{{/* Takes root and part. Metadata of an object. */}}
{{- define "pairmill.demo.metadata" -}}
name: {{ include "pairmill.demoName" . }}
namespace: {{ .root.Release.Namespace }}
{{ include "pairmill.metadata" (dict "root" .root "component" (include "pairmill.demo.component" .)) }}
{{- end -}}

{{- define "pairmill.demo.selector" -}}
{{- include "pairmill.selectorLabels" (dict "root" .root "component" (include "pairmill.demo.component" .)) -}}
{{- end -}}

{{/* Takes root and part. What every pod of the demo has at its beginning. */}}
{{- define "pairmill.demo.podMetadata" -}}
labels:
  {{- include "pairmill.labels" (dict "root" .root "component" (include "pairmill.demo.component" .)) | nindent 2 }}
{{- with .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Takes root, part and values (size, storageClassName). The claim of a part that keeps something. */}}
{{- define "pairmill.demo.claim" -}}
- metadata:
    name: data
    labels:
      {{- include "pairmill.demo.selector" . | nindent 6 }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .values.storageClassName }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests: {storage: {{ .values.size }}}
{{- end -}}

{{/* Takes root, part, port. A Service for a part. */}}
{{- define "pairmill.demo.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "pairmill.demo.metadata" . | nindent 2 }}
spec:
  selector:
    {{- include "pairmill.demo.selector" . | nindent 4 }}
  publishNotReadyAddresses: {{ default false .early }}
  ports:
    {{- range $name, $port := .ports }}
    - {name: {{ $name }}, port: {{ $port }}, targetPort: {{ $port }}, protocol: TCP}
    {{- end }}
{{- end -}}

{{/* Every pod of the release, as a peer. */}}
{{- define "pairmill.demo.release" -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ include "pairmill.name" . }}
      app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
