# METADATA
# title: Service account tokens
# description: >-
#   With a token a container can speak to the API server as its service account. Where neither Pod nor service account
#   says otherwise, the API server mounts one into every container of a Pod: so the default shows as a mount.
# related_resources:
# - https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/
package lib.rule.service_account_token

import data.lib.finding
import data.lib.pod

found contains finding.in_pod(
	{"field": "automountServiceAccountToken", "found": true, "allowed": [false]},
	"the Pod sets automountServiceAccountToken to true; it must be false",
) if {
	pod.spec.automountServiceAccountToken == true
}

# A path that cleans to the token's holds its last segment, wherever it has dots and slashes.
found contains finding.in_container(
	list, i,
	{"field": sprintf("volumeMounts[%d].mountPath", [k]), "found": path, "allowed": {"not": token_path}},
	sprintf("sets volumeMounts[%d].mountPath to %s; %s", [k, token_path, allowed]),
) if {
	some list in pod.lists
	some i, k
	path := pod.spec[list][i].volumeMounts[k].mountPath
	contains(path, "serviceaccount")
	clean(path) == token_path
}

allowed := "nothing may be mounted there: automountServiceAccountToken must be false"

token_path := "/var/run/secrets/kubernetes.io/serviceaccount"

clean(path) := sprintf("/%s", [concat("/", names)]) if {
	steps := [step | some step in split(path, "/"); not step in {"", "."}]
	names := [step | some i, step in steps; kept(steps, i)]
}

# A step stays if from it on, up to each later one, there are more names than `..`.
kept(steps, i) if {
	every j in numbers.range(i, count(steps) - 1) {
		count([step | some step in array.slice(steps, i, j + 1); step == ".."]) * 2 < (j - i) + 1
	}
}
