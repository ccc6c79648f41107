{{/* Model bundles in a pod: the folder /bundles, out of a claim, an image, the object store, or the package itself. */}}

{{/* Whether pods fetch them from the object store. */}}
{{- define "pairmill.bundles.fetched" -}}
{{- if eq (include "pairmill.bundleSource" .) "store" -}}true{{- end -}}
{{- end -}}

{{/* Takes root and facts. The volume. */}}
{{- define "pairmill.bundles.volume" -}}
{{- $bundles := .root.Values.bundles -}}
- name: bundles
{{- if eq (include "pairmill.bundleSource" .root) "existingClaim" }}
  persistentVolumeClaim:
    claimName: {{ $bundles.existingClaim.name }}
    readOnly: true
{{- else }}
  emptyDir:
    sizeLimit: {{ $bundles.size }}
{{- end }}
{{- end -}}

{{/* Takes root, and whether it may write. */}}
{{- define "pairmill.bundles.mount" -}}
- name: bundles
  mountPath: /bundles
{{- if not .writable }}
  readOnly: true
{{- end }}
{{- if and (eq (include "pairmill.bundleSource" .root) "existingClaim") .root.Values.bundles.existingClaim.subPath }}
  subPath: {{ .root.Values.bundles.existingClaim.subPath }}
{{- end }}
{{- end -}}

{{/* Takes root and which: one or all. The init containers that fill the folder; none where a claim has it already. */}}
{{- define "pairmill.bundles.init" -}}
{{- $which := .which -}}
{{- with .root -}}
{{- $root := . -}}
{{- $source := include "pairmill.bundleSource" . -}}
{{- if eq $source "image" }}
- name: bundles
  image: {{ .Values.bundles.image.reference }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [sh, -c, 'cp -R "$0"/. /copies-of-bundles/', {{ .Values.bundles.image.path | quote }}]
  securityContext:
    {{- include "pairmill.containerSecurityContext" . | nindent 4 }}
  resources:
    {{- toYaml .Values.bundles.resources | nindent 4 }}
  volumeMounts:
    - {name: bundles, mountPath: /copies-of-bundles} # at /bundles it would hide those of the image
{{- else if or (eq $source "store") (eq $source "tiny") }}
{{- $names := ternary (list (include "pairmill.bundleName" .)) (include "pairmill.bundles.names" . | fromYamlArray) (eq $which "one") }}
{{- range $index, $name := $names }}
- name: bundle-{{ $index }}
  image: {{ include "pairmill.image" (dict "root" $root "component" "standalone") }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  args:
    - bundle
    - fetch
    - {{ ternary "tiny" (printf "%s/%s" (trimSuffix "/" $root.Values.bundles.url) $name) (eq $source "tiny") }}
    - /bundles/{{ $name }}
    {{- if and $root.Values.bundles.digest (eq $name (include "pairmill.bundleName" $root)) }}
    - --digest={{ $root.Values.bundles.digest }}
    {{- end }}
  {{- if include "pairmill.bundles.fetched" $root }}
  env:
    {{- $env := dict -}}
    {{- include "pairmill.env.store" (dict "root" $root "env" $env) }}
    {{- range $variable, $value := $env }}
    - {name: {{ $variable }}, value: {{ $value | quote }}}
    {{- end }}
  {{- end }}
  securityContext:
    {{- include "pairmill.containerSecurityContext" $root | nindent 4 }}
  resources:
    {{- toYaml $root.Values.bundles.resources | nindent 4 }}
  volumeMounts:
    {{- include "pairmill.bundles.mount" (dict "root" $root "writable" true) | nindent 4 }}
    {{- if include "pairmill.bundles.fetched" $root }}
    - {name: secrets, mountPath: /etc/pairmill, readOnly: true}
    {{- end }}
    - {name: tmp, mountPath: /tmp}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "pairmill.bundles.names" -}}
{{- $served := include "pairmill.bundleName" . -}}
{{- concat (list $served) .Values.bundles.others | uniq | toYaml -}}
{{- end -}}
