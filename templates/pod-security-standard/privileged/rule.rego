# METADATA
# title: Privileged and host-process containers
# description: >-
#   A privileged container has every right on its node. A host-process container is the same on Windows.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
package lib.rule.privileged

import data.lib.control
import data.lib.pod

privileged contains control.in_container(list, i, field, must_not(field), true) if {
	some list in pod.lists
	some i
	pod.spec[list][i].securityContext.privileged == true
	field := "securityContext.privileged"
}

host_process contains control.in_container(list, i, field, must_not(field), true) if {
	some list in pod.lists
	some i
	pod.spec[list][i].securityContext.windowsOptions.hostProcess == true
	field := "securityContext.windowsOptions.hostProcess"
}

host_process contains control.in_pod(field, must_not(field), true) if {
	pod.spec.securityContext.windowsOptions.hostProcess == true
	field := "securityContext.windowsOptions.hostProcess"
}

must_not(field) := sprintf("must not set %s to true; it must be false or unset", [field])
