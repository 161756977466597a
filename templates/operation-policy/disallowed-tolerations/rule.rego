# METADATA
# title: Disallowed tolerations
# description: >-
#   Taints keep Pods off nodes. A pattern is a set of taints, and a toleration is refused if it tolerates at least one
#   of them. What Kubernetes itself adds passes every pattern that does not name its key.
# related_resources:
# - https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
# - https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/#taints-and-tolerations
package lib.rule.disallowed_tolerations

import data.lib.finding
import data.lib.pod

found contains finding.in_pod(
	{"field": sprintf("tolerations[%d]", [k]), "found": toleration, "allowed": {"not": taints}},
	sprintf("the Pod tolerates %s (tolerations[%d]); disallowed: %s", [tolerated(toleration), k, finding.listed(taints)]),
) if {
	some k
	toleration := pod.spec.tolerations[k]
	taints := [pattern.text |
		some pattern in input.parameters.disallowedTolerations
		meets(toleration, pattern)
		not spared(toleration, pattern)
	]
	count(taints) > 0
}

# Whether some taint is in the pattern and is tolerated: so in each part the two have something in common.
meets(toleration, pattern) if {
	meet(object.get(toleration, "key", ""), object.get(pattern, "key", ""))
	meet(object.get(toleration, "effect", ""), object.get(pattern, "effect", ""))
	values_meet(toleration, pattern)
}

# Unset is any.
meet(part, _) if part in unset

meet(_, part) if part == ""

meet(part, same) if part == same

unset := {"", null}

values_meet(_, pattern) if not pattern.value

values_meet(toleration, _) if any_value(toleration)

values_meet(toleration, pattern) if value(toleration) == pattern.value

# Exists. Lt and Gt compare numbers, and count as any.
any_value(toleration) if {
	operator := object.get(toleration, "operator", "")
	not operator in {"Equal", "", null}
}

value(toleration) := object.get(toleration, "value", "")

# What Kubernetes adds, of itself or for a DaemonSet.
spared(toleration, pattern) if {
	not pattern.key
	toleration.operator == "Exists"
	[toleration.key, toleration.effect] in added
}

added := for_pods if {
	not of_daemon_set
} else := for_pods | for_daemon_sets

for_pods := {[key, "NoExecute"] |
	some key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
}

for_daemon_sets := {[sprintf("node.kubernetes.io/%s", [name]), "NoSchedule"] |
	some name in ["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable", "network-unavailable"]
}

of_daemon_set if input.review.kind.kind == "DaemonSet"

of_daemon_set if {
	pod.is_pod
	some owner in input.review.object.metadata.ownerReferences
	owner.controller == true
	owner.kind == "DaemonSet"
	startswith(owner.apiVersion, "apps/")
}

# As `kubectl taint` writes a taint, with * for any key.
tolerated(toleration) := concat("", [key_text(toleration), value_text(toleration), effect_text(toleration)])

key_text(toleration) := "*" if {
	object.get(toleration, "key", "") in unset
} else := toleration.key

value_text(toleration) := "" if {
	any_value(toleration)
} else := sprintf("=%v", [value(toleration)])

effect_text(toleration) := "" if {
	object.get(toleration, "effect", "") in unset
} else := sprintf(":%v", [toleration.effect])
