# METADATA
# title: Seccomp profiles
# description: >-
#   A seccomp profile limits the system calls of a container. A container's own profile wins over its Pod's. The
#   annotations of old have had no effect since Kubernetes 1.27 and are not read.
# related_resources:
# - https://kubernetes.io/docs/reference/node/seccomp/
package lib.rule.seccomp

import data.lib.finding
import data.lib.pod

found contains refused(list, i, profile, "its own securityContext.seccompProfile") if {
	some list in pod.lists
	some i
	profile := pod.spec[list][i].securityContext.seccompProfile
	profile != null
	not admitted(profile)
}

# The profile of the Pod is the offending field, though the container runs with it.
found contains object.union(refused(list, i, profile, "the Pod's securityContext.seccompProfile"), {"field": field}) if {
	profile := pod_profile
	profile != null
	not admitted(profile)
	field := sprintf("%s.securityContext.seccompProfile", [pod.path])
	some list in pod.lists
	some i
	container := pod.spec[list][i]
	object.get(container, ["securityContext", "seccompProfile"], null) == null
}

# The API server forbids the field for Windows.
found contains finding.in_container(
	list, i,
	{"field": "securityContext.seccompProfile", "found": null, "allowed": input.parameters.seccompProfiles.entries},
	sprintf("has no securityContext.seccompProfile and its Pod has none; %s", [allowed]),
) if {
	not input.parameters.seccompProfiles.unset
	pod_profile == null
	not pod.windows
	some list in pod.lists
	some i
	container := pod.spec[list][i]
	object.get(container, ["securityContext", "seccompProfile"], null) == null
}

pod_profile := object.get(pod.spec, ["securityContext", "seccompProfile"], null)

admitted(profile) if {
	profile.type != "Localhost"
	not input.parameters.seccompProfiles.types
}

admitted(profile) if {
	profile.type in input.parameters.seccompProfiles.types
}

admitted(profile) if {
	profile.type == "Localhost"
	not input.parameters.seccompProfiles.localhostFiles
}

admitted(profile) if {
	profile.type == "Localhost"
	profile.localhostProfile in input.parameters.seccompProfiles.localhostFiles
}

refused(list, i, profile, origin) := finding.in_container(
	list, i,
	{"field": "securityContext.seccompProfile", "found": shown, "allowed": input.parameters.seccompProfiles.entries},
	sprintf("runs with seccomp profile %q by %s; %s", [shown, origin, allowed]),
) if {
	shown := name(profile)
}

name(profile) := sprintf("localhost/%s", [object.get(profile, "localhostProfile", "")]) if {
	profile.type == "Localhost"
} else := object.get(profile, "type", "")

allowed := "no profile is allowed" if {
	count(input.parameters.seccompProfiles.entries) == 0
} else := sprintf("allowed: %s", [finding.listed(input.parameters.seccompProfiles.entries)])
