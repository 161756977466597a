# METADATA
# title: Revision history limit
# description: >-
#   Every old revision of a workload is an object in etcd. Unset is Kubernetes' default of 10.
# related_resources:
# - https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#revision-history-limit
package lib.rule.revision_history_limit

import data.lib.finding

kinds := {"DaemonSet", "Deployment", "StatefulSet"}

found contains finding.in_object(
	{
		"field": "spec.revisionHistoryLimit",
		"found": limit_of(input.review.object),
		"allowed": {"max": input.parameters.maxRevisionHistoryLimit},
	},
	sprintf("the %s %s; at most %d is allowed", [input.review.kind.kind, has, input.parameters.maxRevisionHistoryLimit]),
) if {
	input.review.kind.group == "apps"
	input.review.kind.kind in kinds
	limit_of(input.review.object) > input.parameters.maxRevisionHistoryLimit
}

has := sprintf("sets spec.revisionHistoryLimit to %v", [limit]) if {
	limit := input.review.object.spec.revisionHistoryLimit
} else := "does not set spec.revisionHistoryLimit, which counts as 10"

limit_of(it) := object.get(it, ["spec", "revisionHistoryLimit"], 10)

unchanged if {
	input.review.operation == "UPDATE"
	new := limit_of(input.review.object)
	old := limit_of(input.review.oldObject)
	not new != old
}
