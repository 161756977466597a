# METADATA
# title: SELinux options
# description: >-
#   SELinux options choose the label of a container's processes, and thereby what they may touch on the node. What a
#   Pod or container sets must fit one entry as a whole.
# related_resources:
# - https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
package lib.rule.selinux

import data.lib.finding
import data.lib.pod

found contains finding.in_container(list, i, described(options), sprintf("sets %s", [refusal(options)])) if {
	some list in pod.lists
	some i
	options := pod.spec[list][i].securityContext.seLinuxOptions
	options != null
	not admitted(options)
}

found contains finding.in_pod(described(options), sprintf("the Pod sets %s", [refusal(options)])) if {
	options := pod.spec.securityContext.seLinuxOptions
	options != null
	not admitted(options)
}

# What the Pod leaves unset fits every entry; what an entry leaves out must be unset, but for the level.
admitted(options) if {
	some entry in input.parameters.seLinux
	object.get(options, "type", "") in {"", object.get(entry, "type", "")}
	object.get(options, "role", "") in {"", object.get(entry, "role", "")}
	object.get(options, "user", "") in {"", object.get(entry, "user", "")}
	level := object.get(options, "level", "")
	level in {"", object.get(entry, "level", level)}
}

described(options) := {"field": "securityContext.seLinuxOptions", "found": options, "allowed": input.parameters.seLinux}

refusal(options) := sprintf("securityContext.seLinuxOptions to %s; %s", [words(options), allowed])

# "type spc_t, level s0"
words(options) := "nothing" if {
	count(set_fields(options)) == 0
} else := concat(", ", set_fields(options))

set_fields(options) := [sprintf("%s %s", [field, value]) |
	some field in ["user", "role", "type", "level"]
	value := object.get(options, field, "")
	value != ""
]

allowed := "no options are allowed" if {
	count(input.parameters.seLinux) == 0
} else := sprintf("allowed: %s", [finding.listed(entries)]) if {
	entries := [sprintf("(%s)", [entry_words(entry)]) | some entry in input.parameters.seLinux]
}

entry_words(entry) := "any level" if {
	count(entry) == 0
} else := words(entry)
