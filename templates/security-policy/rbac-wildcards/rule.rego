# METADATA
# title: Wildcards in RBAC
# description: >-
#   A wildcard in a Role also grants what is added to the cluster later. In the names of a RoleBinding it has no
#   meaning, and is never what was meant.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/rbac-good-practices/
package lib.rule.rbac_wildcards

import data.lib.finding

wildcards contains with_star(sprintf("rules[%d].%s[%d]", [i, list, k]), value) if {
	is_kind("Role")
	some list in ["apiGroups", "resources", "verbs"]
	some i, k
	value := input.review.object.rules[i][list][k]
	contains(value, "*")
}

wildcards contains with_star("roleRef.name", name) if {
	is_kind("RoleBinding")
	name := input.review.object.roleRef.name
	contains(name, "*")
}

wildcards contains with_star(sprintf("subjects[%d].name", [i]), name) if {
	is_kind("RoleBinding")
	some i
	name := input.review.object.subjects[i].name
	contains(name, "*")
}

is_kind(kind) if {
	input.review.kind.kind == kind
	input.review.kind.group == "rbac.authorization.k8s.io"
}

with_star(field, value) := finding.in_object(
	{"field": field, "found": value, "allowed": "a value without *"},
	sprintf("%s is %q; it must not contain *", [field, value]),
)

unchanged if {
	input.review.operation == "UPDATE"
	new := judged(input.review.object)
	old := judged(input.review.oldObject)
	not new != old
}

# A Role has rules, a RoleBinding the other two.
judged(it) := {
	"rules": object.get(it, "rules", []),
	"roleRef": object.get(it, "roleRef", null),
	"subjects": object.get(it, "subjects", []),
}
