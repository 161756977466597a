# METADATA
# title: Privilege escalation
# description: >-
#   Kubernetes lets a process gain more rights than its parent unless the container says otherwise, so only an explicit
#   false forbids it. The API server forbids the field for Windows: there an unset one passes.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
package lib.rule.privilege_escalation

import data.lib.finding
import data.lib.pod

found contains finding.in_container(
	list, i,
	{"field": "securityContext.allowPrivilegeEscalation", "found": value, "allowed": [false]},
	sprintf("%s; it must be false", [wrong(value)]),
) if {
	some list in pod.lists
	some i
	container := pod.spec[list][i]
	not container.securityContext.allowPrivilegeEscalation == false
	value := object.get(container, ["securityContext", "allowPrivilegeEscalation"], null)
	not left_to_windows(value)
}

left_to_windows(null) if pod.windows

wrong(value) := "does not set securityContext.allowPrivilegeEscalation" if {
	value == null
} else := sprintf("sets securityContext.allowPrivilegeEscalation to %v", [value])
