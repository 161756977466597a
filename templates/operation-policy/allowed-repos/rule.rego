# METADATA
# title: Image repositories
# description: >-
#   Images come only from known registries and repositories. The parsed reference is compared, so
#   registry.example.com admits neither registry.example.com.evil.io/x nor registry.example.com:8443/x. An image ID
#   (sha256:…) names an image of the node and no repository: no entry admits it.
# related_resources:
# - https://github.com/distribution/reference
package lib.rule.allowed_repos

import data.lib.finding
import data.lib.image
import data.lib.pod

# Nearly every image is written in full, and begins as its full name does: that is asked before it is taken apart.
found contains finding.in_container(
	list, i,
	{"field": "image", "found": reference, "allowed": input.parameters.allowedRepos.entries},
	refused(reference),
) if {
	some list in pod.lists
	some i
	container := pod.spec[list][i]
	reference := object.get(container, "image", "")
	not strings.any_prefix_match(reference, input.parameters.allowedRepos.repositories)
	not admitted(reference)
}

found contains finding.in_pod(
	{"field": sprintf("volumes[%d].image.reference", [i]), "found": reference, "allowed": input.parameters.allowedRepos.entries},
	sprintf("volume %q %s", [object.get(volume, "name", ""), refused(reference)]),
) if {
	some i
	volume := pod.spec.volumes[i]
	volume.image
	reference := object.get(volume.image, "reference", "")
	not admitted(reference)
}

admitted(reference) if {
	reference != ""
	not image.is_id(reference)
	fits(reference)
}

fits(reference) if {
	strings.any_prefix_match(concat("", [image.full_name(reference), "/"]), input.parameters.allowedRepos.repositories)
}

fits(reference) if {
	full := concat("", [image.full_name(reference), image.suffix(reference)])
	strings.any_prefix_match([reference, full], input.parameters.allowedRepos.prefixes)
}

fits(reference) if {
	some form in forms(reference)
	form in input.parameters.allowedRepos.images
}

# An entry names a tag, a digest, or both; what it names must be equal.
forms(reference) := {concat("", [full, suffix]) | some suffix in [tag, digest, concat("", [tag, digest])]} if {
	full := image.full_name(reference)
	tag := image.tag(reference)
	digest := image.digest(reference)
}

refused(reference) := sprintf("uses image %q, an image ID that names no repository; %s", [reference, allowed]) if {
	image.is_id(reference)
} else := sprintf("uses image %q; %s", [reference, allowed])

allowed := "no image is allowed" if {
	count(input.parameters.allowedRepos.entries) == 0
} else := sprintf("allowed: %s", [finding.listed(input.parameters.allowedRepos.entries)])
