{{/* Scaling: what cannot be. */}}

{{- define "pairmill.problems.scaling" -}}
{{- end -}}
