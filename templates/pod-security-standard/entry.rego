# METADATA
# title: Pod Security Standards
# description: >-
#   One violation per control that fails. Each control is named, replaced and dated as Kubernetes does it.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/
package gatewright.d8podsecuritystandard

violation contains v if {
	not update.let_through
	count(by_spec) > 0
	not update.same_judged({"ephemeralContainers"})
	some v in by_spec
}

# These controls read annotations too, so the same pod spec alone is no reason to let an UPDATE through.
violation contains v if {
	not update.deleting
	count(by_annotations) > 0
	not unchanged
	some v in by_annotations
}

unchanged if {
	update.same_pod({"ephemeralContainers"})
	not judged(pod.annotations) != judged(pod.old_annotations)
}

# Annotations that name a profile.
judged(annotations) := {key: value |
	some key, value in annotations
	some prefix in [apparmor.prefix, seccomp.container_prefix, seccomp.pod_annotation]
	startswith(key, prefix)
}
