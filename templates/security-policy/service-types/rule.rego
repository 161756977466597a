# METADATA
# title: Types of Services
# description: >-
#   A node port opens a port on every node, a load balancer one to the outside, and an external name leads elsewhere.
# related_resources:
# - https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types
package lib.rule.service_types

import data.lib.finding

types contains finding.in_object(
	{"field": "spec.type", "found": type, "allowed": input.parameters.allowedServiceTypes},
	sprintf("the Service has spec.type %v; %s", [type, allowed]),
) if {
	input.review.kind.kind == "Service"
	input.review.kind.group == ""
	type := type_of(object.get(input.review.object, ["spec", "type"], ""))
	not type in input.parameters.allowedServiceTypes
}

# Unset is the API server's default.
type_of(declared) := "ClusterIP" if {
	declared in ["", null]
} else := declared

allowed := "no type is allowed" if {
	count(input.parameters.allowedServiceTypes) == 0
} else := sprintf("allowed: %s", [finding.listed(input.parameters.allowedServiceTypes)])

unchanged if {
	input.review.operation == "UPDATE"
	new := declared_by(input.review.object.spec)
	old := declared_by(input.review.oldObject.spec)
	not new != old
}

# A spec without what the server allocates.
declared_by(spec) := object.union(object.remove(spec, allocated), {"ports": ports}) if {
	ports := [object.remove(port, ["nodePort"]) | some port in object.get(spec, "ports", [])]
}

allocated := {"clusterIP", "clusterIPs", "healthCheckNodePort", "ipFamilies", "ipFamilyPolicy"}
