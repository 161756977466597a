# METADATA
# title: Hosts of probes and lifecycle hooks
# description: >-
#   The kubelet sends these requests from the node: with a host they reach where the Pod itself cannot.
# related_resources:
# - https://github.com/kubernetes/enhancements/issues/4940
package lib.rule.host_probes

import data.lib.control
import data.lib.pod

faults contains control.in_container(list, i, field, demand, host) if {
	some list in pod.lists
	some i
	some probe in ["livenessProbe", "readinessProbe", "startupProbe"]
	some action in actions
	host := pod.spec[list][i][probe][action].host
	not host in {"", null}
	field := sprintf("%s.%s.host", [probe, action])
}

faults contains control.in_container(list, i, field, demand, host) if {
	some list in pod.lists
	some i
	some hook in ["postStart", "preStop"]
	some action in actions
	host := pod.spec[list][i].lifecycle[hook][action].host
	not host in {"", null}
	field := sprintf("lifecycle.%s.%s.host", [hook, action])
}

actions := ["httpGet", "tcpSocket"]

demand := "sets host to %s in httpGet or tcpSocket of a probe or lifecycle hook; it must be unset"
