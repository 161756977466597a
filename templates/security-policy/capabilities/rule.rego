# METADATA
# title: Linux capabilities
# description: >-
#   Capabilities are the parts of root's power. What is added is compared in upper case and without CAP_, so that no
#   spelling adds more than is allowed. What is dropped is read as container runtimes read it: in upper case, but CAP_ALL
#   is another name, for which they drop nothing.
# related_resources:
# - https://man7.org/linux/man-pages/man7/capabilities.7.html
package lib.rule.capabilities

import data.lib.finding
import data.lib.pod

# What may be added: one finding per container.
added contains finding.in_container(
	list, i,
	{"field": "securityContext.capabilities.add", "found": extra, "allowed": input.parameters.allowedCapabilities},
	sprintf("adds %s; %s", [finding.listed(extra), allowed]),
) if {
	some list in pod.lists
	some i
	add := pod.spec[list][i].securityContext.capabilities.add
	extra := sort({name |
		some raw in add
		name := canonical(raw)
		not name in input.parameters.allowedCapabilities
	})
	count(extra) > 0
}

allowed := "no capability may be added" if {
	count(input.parameters.allowedCapabilities) == 0
} else := sprintf("allowed: %s", [finding.listed(input.parameters.allowedCapabilities)])

# What must be dropped: one finding per container. The API server forbids the field for Windows.
not_dropped contains finding.in_container(
	list, i,
	{"field": "securityContext.capabilities.drop", "found": sort(dropped), "allowed": input.parameters.requiredDropCapabilities},
	sprintf(
		"does not drop %s; securityContext.capabilities.drop must name each or ALL%s",
		[finding.listed(missing), hint(dropped)],
	),
) if {
	not pod.windows
	some list in pod.lists
	some i
	container := pod.spec[list][i]
	not container.securityContext.capabilities.drop[0] == "ALL"
	drop := object.get(container, ["securityContext", "capabilities", "drop"], [])
	dropped := {upper(raw) | some raw in drop}
	not "ALL" in dropped
	missing := [name | some name in input.parameters.requiredDropCapabilities; not name in dropped]
	count(missing) > 0
}

hint(dropped) := ", without CAP_" if {
	strings.any_prefix_match(dropped, "CAP_")
} else := ""

# What must be dropped must not be added again, neither by name nor with ALL.
added_again contains finding.in_container(
	list, i,
	{"field": "securityContext.capabilities.add", "found": again, "allowed": {"not": sort(forbidden)}},
	sprintf("adds %s, but %s must be dropped", [finding.listed(again), finding.listed(sort(forbidden))]),
) if {
	count(forbidden) > 0
	banned := forbidden | {"ALL"}
	some list in pod.lists
	some i
	add := pod.spec[list][i].securityContext.capabilities.add
	again := sort({name |
		some raw in add
		name := canonical(raw)
		name in banned
	})
	count(again) > 0
}

# The entry ALL leaves what is added to allowedCapabilities.
forbidden := {name | some name in input.parameters.requiredDropCapabilities} - {"ALL"}

canonical(name) := trim_prefix(upper(name), "CAP_")
