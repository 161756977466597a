# METADATA
# title: Required labels
# description: >-
#   Objects of the watched kinds carry these labels, with values that match.
# related_resources:
# - https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
package lib.rule.required_labels

import data.lib.keys

found contains fault if {
	keys.watched(input.parameters.requiredLabels.watchKinds)
	some fault in keys.faults("labels", input.parameters.requiredLabels.labels)
}

unchanged if {
	input.review.operation == "UPDATE"
	keys.same("labels", input.parameters.requiredLabels.labels)
}
