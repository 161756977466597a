# METADATA
# title: Cluster roles
# description: >-
#   A RoleBinding to a ClusterRole gives its rights within one namespace. A Role is the namespace's own and is not
#   judged here.
# related_resources:
# - https://kubernetes.io/docs/reference/access-authn-authz/rbac/#rolebinding-and-clusterrolebinding
package lib.rule.cluster_roles

import data.lib.finding

bound contains finding.in_object(
	{"field": "roleRef.name", "found": name, "allowed": input.parameters.allowedClusterRoles.entries},
	sprintf("roleRef.name binds ClusterRole %q; %s", [name, allowed]),
) if {
	input.review.kind.kind == "RoleBinding"
	input.review.kind.group == "rbac.authorization.k8s.io"
	not input.review.object.roleRef.kind == "Role"
	name := object.get(input.review.object, ["roleRef", "name"], "")
	not listed(name)
}

listed(name) if name in input.parameters.allowedClusterRoles.names

listed(name) if strings.any_prefix_match(name, input.parameters.allowedClusterRoles.prefixes)

allowed := "no ClusterRole is allowed" if {
	count(input.parameters.allowedClusterRoles.entries) == 0
} else := sprintf("allowed: %s", [finding.listed(input.parameters.allowedClusterRoles.entries)])

unchanged if {
	input.review.operation == "UPDATE"
	new := judged(input.review.object)
	old := judged(input.review.oldObject)
	not new != old
}

judged(binding) := {
	"roleRef": object.get(binding, "roleRef", null),
	"subjects": object.get(binding, "subjects", []),
}
