# METADATA
# title: The Pod of any workload kind
# description: >-
#   Pod rules see one pod spec, be it a Pod's own or the one in the template of a controller. Fields are reached by a
#   reference from `spec`, which is cheaper than collecting the containers first.
package lib.pod

# The lists of a pod spec that hold containers.
lists := ["containers", "initContainers", "ephemeralContainers"]

templated := {
	["apps", "Deployment"],
	["apps", "StatefulSet"],
	["apps", "DaemonSet"],
	["", "ReplicationController"],
	["batch", "Job"],
}

spec := spec_of(input.review.object)

# Undefined but on UPDATE: elsewhere oldObject is null.
old_spec := spec_of(input.review.oldObject)

spec_of(object) := object.spec if {
	is_pod
} else := template_of(object).spec

# The annotations of the Pod, or of the Pods that a controller makes.
annotations := annotations_of(input.review.object)

old_annotations := annotations_of(input.review.oldObject)

annotations_of(it) := object.get(it, ["metadata", "annotations"], {}) if {
	is_pod
} else := object.get(template_of(it), ["metadata", "annotations"], {})

template_of(object) := object.spec.template if {
	[input.review.kind.group, input.review.kind.kind] in templated
} else := object.spec.jobTemplate.spec.template if {
	input.review.kind.kind == "CronJob"
	input.review.kind.group == "batch"
}

is_pod if {
	input.review.kind.kind == "Pod"
	input.review.kind.group == ""
}

# Whether nothing fills in later what the pod spec leaves out, or the controller must set it all the same.
complete if is_pod

complete if input.parameters.podTemplates == "Strict"

windows if spec.os.name == "windows"

# Where the pod spec stands in the object.
path := "spec" if {
	is_pod
} else := "spec.jobTemplate.spec.template.spec" if {
	input.review.kind.kind == "CronJob"
} else := "spec.template.spec"
