# METADATA
# title: Masking of /proc
# description: >-
#   Container runtimes hide parts of /proc from a container. Unmasked shows them; an unset field means Default.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
package lib.rule.proc_mount

import data.lib.finding
import data.lib.pod

found contains finding.in_container(
	list, i,
	{"field": "securityContext.procMount", "found": value, "allowed": ["Default", null]},
	sprintf("sets securityContext.procMount to %s; it must be Default or unset", [json.marshal(value)]),
) if {
	some list in pod.lists
	some i
	value := pod.spec[list][i].securityContext.procMount
	not value in ["Default", null]
}
