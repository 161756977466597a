# METADATA
# title: Storage classes
# description: >-
#   A claim names its class in a field or in the annotation that was there before it, which still wins. Claim
#   templates are judged too, so that people learn at apply and not from missing claims.
# related_resources:
# - https://kubernetes.io/docs/concepts/storage/persistent-volumes/#class-1
package lib.rule.storage_class

import data.lib.finding

# Where a claim names its class. An empty name is a class as well: it asks for a volume without one.
places := {
	"spec.storageClassName": ["spec", "storageClassName"],
	"metadata.annotations[\"volume.beta.kubernetes.io/storage-class\"]": [
		"metadata", "annotations",
		"volume.beta.kubernetes.io/storage-class",
	],
}

found contains refused(sprintf("%s%s", [prefix(i), place]), class) if {
	some [i, place, class] in classes(input.review.object)
	not class in input.parameters.storageClassNames
}

classes(it) := {[i, place, class] |
	some i, claim in claims(it)
	some place, path in places
	class := object.get(claim, path, null)
	class != null
}

claims(it) := [it] if {
	is_claim
} else := it.spec.volumeClaimTemplates if {
	input.review.kind.kind == "StatefulSet"
	input.review.kind.group == "apps"
}

is_claim if {
	input.review.kind.kind == "PersistentVolumeClaim"
	input.review.kind.group == ""
}

prefix(i) := "" if {
	is_claim
} else := sprintf("spec.volumeClaimTemplates[%d].", [i])

refused(field, class) := finding.in_object(
	{"field": field, "found": class, "allowed": input.parameters.storageClassNames},
	sprintf("the %s sets %s to %q; %s", [input.review.kind.kind, field, class, allowed]),
)

allowed := "no class is allowed" if {
	count(input.parameters.storageClassNames) == 0
} else := sprintf("allowed: %s", [finding.listed(input.parameters.storageClassNames)])

unchanged if {
	input.review.operation == "UPDATE"
	new := classes(input.review.object)
	old := classes(input.review.oldObject)
	not new != old
}
