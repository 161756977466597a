# METADATA
# title: Privilege escalation
# description: >-
#   A process must not gain more rights than its parent has, as by setuid files. The default allows it.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
package lib.rule.privilege_escalation

import data.lib.control
import data.lib.pod

faults contains control.in_container(list, i, "securityContext.allowPrivilegeEscalation", demand, null) if {
	some list in pod.lists
	some i
	container := pod.spec[list][i]
	not container.securityContext.allowPrivilegeEscalation == false
}

demand := "must set securityContext.allowPrivilegeEscalation to false"
