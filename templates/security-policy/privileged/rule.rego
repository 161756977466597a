# METADATA
# title: Privileged containers
# description: >-
#   A privileged container has every right on its node. A host-process container is the same on Windows.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
package lib.rule.privileged

import data.lib.finding
import data.lib.pod

found contains privileged(list, i, "securityContext.privileged") if {
	some list in pod.lists
	some i
	pod.spec[list][i].securityContext.privileged == true
}

found contains privileged(list, i, "securityContext.windowsOptions.hostProcess") if {
	some list in pod.lists
	some i
	pod.spec[list][i].securityContext.windowsOptions.hostProcess == true
}

found contains finding.in_pod(set_to_true(field), sprintf("the Pod sets %s to true; it must be false or unset", [field])) if {
	pod.spec.securityContext.windowsOptions.hostProcess == true
	field := "securityContext.windowsOptions.hostProcess"
}

privileged(list, i, field) := finding.in_container(
	list, i, set_to_true(field),
	sprintf("sets %s to true; it must be false or unset", [field]),
)

set_to_true(field) := {"field": field, "found": true, "allowed": [false, null]}
