# METADATA
# title: Running as another user than root
# description: >-
#   Root in a container is root on the node if it gets out. Every container must be sure not to be root: by itself, or
#   by what the Pod says for all.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
package lib.rule.non_root

import data.lib.control
import data.lib.pod

run_as_non_root contains control.in_container(list, i, field, false_found, value) if {
	some list in pod.lists
	some i
	value := pod.spec[list][i].securityContext.runAsNonRoot
	not value in {true, null}
}

# Even where every container says true.
run_as_non_root contains control.in_pod(field, false_found, value) if {
	value := pod.spec.securityContext.runAsNonRoot
	not value in {true, null}
}

# What the Pod itself says holds for every container that says nothing.
run_as_non_root contains control.in_container(list, i, field, must, null) if {
	object.get(pod.spec, ["securityContext", "runAsNonRoot"], null) == null
	some list in pod.lists
	some i
	container := pod.spec[list][i]
	object.get(container, ["securityContext", "runAsNonRoot"], null) == null
}

field := "securityContext.runAsNonRoot"

must := sprintf("must set %s to true, or the Pod must for all containers", [field])

false_found := sprintf("sets %s to %%s; it must be true", [field])

run_as_user contains control.in_container(list, i, "securityContext.runAsUser", not_zero, 0) if {
	some list in pod.lists
	some i
	pod.spec[list][i].securityContext.runAsUser == 0
}

run_as_user contains control.in_pod("securityContext.runAsUser", not_zero, 0) if {
	pod.spec.securityContext.runAsUser == 0
}

not_zero := "sets securityContext.runAsUser to 0; it must be another user or unset"
