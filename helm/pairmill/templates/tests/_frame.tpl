{{/* What the containers of the test have in common. */}}
{{- define "pairmill.test.frame" -}}
image: {{ include "pairmill.image" (dict "root" . "component" "standalone") }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "pairmill.containerSecurityContext" . | nindent 2 }}
resources:
  {{- toYaml .Values.jobs.resources | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: secrets, mountPath: /etc/pairmill, readOnly: true}
{{- end -}}
