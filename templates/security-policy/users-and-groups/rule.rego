# METADATA
# title: Users and groups
# description: >-
#   The ids that processes run as and that own a Pod's volumes. A container's own user and group go before the Pod's;
#   the volumes' group and the supplemental groups are the Pod's alone.
# related_resources:
# - https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
package lib.rule.users_and_groups

import data.lib.finding
import data.lib.pod

user contains found if some found in own("runAsUser")

user contains found if some found in inherited("runAsUser")

# Without a user the image decides, unless runAsNonRoot holds it to account. No defaulter fills that in later.
user contains finding.in_container(
	list, i,
	{"field": "securityContext.runAsNonRoot", "found": own_value, "allowed": true},
	"has neither securityContext.runAsUser nor runAsNonRoot: true, of its own or from the Pod; one is required",
) if {
	input.parameters.runAsUser.rule == "MustRunAsNonRoot"
	of_pod("runAsUser") == null
	some list in pod.lists
	some i, container in pod.spec[list]
	object.get(container, ["securityContext", "runAsUser"], null) == null
	own_value := object.get(container, ["securityContext", "runAsNonRoot"], null)
	not non_root(own_value)
}

non_root(own_value) if own_value == true

non_root(own_value) if {
	own_value == null
	of_pod("runAsNonRoot") == true
}

group contains found if some found in own("runAsGroup")

group contains found if some found in inherited("runAsGroup")

fs_group contains finding.in_pod(
	{"field": "securityContext.fsGroup", "found": id, "allowed": input.parameters.fsGroup.ranges},
	sprintf("the Pod %s; %s", [sets("fsGroup", id), allowed("fsGroup")]),
) if {
	id := of_pod("fsGroup")
	not passes("fsGroup", id)
}

supplemental_groups contains finding.in_pod(
	{"field": "securityContext.supplementalGroups", "found": outside, "allowed": input.parameters.supplementalGroups.ranges},
	sprintf("the Pod has %s in securityContext.supplementalGroups; %s", [finding.listed(texts), allowed("supplementalGroups")]),
) if {
	groups := of_pod("supplementalGroups")
	outside := [id | some id in groups; not fits("supplementalGroups", id)]
	count(outside) > 0
	texts := [text(id) | some id in outside]
}

supplemental_groups contains finding.in_pod(
	{"field": "securityContext.supplementalGroups", "found": null, "allowed": input.parameters.supplementalGroups.ranges},
	sprintf("the Pod %s; %s", [sets("supplementalGroups", null), allowed("supplementalGroups")]),
) if {
	required("supplementalGroups")
	not pod.spec.securityContext.supplementalGroups[0]
}

# Ids that containers set themselves.
own(field) := {found |
	some list in pod.lists
	some i
	id := pod.spec[list][i].securityContext[field]
	id != null
	not fits(field, id)
	found := in_container(field, list, i, id, sets(field, id))
}

# Containers that set none and take what the Pod says, be it nothing. What the Pod says is tested once.
inherited(field) := {found |
	id := of_pod(field)
	not passes(field, id)
	some list in pod.lists
	some i, container in pod.spec[list]
	object.get(container, ["securityContext", field], null) == null
	found := object.union(in_container(field, list, i, id, takes(field, id)), {"field": set_at(field, list, i, id)})
}

in_container(field, list, i, id, does) := finding.in_container(
	list, i,
	{"field": sprintf("securityContext.%s", [field]), "found": id, "allowed": input.parameters[field].ranges},
	sprintf("%s; %s", [does, allowed(field)]),
)

of_pod(field) := object.get(pod.spec, ["securityContext", field], null)

passes(field, id) if fits(field, id)

passes(field, id) if {
	id == null
	not required(field)
}

fits(field, id) if {
	some range in input.parameters[field].ranges
	id >= range.min
	id <= range.max
}

# A defaulter may still fill in what a controller leaves out, unless podTemplates is Strict; and the API server forbids these fields for Windows.
required(field) if {
	input.parameters[field].rule == "MustRunAs"
	pod.complete
	not pod.windows
}

sets(field, id) := sprintf("does not set securityContext.%s", [field]) if {
	id == null
} else := sprintf("sets securityContext.%s to %s", [field, text(id)])

takes(field, id) := sprintf("has no securityContext.%s, of its own or from the Pod", [field]) if {
	id == null
} else := sprintf("takes securityContext.%s %s from the Pod", [field, text(id)])

# Where the value stands that a container takes, or should stand.
set_at(field, list, i, id) := sprintf("%s.%s[%d].securityContext.%s", [pod.path, list, i, field]) if {
	id == null
} else := sprintf("%s.securityContext.%s", [pod.path, field])

allowed(field) := "it must not be 0" if {
	input.parameters[field].rule == "MustRunAsNonRoot"
} else := sprintf("allowed: %s", [finding.listed(ranges)]) if {
	ranges := [sprintf("%s-%s", [text(range.min), text(range.max)]) | some range in input.parameters[field].ranges]
}

# Gatekeeper's numbers are floating-point: sprintf writes 1e+06.
text(id) := format_int(id, 10) if {
	is_number(id)
} else := sprintf("%v", [id])
