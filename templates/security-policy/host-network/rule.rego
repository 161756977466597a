# METADATA
# title: Host network and host ports
# description: >-
#   A Pod on its node's network sees and answers all of the node's traffic. A host port takes one port of the node.
#   On the host's network a port that names no host port takes the host's port of the same number.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
package lib.rule.host_network

import data.lib.finding
import data.lib.pod

network contains finding.in_pod(
	{"field": "hostNetwork", "found": true, "allowed": [false, null]},
	"the Pod sets hostNetwork to true; it must be false or unset",
) if {
	pod.spec.hostNetwork == true
}

ports contains outside(list, i, k, "hostPort", number) if {
	some list in pod.lists
	some i, k
	number := pod.spec[list][i].ports[k].hostPort
	not number in unset
	not allowed(number)
}

ports contains outside(list, i, k, "containerPort", number) if {
	pod.spec.hostNetwork == true
	some list in pod.lists
	some i, k
	number := pod.spec[list][i].ports[k].containerPort
	object.get(pod.spec[list][i].ports[k], "hostPort", 0) in unset
	number != 0
	not allowed(number)
}

unset := {0, null}

allowed(number) if {
	some range in input.parameters.allowedHostPorts
	number >= range.min
	number <= range.max
}

outside(list, i, k, field, number) := finding.in_container(
	list, i,
	{"field": sprintf("ports[%d].%s", [k, field]), "found": number, "allowed": input.parameters.allowedHostPorts},
	sprintf("takes host port %d with ports[%d].%s; %s", [number, k, field, allowed_ranges]),
)

allowed_ranges := "no host port is allowed" if {
	count(input.parameters.allowedHostPorts) == 0
} else := sprintf("allowed: %s", [finding.listed(ranges)]) if {
	ranges := [sprintf("%d-%d", [range.min, range.max]) | some range in input.parameters.allowedHostPorts]
}
