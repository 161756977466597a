# METADATA
# title: The mount of /proc
# description: >-
#   The default mount hides the parts of /proc that show or change the node.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
package lib.rule.proc_mount

import data.lib.control
import data.lib.pod

faults contains control.in_container(list, i, "securityContext.procMount", demand, value) if {
	some list in pod.lists
	some i
	value := pod.spec[list][i].securityContext.procMount
	not value in {"Default", null}
}

demand := "sets securityContext.procMount to %s; it must be Default or unset"
