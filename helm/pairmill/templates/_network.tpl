{{/* Who may speak to whom. Ports are those of pods: what a Service translates to. Kubernetes takes a rule without
     peers to mean all of them, so where nobody is named there is no rule. */}}

{{/* Takes root and component: pods of this release. */}}
{{- define "pairmill.peer" -}}
- podSelector:
    matchLabels:
      {{- include "pairmill.selectorLabels" . | nindent 6 }}
{{- end -}}

{{/* Takes ports, a list of numbers. */}}
{{- define "pairmill.ports" -}}
{{- range .ports }}
- {protocol: TCP, port: {{ int . }}}
{{- end }}
{{- end -}}

{{- define "pairmill.kafkaPeers" -}}
{{- if and .Values.demo.enabled (not .Values.networkPolicy.kafkaTo) -}}
{{- include "pairmill.peer" (dict "root" . "component" "demo-kafka") -}}
{{- else -}}
{{- toYaml .Values.networkPolicy.kafkaTo -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.kafkaPorts" -}}
{{- $ports := .Values.networkPolicy.kafkaPorts -}}
{{- if not $ports -}}
{{- range $server := splitList "," (include "pairmill.bootstrapServers" .) -}}
{{- $ports = append $ports (splitList ":" $server | last | int) -}}
{{- end -}}
{{- end -}}
{{- include "pairmill.ports" (dict "ports" (uniq $ports)) -}}
{{- end -}}

{{- define "pairmill.storePeers" -}}
{{- if and .Values.demo.enabled (not .Values.networkPolicy.storeTo) -}}
{{- include "pairmill.peer" (dict "root" . "component" "demo-s3") -}}
{{- else -}}
{{- toYaml .Values.networkPolicy.storeTo -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.storePorts" -}}
{{- $ports := .Values.networkPolicy.storePorts -}}
{{- if not $ports -}}
{{- $ports = list (include "pairmill.portOf" (dict "url" (include "pairmill.storeEndpoint" .))) -}}
{{- end -}}
{{- include "pairmill.ports" (dict "ports" $ports) -}}
{{- end -}}

{{/* Takes an http(s) url. */}}
{{- define "pairmill.portOf" -}}
{{- $parsed := urlParse .url -}}
{{- if contains ":" $parsed.host -}}
{{- splitList ":" $parsed.host | last -}}
{{- else -}}
{{- ternary "443" "80" (eq $parsed.scheme "https") -}}
{{- end -}}
{{- end -}}

{{- define "pairmill.egress.dns" -}}
{{- with .Values.networkPolicy.dnsTo -}}
- to:
    {{- toYaml . | nindent 4 }}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}
{{- end -}}

{{- define "pairmill.egress.kafka" -}}
- to:
    {{- include "pairmill.kafkaPeers" . | nindent 4 }}
  ports:
    {{- include "pairmill.kafkaPorts" . | trim | nindent 4 }}
{{- end -}}

{{- define "pairmill.egress.store" -}}
- to:
    {{- include "pairmill.storePeers" . | nindent 4 }}
  ports:
    {{- include "pairmill.storePorts" . | trim | nindent 4 }}
{{- end -}}

{{- define "pairmill.egress.gateway" -}}
- to:
    {{- if .Values.gatewayTarget }}
    {{- toYaml .Values.networkPolicy.gatewayTo | nindent 4 }}
    {{- else }}
    {{- include "pairmill.peer" (dict "root" . "component" "gateway") | nindent 4 }}
    {{- end }}
  ports:
    - {protocol: TCP, port: {{ include "pairmill.gatewayTarget" . | splitList ":" | last }}}
{{- end -}}

{{- define "pairmill.egress.triton" -}}
- to:
    {{- if .Values.triton.enabled }}
    {{- include "pairmill.peer" (dict "root" . "component" "triton") | nindent 4 }}
    {{- else }}
    {{- toYaml .Values.networkPolicy.tritonTo | nindent 4 }}
    {{- end }}
  ports:
    - {protocol: TCP, port: {{ include "pairmill.tritonTarget" . | splitList ":" | last }}}
{{- end -}}

{{/* Takes root and component. Public addresses alone; the demo's web besides, where it is on. */}}
{{- define "pairmill.egress.outside" -}}
{{- $policy := .root.Values.networkPolicy -}}
- to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except:
          {{- toYaml $policy.privateRanges | nindent 10 }}
    {{- if $policy.ipv6 }}
    - ipBlock:
        cidr: ::/0
        except:
          {{- toYaml $policy.privateRangesV6 | nindent 10 }}
    {{- end }}
    {{- if .root.Values.demo.enabled }}
    {{- include "pairmill.peer" (dict "root" .root "component" "demo-web") | nindent 4 }}
    {{- end }}
  {{- if and (eq .component "crawler") (not .root.Values.demo.enabled) }}
  ports: # where archives are
    - {protocol: TCP, port: 443}
    - {protocol: TCP, port: 80}
  {{- else }}
  ports: # any of the web's; downloaders themselves refuse those that browsers refuse
    - {protocol: TCP, port: 1, endPort: 65535}
  {{- end }}
{{- end -}}

{{/* Takes root, component, facts and spec. */}}
{{- define "pairmill.egress" -}}
{{- $rules := list (include "pairmill.egress.dns" .root) (include "pairmill.egress.store" .root) -}}
{{- if .facts.bus -}}{{- $rules = append $rules (include "pairmill.egress.kafka" .root) -}}{{- end -}}
{{- if .facts.asks -}}{{- $rules = append $rules (include "pairmill.egress.gateway" .root) -}}{{- end -}}
{{- if include "pairmill.asksTriton" . -}}{{- $rules = append $rules (include "pairmill.egress.triton" .root) -}}{{- end -}}
{{- if .facts.outside -}}{{- $rules = append $rules (include "pairmill.egress.outside" .) -}}{{- end -}}
{{- with .spec.extraEgress -}}{{- $rules = append $rules (toYaml .) -}}{{- end -}}
{{- compact $rules | join "\n" -}}
{{- end -}}

{{- define "pairmill.ingress.scrape" -}}
{{- with .root.Values.networkPolicy.scrapeFrom -}}
- from:
    {{- toYaml . | nindent 4 }}
  ports:
    - {protocol: TCP, port: {{ $.port }}}
{{- end -}}
{{- end -}}

{{/* Takes root, component, facts. Who may call gateway and explorer. */}}
{{- define "pairmill.ingress.calls" -}}
{{- range $name, $port := .facts.ports }}
{{- $policy := $.root.Values.networkPolicy }}
{{- $proxyAlone := and (eq $name "http") (include "pairmill.behindProxy" $.root) }}
- from:
    {{- with ternary $policy.proxyFrom (concat $policy.clientsFrom $policy.proxyFrom) (not (empty $proxyAlone)) }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- include "pairmill.peer" (dict "root" $.root "component" "test") | nindent 4 }}
    {{- if $.root.Values.demo.enabled }}
    {{- include "pairmill.peer" (dict "root" $.root "component" "demo-job") | nindent 4 }}
    {{- end }}
    {{- if eq $.component "gateway" }}
    - podSelector:
        matchLabels:
          app.kubernetes.io/name: {{ include "pairmill.name" $.root }}
          app.kubernetes.io/instance: {{ $.root.Release.Name }}
        matchExpressions:
          - key: app.kubernetes.io/component
            operator: In
            values: [crawler, downloader, finaliser, inference, planner, scorer]
    {{- end }}
  ports:
    - {protocol: TCP, port: {{ int $port }}}
{{- end }}
{{- end -}}

{{- define "pairmill.ingressRules" -}}
{{- $rules := list (include "pairmill.ingress.scrape" (dict "root" .root "port" 9100)) (include "pairmill.ingress.calls" . | trim) -}}
{{- with .spec.extraIngress -}}{{- $rules = append $rules (toYaml .) -}}{{- end -}}
{{- compact $rules | join "\n" | default "[]" -}}
{{- end -}}
