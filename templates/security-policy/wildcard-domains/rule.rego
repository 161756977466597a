# METADATA
# title: Wildcard domains
# description: >-
#   An Ingress that takes a wildcard domain, or every domain, takes requests that are meant for others. A rule without
#   a host takes every domain, and so does an Ingress without rules.
# related_resources:
# - https://kubernetes.io/docs/concepts/services-networking/ingress/#hostname-wildcards
package lib.rule.wildcard_domains

import data.lib.finding

domains contains finding.in_object(
	{"field": field, "found": host, "allowed": "a domain without *"},
	sprintf("%s %s; it must be a domain without *", [field, takes(host)]),
) if {
	is_ingress
	some i
	host := host_of(input.review.object.spec.rules[i])
	not one_domain(host)
	field := sprintf("spec.rules[%d].host", [i])
}

domains contains finding.in_object(
	{"field": field, "found": host, "allowed": "a domain without *"},
	sprintf("%s is %q; it must be a domain without *", [field, host]),
) if {
	is_ingress
	some i, k
	host := input.review.object.spec.tls[i].hosts[k]
	contains(host, "*")
	field := sprintf("spec.tls[%d].hosts[%d]", [i, k])
}

domains contains finding.in_object(
	{"field": "spec.rules", "found": [], "allowed": "rules with a host"},
	"the Ingress has no spec.rules, so it takes every domain; it must have rules, each with a host",
) if {
	is_ingress
	not input.review.object.spec.rules[0]
}

is_ingress if {
	input.review.kind.kind == "Ingress"
	input.review.kind.group == "networking.k8s.io"
}

host_of(rule) := rule.host if {
	rule.host != null
} else := ""

one_domain(host) if {
	host != ""
	not contains(host, "*")
}

takes(host) := "is unset, so the rule takes every domain" if {
	host == ""
} else := sprintf("is %q", [host])

unchanged if {
	input.review.operation == "UPDATE"
	new := judged(input.review.object)
	old := judged(input.review.oldObject)
	not new != old
}

judged(ingress) := {
	"spec": object.get(ingress, "spec", {}),
	"class": object.get(ingress, ["metadata", "annotations", "kubernetes.io/ingress.class"], null),
}
