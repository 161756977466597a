# METADATA
# title: Ingress classes
# description: >-
#   An Ingress names its class in a field or in the annotation that was there before it. Controllers differ in which
#   one they follow if both are given, so each must be allowed.
# related_resources:
# - https://kubernetes.io/docs/concepts/services-networking/ingress/#deprecated-annotation
package lib.rule.ingress_class

import data.lib.finding

annotation := "kubernetes.io/ingress.class"

found contains refused("spec.ingressClassName", class) if {
	is_ingress
	class := input.review.object.spec.ingressClassName
	not class in input.parameters.ingressClassNames
}

found contains refused(sprintf("metadata.annotations[%q]", [annotation]), class) if {
	is_ingress
	class := input.review.object.metadata.annotations[annotation]
	not class in input.parameters.ingressClassNames
}

is_ingress if {
	input.review.kind.kind == "Ingress"
	input.review.kind.group == "networking.k8s.io"
}

refused(field, class) := finding.in_object(
	{"field": field, "found": class, "allowed": input.parameters.ingressClassNames},
	sprintf("the Ingress sets %s to %q; %s", [field, class, allowed]),
)

allowed := "no class is allowed" if {
	count(input.parameters.ingressClassNames) == 0
} else := sprintf("allowed: %s", [finding.listed(input.parameters.ingressClassNames)])

unchanged if {
	input.review.operation == "UPDATE"
	new := judged(input.review.object)
	old := judged(input.review.oldObject)
	not new != old
}

# With a path, object.get takes what is no object for absent.
judged(it) := {
	"spec": object.get(it, ["spec"], {}),
	"class": object.get(it, ["metadata", "annotations", annotation], null),
}
