# METADATA
# title: AppArmor profiles
# description: >-
#   Nothing may switch AppArmor off, neither by the field, which is judged at every version, nor by the annotation from
#   before 1.30, even for a container that does not exist.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
package lib.rule.apparmor

import data.lib.control
import data.lib.pod

prefix := "container.apparmor.security.beta.kubernetes.io/"

faults contains control.in_container(list, i, "securityContext.appArmorProfile.type", demand, type) if {
	some list in pod.lists
	some i
	profile := pod.spec[list][i].securityContext.appArmorProfile
	type := object.get(profile, "type", "")
	not type in {"RuntimeDefault", "Localhost"}
}

faults contains control.in_pod("securityContext.appArmorProfile.type", demand, type) if {
	type := object.get(pod.spec.securityContext.appArmorProfile, "type", "")
	not type in {"RuntimeDefault", "Localhost"}
}

faults contains control.in_annotation(key, annotation_demand, value) if {
	some key, value in pod.annotations
	startswith(key, prefix)
	not allowed(value)
}

allowed(value) if value in {"", "runtime/default"}

allowed(value) if startswith(value, "localhost/")

demand := "sets securityContext.appArmorProfile.type to %s; allowed: RuntimeDefault, Localhost and unset"

annotation_demand := "is %s; allowed: runtime/default, localhost/<profile> and unset"
