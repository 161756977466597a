# METADATA
# title: Sysctls
# description: >-
#   A sysctl is a knob of the kernel. An entry names one, or the beginning of many followed by *. In a name a slash is
#   the same as a dot. What is both allowed and forbidden is forbidden.
# related_resources:
# - https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/
package lib.rule.sysctls

import data.lib.finding
import data.lib.pod

forbidden contains finding.in_pod(
	{"field": sprintf("securityContext.sysctls[%d].name", [i]), "found": name, "allowed": {"not": entries}},
	sprintf("the Pod sets sysctl %q with securityContext.sysctls[%d]; forbidden are %s", [name, i, finding.listed(entries)]),
) if {
	entries := input.parameters.forbiddenSysctls.entries
	some i
	name := object.get(pod.spec.securityContext.sysctls[i], "name", "")
	matches(name, input.parameters.forbiddenSysctls)
}

# A sysctl that is forbidden as well is told once.
not_allowed contains finding.in_pod(
	{"field": sprintf("securityContext.sysctls[%d].name", [i]), "found": name, "allowed": entries},
	sprintf("the Pod sets sysctl %q with securityContext.sysctls[%d]; %s", [name, i, allowed]),
) if {
	entries := input.parameters.allowedUnsafeSysctls.entries
	some i
	name := object.get(pod.spec.securityContext.sysctls[i], "name", "")
	not matches(name, input.parameters.allowedUnsafeSysctls)
	not is_forbidden(name)
}

is_forbidden(name) if matches(name, input.parameters.forbiddenSysctls)

matches(name, list) if replace(name, "/", ".") in list.names

matches(name, list) if strings.any_prefix_match(replace(name, "/", "."), list.prefixes)

allowed := "no sysctl is allowed" if {
	count(input.parameters.allowedUnsafeSysctls.entries) == 0
} else := sprintf("allowed are %s", [finding.listed(input.parameters.allowedUnsafeSysctls.entries)])
