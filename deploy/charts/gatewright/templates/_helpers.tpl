{{- define "gatewright.labels" -}}
app.kubernetes.io/name: gatewright
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: gatewright
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Not the release's name: a Deployment's selector cannot change when another release takes it over. */ -}}
{{- define "gatewright.selector" -}}
app.kubernetes.io/name: gatewright
app.kubernetes.io/component: operator
{{- end }}

{{- define "gatewright.image" -}}
{{- with .Values.image -}}
{{- if not .repository -}}
{{- $tag := .tag | default $.Chart.AppVersion -}}
{{- fail (printf "\n\nimage.repository is missing. Nobody publishes an image of gatewright. In a clone of its repository, these two commands make one and push it:\n\n  make image\n  make image-push REPOSITORY=REGISTRY/gatewright\n\nThen install with --set image.repository=REGISTRY/gatewright (the tag is %s)" $tag) -}}
{{- end -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* The settings' system namespaces, one a line, as the operator counts them: names, with * at either end. */ -}}
{{- define "gatewright.systemNamespaces" -}}
{{- $settings := .Values.settings -}}
{{- $names := $settings.systemNamespaces | default (list "kube-system" "kube-public" "kube-node-lease") -}}
{{- if and (not $settings.systemNamespaces) (eq ($settings.preset | default "None") "Deckhouse") -}}
{{- $names = concat $names (list "d8-*" "kube-*") -}}
{{- end -}}
{{- $gatekeeper := dig "gatekeeper" "namespace" "gatekeeper-system" $settings -}}
{{- concat $names (list $gatekeeper .Release.Namespace) | uniq | join "\n" -}}
{{- end }}
