# METADATA
# title: Read-only root file system
# description: >-
#   A container that cannot write to its own file system cannot be changed from inside. Without the field it can write.
#   The API server forbids the field for Windows: there an unset one passes.
# related_resources:
# - https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
package lib.rule.read_only_root_filesystem

import data.lib.finding
import data.lib.pod

found contains finding.in_container(
	list, i,
	{"field": "securityContext.readOnlyRootFilesystem", "found": value, "allowed": [true]},
	sprintf("%s; it must be true", [wrong(value)]),
) if {
	some list in pod.lists
	some i
	container := pod.spec[list][i]
	not container.securityContext.readOnlyRootFilesystem == true
	value := object.get(container, ["securityContext", "readOnlyRootFilesystem"], null)
	not left_to_windows(value)
}

left_to_windows(null) if pod.windows

wrong(value) := "does not set securityContext.readOnlyRootFilesystem" if {
	value == null
} else := sprintf("sets securityContext.readOnlyRootFilesystem to %v", [value])
