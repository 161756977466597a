# METADATA
# title: Host process and IPC namespaces
# description: >-
#   In the host's process namespace a Pod sees and signals every process of its node, in the host's IPC namespace it
#   shares their memory segments.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
package lib.rule.host_processes

import data.lib.finding
import data.lib.pod

pid contains set_to_true("hostPID") if pod.spec.hostPID == true

ipc contains set_to_true("hostIPC") if pod.spec.hostIPC == true

set_to_true(field) := finding.in_pod(
	{"field": field, "found": true, "allowed": [false, null]},
	sprintf("the Pod sets %s to true; it must be false or unset", [field]),
)
