# METADATA
# title: Replica limits
# description: >-
#   How many replicas a Deployment or StatefulSet may have, also when its number is changed through the scale
#   subresource, as kubectl scale and autoscalers do.
# related_resources:
# - https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#scaling-a-deployment
package lib.rule.replica_limits

import data.lib.finding

found contains finding.in_object(
	{"field": "spec.replicas", "found": replicas, "allowed": input.parameters.replicaLimits},
	sprintf("the %s %s; it must be %s", [whose, has, allowed]),
) if {
	replicas := replicas_of(input.review.object)
	outside(replicas)
}

outside(replicas) if replicas < input.parameters.replicaLimits.minReplicas

outside(replicas) if replicas > input.parameters.replicaLimits.maxReplicas

replicas_of(it) := object.get(it, ["spec", "replicas"], 1) if {
	input.review.kind.group == "apps"
	input.review.kind.kind in {"Deployment", "StatefulSet"}
} else := object.get(it, ["spec", "replicas"], 0) if {
	# A Scale is written without the field if it is 0.
	is_scale
	scaled.group == "apps"
	scalable[scaled.resource]
}

scalable := {"deployments": "Deployment", "statefulsets": "StatefulSet"}

is_scale if {
	input.review.kind.group == "autoscaling"
	input.review.kind.kind == "Scale"
}

# A Scale does not say what it scales.
scaled := input.review.requestResource if {
	input.review.requestResource.resource
} else := input.review.resource

# People scale a Deployment and do not know of Scales.
whose := sprintf("%s's Scale", [scalable[scaled.resource]]) if {
	is_scale
} else := input.review.kind.kind

has := sprintf("sets spec.replicas to %v", [replicas]) if {
	replicas := input.review.object.spec.replicas
} else := "sets spec.replicas to 0" if {
	is_scale
} else := "does not set spec.replicas, which counts as 1"

allowed := sprintf("from %d to %d", [min, max]) if {
	min := input.parameters.replicaLimits.minReplicas
	max := input.parameters.replicaLimits.maxReplicas
} else := sprintf("at least %d", [min]) if {
	min := input.parameters.replicaLimits.minReplicas
} else := sprintf("at most %d", [input.parameters.replicaLimits.maxReplicas])

unchanged if {
	input.review.operation == "UPDATE"
	new := replicas_of(input.review.object)
	old := replicas_of(input.review.oldObject)
	not new != old
}
