# METADATA
# title: Image tags
# description: >-
#   A tag that moves makes two Pods of one manifest different. An image without tag and digest has the tag latest.
#   A tag next to a digest is not used, but it still says something, and it counts. An image ID (sha256:…) has no tag.
# related_resources:
# - https://kubernetes.io/docs/concepts/containers/images/#image-names
package lib.rule.disallowed_tags

import data.lib.finding
import data.lib.image
import data.lib.pod

found contains finding.in_container(list, i, refused("image", reference), does(reference)) if {
	some list in pod.lists
	some i
	container := pod.spec[list][i]
	reference := object.get(container, "image", "")
	not plainly_allowed(reference)
	disallowed(reference)
}

found contains finding.in_pod(
	refused(sprintf("volumes[%d].image.reference", [i]), reference),
	sprintf("volume %q %s", [object.get(volume, "name", ""), does(reference)]),
) if {
	some i
	volume := pod.spec.volumes[i]
	volume.image
	reference := object.get(volume.image, "reference", "")
	disallowed(reference)
}

# Nearly every image ends in its tag: that is looked at before the reference is taken apart.
plainly_allowed(reference) if {
	regex.match(`^([^@]*/)?[^@:/]+:[^@:/]+$`, reference)
	not strings.any_suffix_match(reference, input.parameters.disallowedImageTags)
}

disallowed(reference) if tag(reference) in input.parameters.disallowedImageTags

disallowed(reference) if unreadable(reference)

tag(reference) := trim_prefix(image.tag(reference), ":")

# What is no reference has no tag to compare.
unreadable(reference) if reference == ""

unreadable(reference) if contains(tag(reference), ":")

unreadable(reference) if image.tag(reference) == ":"

refused(field, reference) := {
	"field": field,
	"found": reference,
	"allowed": {"not": input.parameters.disallowedImageTags},
}

does(reference) := sprintf("uses image %q, whose tag cannot be read", [reference]) if {
	unreadable(reference)
} else := sprintf(
	"uses image %q with tag %s; disallowed: %s",
	[reference, tag(reference), finding.listed(input.parameters.disallowedImageTags)],
)
