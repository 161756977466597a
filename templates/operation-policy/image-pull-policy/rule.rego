# METADATA
# title: Image pull policy
# description: >-
#   Whether a node asks the registry before it runs an image. Where the policy is unset, Kubernetes sets Always for the
#   tag latest and IfNotPresent for all else.
# related_resources:
# - https://kubernetes.io/docs/concepts/containers/images/#imagepullpolicy-defaulting
package lib.rule.image_pull_policy

import data.lib.finding
import data.lib.image
import data.lib.pod

found contains finding.in_container(
	list, i, refused("imagePullPolicy", policy),
	does("imagePullPolicy", policy, reference),
) if {
	some list in pod.lists
	some i
	container := pod.spec[list][i]
	policy := object.get(container, "imagePullPolicy", "")
	reference := object.get(container, "image", "")
	not fits(policy, reference)
}

found contains finding.in_pod(
	refused(sprintf("volumes[%d].image.pullPolicy", [i]), policy),
	sprintf("volume %q %s", [object.get(volume, "name", ""), does("image.pullPolicy", policy, reference)]),
) if {
	some i
	volume := pod.spec.volumes[i]
	volume.image
	policy := object.get(volume.image, "pullPolicy", "")
	reference := object.get(volume.image, "reference", "")
	not fits(policy, reference)
}

fits(policy, _) if policy == input.parameters.imagePullPolicy

fits(policy, reference) if {
	policy == ""
	default_policy(reference) == input.parameters.imagePullPolicy
}

default_policy(reference) := "Always" if {
	reference != ""
	image.tag(reference) == ":latest"
} else := "IfNotPresent"

refused(field, policy) := {"field": field, "found": policy, "allowed": [input.parameters.imagePullPolicy]}

does(field, policy, reference) := sprintf(
	"leaves %s unset, which means %s for image %q; it must be %s",
	[field, default_policy(reference), reference, input.parameters.imagePullPolicy],
) if {
	policy == ""
} else := sprintf("sets %s to %v; it must be %s", [field, policy, input.parameters.imagePullPolicy])
