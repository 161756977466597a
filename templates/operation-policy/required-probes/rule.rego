# METADATA
# title: Required probes
# description: >-
#   Without probes Kubernetes takes a container that hangs for a healthy one. A Pod that runs to an end has nothing to
#   be probed for, and of the init containers only sidecars may have probes.
# related_resources:
# - https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
package lib.rule.required_probes

import data.lib.finding
import data.lib.pod

found contains missing("containers", i, probe) if {
	not runs_to_an_end
	some i
	container := pod.spec.containers[i]
	some probe in input.parameters.requiredProbes
	object.get(container, probe, null) in no_probe
}

# Sidecars.
found contains missing("initContainers", i, probe) if {
	not runs_to_an_end
	some i
	container := pod.spec.initContainers[i]
	container.restartPolicy == "Always"
	some probe in input.parameters.requiredProbes
	object.get(container, probe, null) in no_probe
}

# A probe that says nothing probes nothing.
no_probe := {null, {}}

# Of the kinds that make Pods, these are Jobs and CronJobs.
runs_to_an_end if input.review.kind.group == "batch"

runs_to_an_end if pod.spec.restartPolicy in {"Never", "OnFailure"}

missing(list, i, probe) := finding.in_container(
	list, i, {"field": probe, "found": null, "allowed": {"not": [null]}},
	sprintf("has no %s; it must have one", [probe]),
)
