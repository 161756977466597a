# METADATA
# title: Required probes
# description: >-
#   Without probes Kubernetes takes a container that hangs for a healthy one. A container that runs to an end needs none:
#   one of a Job, or one whose restartPolicy, its own before the Pod's, is not Always. Of the init containers only
#   sidecars run on.
# related_resources:
# - https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
package lib.rule.required_probes

import data.lib.finding
import data.lib.pod

found contains missing(list, i, probe) if {
	not of_a_job
	some list, inherited in restart_policies
	some i
	container := pod.spec[list][i]
	not object.get(container, "restartPolicy", inherited) in to_an_end
	some probe in input.parameters.requiredProbes
	object.get(container, probe, null) in no_probe
}

# What holds for a container that names no restartPolicy. Without one an init container runs to an end.
restart_policies := {
	"containers": object.get(pod.spec, "restartPolicy", "Always"),
	"initContainers": "Never",
}

to_an_end := {"Never", "OnFailure"}

# A probe that says nothing probes nothing.
no_probe := {null, {}}

# A Job ends its sidecars, too.
of_a_job if input.review.kind.group == "batch"

of_a_job if {
	pod.is_pod
	some owner in input.review.object.metadata.ownerReferences
	owner.controller == true
	owner.kind == "Job"
	startswith(owner.apiVersion, "batch/")
}

missing(list, i, probe) := finding.in_container(
	list, i, {"field": probe, "found": null, "allowed": {"not": [null]}},
	sprintf("has no %s; it must have one", [probe]),
)
