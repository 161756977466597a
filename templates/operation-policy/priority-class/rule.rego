# METADATA
# title: Priority classes
# description: >-
#   A Pod of a higher class evicts others. One that names no class passes; where the cluster has a default class, the
#   API server has named that one before.
# related_resources:
# - https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
package lib.rule.priority_class

import data.lib.finding
import data.lib.pod

found contains finding.in_pod(
	{"field": "priorityClassName", "found": name, "allowed": input.parameters.priorityClassNames},
	sprintf("the Pod sets priorityClassName to %q; %s", [name, allowed]),
) if {
	name := pod.spec.priorityClassName
	name != ""
	not name in input.parameters.priorityClassNames
}

allowed := "no priority class is allowed" if {
	count(input.parameters.priorityClassNames) == 0
} else := sprintf("allowed: %s", [finding.listed(input.parameters.priorityClassNames)])
