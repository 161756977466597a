# METADATA
# title: AppArmor profiles
# description: >-
#   An AppArmor profile limits what a container may open and call. A container's field wins over its annotation, and
#   both over the Pod's field; without any of them the runtime's default profile holds.
# related_resources:
# - https://kubernetes.io/docs/tutorials/security/apparmor/
package lib.rule.apparmor

import data.lib.finding
import data.lib.pod
import data.lib.update

found contains object.union(
	finding.in_container(
		list, i,
		{"field": "securityContext.appArmorProfile", "found": profile, "allowed": input.parameters.allowedAppArmor.entries},
		sprintf("runs with AppArmor profile %q by %s; %s", [profile, origins[origin], allowed]),
	),
	elsewhere(list, i, origin),
) if {
	some list in pod.lists
	some i
	pod.spec[list][i]
	[profile, origin] := effective(list, i)
	not admitted(profile)
}

# The profile, and what sets it. The API server forbids the fields for Windows, so there is no default to judge.
effective(list, i) := [name(field), "container"] if {
	field := pod.spec[list][i].securityContext.appArmorProfile
	field != null
} else := [value, "annotation"] if {
	value := pod.annotations[annotation(list, i)]
	not value in names_none
} else := [name(field), "pod"] if {
	field := pod.spec.securityContext.appArmorProfile
	field != null
} else := ["runtime/default", "default"] if {
	not pod.windows
}

origins := {
	"container": "its own securityContext.appArmorProfile",
	"annotation": "its annotation",
	"pod": "the Pod's securityContext.appArmorProfile",
	"default": "default",
}

# The offending field, where it is not the container's.
elsewhere(_, _, "container") := {}

elsewhere(_, _, "default") := {}

elsewhere(_, _, "pod") := {"field": sprintf("%s.securityContext.appArmorProfile", [pod.path])}

elsewhere(list, i, "annotation") := {"field": field} if {
	field := sprintf("%smetadata.annotations[%s]", [trim_suffix(pod.path, "spec"), annotation(list, i)])
}

# Kubernetes accepts such annotations and passes over them.
names_none := {"", "localhost/"}

annotation(list, i) := concat("", [prefix, pod.spec[list][i].name])

prefix := "container.apparmor.security.beta.kubernetes.io/"

# In the words of the annotation.
name(field) := "runtime/default" if {
	field.type == "RuntimeDefault"
} else := "unconfined" if {
	field.type == "Unconfined"
} else := sprintf("localhost/%s", [object.get(field, "localhostProfile", "")]) if {
	field.type == "Localhost"
} else := object.get(field, "type", "")

admitted(profile) if profile in input.parameters.allowedAppArmor.profiles

admitted(profile) if {
	some pattern in input.parameters.allowedAppArmor.patterns
	regex.match(pattern, profile)
}

allowed := "no profile is allowed" if {
	count(input.parameters.allowedAppArmor.entries) == 0
} else := sprintf("allowed: %s", [finding.listed(input.parameters.allowedAppArmor.entries)])

unchanged if {
	update.same_pod({"ephemeralContainers"})
	profiles := annotated(pod.annotations)
	old_profiles := annotated(pod.old_annotations)
	profiles == old_profiles
}

annotated(annotations) := {key: value | some key, value in annotations; startswith(key, prefix)}
