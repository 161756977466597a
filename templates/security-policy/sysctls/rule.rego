# METADATA
# title: Sysctls
# description: >-
#   A sysctl is a knob of the kernel. An entry names one, or the beginning of many followed by *. kernel/sem is
#   kernel.sem. What is both allowed and forbidden is forbidden. A name that mixes slashes and dots is forbidden if any
#   reading of it is, and allowed only as the kubelet reads it.
# related_resources:
# - https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/
package lib.rule.sysctls

import data.lib.finding
import data.lib.pod

forbidden contains finding.in_pod(
	{"field": sprintf("securityContext.sysctls[%d].name", [i]), "found": name, "allowed": {"not": entries}},
	sprintf("the Pod sets sysctl %q with securityContext.sysctls[%d]; forbidden: %s", [name, i, finding.listed(entries)]),
) if {
	entries := input.parameters.forbiddenSysctls.entries
	some i
	name := object.get(pod.spec.securityContext.sysctls[i], "name", "")
	is_forbidden(name)
}

# A sysctl that is forbidden as well is reported once.
not_allowed contains finding.in_pod(
	{"field": sprintf("securityContext.sysctls[%d].name", [i]), "found": name, "allowed": entries},
	sprintf("the Pod sets sysctl %q with securityContext.sysctls[%d]; %s", [name, i, allowed]),
) if {
	entries := input.parameters.allowedUnsafeSysctls.entries
	some i
	name := object.get(pod.spec.securityContext.sysctls[i], "name", "")
	not matches(as_kubelet_reads(name), input.parameters.allowedUnsafeSysctls)
	not is_forbidden(name)
}

is_forbidden(name) if matches(replace(name, "/", "."), input.parameters.forbiddenSysctls)

# The first separator says which of the two it is: the other one is a part of a name, as in
# net.ipv4.conf.eth0/100.forwarding, which is net/ipv4/conf/eth0.100/forwarding.
as_kubelet_reads(name) := concat(".", [replace(part, ".", "/") | some part in split(name, "/")]) if {
	regex.match(`^[^./]*/`, name)
} else := name

matches(name, list) if name in list.names

matches(name, list) if strings.any_prefix_match(name, list.prefixes)

allowed := "no sysctl is allowed" if {
	count(input.parameters.allowedUnsafeSysctls.entries) == 0
} else := sprintf("allowed: %s", [finding.listed(input.parameters.allowedUnsafeSysctls.entries)])
