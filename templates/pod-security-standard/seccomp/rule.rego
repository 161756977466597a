# METADATA
# title: Seccomp profiles
# description: >-
#   Seccomp filters system calls. Until 1.18 annotations said which profile, since 1.19 fields do. Restricted Pods must
#   say that they want one.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
package lib.rule.seccomp

import data.lib.control
import data.lib.pod

pod_annotation := "seccomp.security.alpha.kubernetes.io/pod"

container_prefix := "container.seccomp.security.alpha.kubernetes.io/"

annotated contains control.in_annotation(key, annotation_demand, value) if {
	some key in read
	value := pod.annotations[key]
	not allowed(value)
}

# An annotation for a container that does not exist says nothing.
read := {pod_annotation} | {key |
	some list in pod.lists
	some container in pod.spec[list]
	key := concat("", [container_prefix, container.name])
}

allowed(value) if value in {"runtime/default", "docker/default"}

allowed(value) if startswith(value, "localhost/")

forbidden contains control.in_container(list, i, field, demand, type) if {
	some list in pod.lists
	some i
	profile := pod.spec[list][i].securityContext.seccompProfile
	type := object.get(profile, "type", "")
	not type in {"RuntimeDefault", "Localhost"}
}

forbidden contains control.in_pod(field, demand, type) if {
	type := object.get(pod.spec.securityContext.seccompProfile, "type", "")
	not type in {"RuntimeDefault", "Localhost"}
}

restricted contains fault if some fault in forbidden

# What the Pod itself says holds for every container that says nothing.
restricted contains control.in_container(list, i, field, must_set, null) if {
	object.get(pod.spec, ["securityContext", "seccompProfile"], null) == null
	some list in pod.lists
	some i
	container := pod.spec[list][i]
	object.get(container, ["securityContext", "seccompProfile"], null) == null
}

field := "securityContext.seccompProfile.type"

demand := sprintf("sets %s to %%s; allowed: RuntimeDefault and Localhost", [field])

must_set := sprintf("must set %s to RuntimeDefault or Localhost, or the Pod must for all containers", [field])

annotation_demand := "is %s; allowed: runtime/default, docker/default, localhost/<file> and unset"
