# METADATA
# title: Host ports
# description: >-
#   A host port takes a port of the node. The standard allows ports that the administrator knows of.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
package lib.rule.host_ports

import data.lib.control
import data.lib.finding
import data.lib.pod

faults contains control.in_container(list, i, sprintf("ports[%d].hostPort", [k]), demand, number) if {
	some list in pod.lists
	some i, k
	number := pod.spec[list][i].ports[k].hostPort
	not number in {0, null}
	not known(number)
}

known(number) if {
	some range in input.parameters.knownHostPorts
	number >= range.min
	number <= range.max
}

demand := "sets ports[*].hostPort to %s; it must be 0 or unset" if {
	count(ranges) == 0
} else := sprintf("sets ports[*].hostPort to %%s; allowed: unset, 0, %s", [finding.listed(ranges)])

ranges := [sprintf("%d-%d", [range.min, range.max]) | some range in input.parameters.knownHostPorts]
