# METADATA
# title: Updates that leave alone what is judged
# description: >-
#   An object that was there before the policy must stay editable: an UPDATE is judged only if it changes what the
#   rule judges. Any such change is judged in full.
package lib.update

import data.lib.pod

# Asked before anything is looked for, so that a label edit costs nothing.
let_through if same_spec

let_through if deleting

# `old_spec` comes first: `not` over an undefined operand is true, and would let through an UPDATE whose old object
# cannot be read.
same_spec if {
	input.review.operation == "UPDATE"
	pod.old_spec
	not pod.spec != pod.old_spec
}

# What is going away must not be held back by its finalizers.
deleting if {
	input.review.operation == "UPDATE"
	input.review.oldObject.metadata.deletionTimestamp
}

# Whether an UPDATE leaves alone what a rule judges of the pod spec. Asked once a fault was found. `looks_at` names
# those of the volatile fields that the rule judges.
same_pod(_) if same_spec

same_pod(looks_at) if same_judged(looks_at)

same_judged(looks_at) if {
	input.review.operation == "UPDATE"
	pod.is_pod
	pod.old_spec
	not judged(pod.spec, looks_at) != judged(pod.old_spec, looks_at)
}

# Fields that Kubernetes changes on a Pod, or lets people change, and that no rule judges.
unjudged := {
	"activeDeadlineSeconds",
	"affinity",
	"nodeName",
	"nodeSelector",
	"schedulingGates",
	"terminationGracePeriodSeconds",
}

# Fields that only some rules judge.
volatile := {"ephemeralContainers", "resources", "tolerations"}

judged(spec, looks_at) := object.union(fields, lists) if {
	fields := object.remove(spec, unjudged | (volatile - looks_at))
	lists := {list: [judged_container(container, looks_at) | some container in fields[list]] |
		some list in pod.lists
		fields[list]
	}
}

judged_container(container, looks_at) := container if {
	"resources" in looks_at
} else := object.remove(container, ["resources"])
