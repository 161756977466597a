# METADATA
# title: Service account tokens
# description: >-
#   With a token a container can speak to the API server as its service account. Where neither Pod nor service account
#   says otherwise, the API server mounts one into every container of a Pod: so the default shows as a mount. A
#   controller must say false itself if the setting podTemplates is Strict.
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

# The API server mounts nothing into a template: the default shows in what is not said.
found contains finding.in_pod(
	{"field": "automountServiceAccountToken", "found": null, "allowed": [false]},
	"the Pod does not set automountServiceAccountToken; it must be false",
) if {
	pod.complete
	not pod.is_pod
	object.get(pod.spec, "automountServiceAccountToken", null) == null
}

# A path that cleans to the token's holds its last segment, wherever it has dots and slashes.
found contains finding.in_container(
	list, i,
	{"field": sprintf("volumeMounts[%d].mountPath", [k]), "found": path, "allowed": {"not": token_path}},
	sprintf("sets volumeMounts[%d].mountPath to %s; %s", [k, shown, allowed]),
) if {
	some list in pod.lists
	some i, k
	path := pod.spec[list][i].volumeMounts[k].mountPath
	contains(path, "serviceaccount")
	shown := destination(clean(path))
}

allowed := "nothing may be mounted there: automountServiceAccountToken must be false"

token_path := "/var/run/secrets/kubernetes.io/serviceaccount"

destination(cleaned) := token_path if {
	cleaned == token_path
} else := "a path with too many .. to tell where it leads" if {
	contains(cleaned, "/../")
}

# Four turns, and not as many as it takes: a path may be as long as the Pod, and a review that runs out of time lets
# the Pod pass.
clean(path) := sprintf("/%s", [trim_suffix(regex.replace(left, `^(\.\./)+`, ""), "/")]) if {
	steps := [sprintf("%s/", [step]) | some step in split(path, "/"); not step in {"", "."}]
	left := without_up(without_up(without_up(without_up(concat("", steps)))))
}

# Without each name that `..` follows.
without_up(path) := regex.replace(path, `([^/.][^/]*|\.[^/.][^/]*|\.\.[^/]+)/\.\./`, "")
