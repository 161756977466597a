# METADATA
# title: Required annotations
# description: >-
#   Objects of the watched kinds carry these annotations, with values that match.
# related_resources:
# - https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/
package lib.rule.required_annotations

import data.lib.keys

found contains fault if {
	keys.watched(input.parameters.requiredAnnotations.watchKinds)
	some fault in keys.faults("annotations", input.parameters.requiredAnnotations.annotations)
}

unchanged if {
	input.review.operation == "UPDATE"
	keys.same("annotations", input.parameters.requiredAnnotations.annotations)
}
