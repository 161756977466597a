# METADATA
# title: Privileged and host-process containers
# description: >-
#   A privileged container has every right on its node. A host-process container is the same on Windows.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
package lib.rule.privileged

import data.lib.control
import data.lib.pod

privileged contains control.in_container(list, i, field, set_to_true(field), true) if {
	some list in pod.lists
	some i
	pod.spec[list][i].securityContext.privileged == true
	field := "securityContext.privileged"
}

host_process contains control.in_container(list, i, field, set_to_true(field), true) if {
	some list in pod.lists
	some i
	pod.spec[list][i].securityContext.windowsOptions.hostProcess == true
	field := "securityContext.windowsOptions.hostProcess"
}

host_process contains control.in_pod(field, set_to_true(field), true) if {
	pod.spec.securityContext.windowsOptions.hostProcess == true
	field := "securityContext.windowsOptions.hostProcess"
}

set_to_true(field) := sprintf("sets %s to true; it must be false or unset", [field])
