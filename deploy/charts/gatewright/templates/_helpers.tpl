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

{{- define "gatewright.verifierSelector" -}}
app.kubernetes.io/name: gatewright
app.kubernetes.io/component: verifier
{{- end }}

{{- define "gatewright.image" -}}
{{- include "gatewright.imageOf" (dict "image" .Values.image "version" .Chart.AppVersion) -}}
{{- end }}

{{- /* The operator's, but for what verifier.image says. */ -}}
{{- define "gatewright.verifierImage" -}}
{{- $image := .Values.image -}}
{{- with .Values.verifier.image -}}
{{- $which := ternary . $image (or (ne .tag "") (ne .digest "")) -}}
{{- $image = dict "repository" (.repository | default $image.repository) "tag" $which.tag "digest" $which.digest -}}
{{- end -}}
{{- include "gatewright.imageOf" (dict "image" $image "version" .Chart.AppVersion) -}}
{{- end }}

{{- define "gatewright.imageOf" -}}
{{- $version := .version -}}
{{- with .image -}}
{{- if not .repository -}}
{{- fail (printf "\n\nimage.repository is missing. Nobody publishes an image of gatewright. In a clone of its repository, these two commands make one and push it:\n\n  make image\n  make image-push REPOSITORY=REGISTRY/gatewright\n\nThen install with --set image.repository=REGISTRY/gatewright (the tag is %s)" (.tag | default $version)) -}}
{{- end -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $version }}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* The security context of all Pods, which fulfils the standard restricted. */ -}}
{{- define "gatewright.securityContext" -}}
runAsNonRoot: true
{{- if not .Values.openshift }}
runAsUser: 65532
runAsGroup: 65532
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* The settings file. The verifier and the setting that has its answers demanded go together: without the verifier every
image that a policy covers would be refused, and without the setting it would verify for nobody. */ -}}
{{- define "gatewright.settings" -}}
{{- $settings := deepCopy .Values.settings -}}
{{- $signatures := $settings.signatures | default dict -}}
{{- with .Values.verifier -}}
{{- if and .suspended (not .enabled) -}}
{{- fail "verifier.suspended is for an installed verifier: leave it out, or set verifier.enabled=true" -}}
{{- end -}}
{{- if and .enabled (not (dig "enabled" true $signatures)) -}}
{{- fail "settings.signatures.enabled is false and verifier.enabled is true. Leave settings.signatures.enabled out: verifier.enabled sets it. To stop verifying without uninstalling the verifier, set verifier.suspended=true" -}}
{{- end -}}
{{- if and (not .enabled) (dig "enabled" false $signatures) -}}
{{- fail "settings.signatures.enabled is true and verifier.enabled is false: nobody would verify, and every image that a policy covers would be refused. Leave settings.signatures.enabled out and set verifier.enabled=true, which sets it" -}}
{{- end -}}
{{- if .enabled -}}
{{- $_ := set $settings "signatures" (set $signatures "enabled" (not .suspended)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end }}

{{- define "gatewright.gatekeeperNamespace" -}}
{{- dig "gatekeeper" "namespace" "gatekeeper-system" .Values.settings -}}
{{- end }}

{{- /* The settings' system namespaces, one a line, as the operator counts them: names, with * at either end. */ -}}
{{- define "gatewright.systemNamespaces" -}}
{{- $settings := .Values.settings -}}
{{- $names := $settings.systemNamespaces | default (list "kube-system" "kube-public" "kube-node-lease") -}}
{{- if and (not $settings.systemNamespaces) (eq ($settings.preset | default "None") "Deckhouse") -}}
{{- $names = concat $names (list "d8-*" "kube-*") -}}
{{- end -}}
{{- concat $names (list (include "gatewright.gatekeeperNamespace" .) .Release.Namespace) | uniq | join "\n" -}}
{{- end }}
