# METADATA
# title: Required resources
# description: >-
#   Requests tell the scheduler what a container needs, limits keep it from taking more. What the Pod itself names
#   holds for all of its containers. A controller may leave out what a LimitRange fills in on its Pods, unless the
#   setting podTemplates is Strict.
# related_resources:
# - https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
package lib.rule.required_resources

import data.lib.finding
import data.lib.pod

found contains missing(list, i, section, name) if {
	pod.complete
	some list in ["containers", "initContainers"]
	some i
	container := pod.spec[list][i]
	some section in ["limits", "requests"]
	some name in input.parameters.requiredResources[section]
	object.get(container, ["resources", section, name], null) == null
	object.get(pod.spec, ["resources", section, name], null) == null
}

missing(list, i, section, name) := finding.in_container(
	list, i,
	{"field": sprintf("resources.%s.%s", [section, name]), "found": null, "allowed": {"not": [null]}},
	sprintf("has no resources.%s.%s; it or the Pod must set one", [section, name]),
)
