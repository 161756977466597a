# METADATA
# title: Volume types
# description: >-
#   A hostPath volume is a part of the node. Restricted Pods use only volumes that hold nothing but their own data, or
#   what a PersistentVolumeClaim was given. A volume with only a name is an emptyDir.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
package lib.rule.volumes

import data.lib.control
import data.lib.pod

host_path contains control.in_volume(i, "hostPath", "is of type %s; allowed: every other type") if {
	some i
	pod.spec.volumes[i].hostPath != null
}

# A type that is not known here is none of those that are allowed.
restricted contains control.in_volume(i, type, demand) if {
	some i, type
	source := pod.spec.volumes[i][type]
	source != null
	type != "name"
	not type in allowed
}

allowed := {
	"configMap",
	"csi",
	"downwardAPI",
	"emptyDir",
	"ephemeral",
	"image",
	"persistentVolumeClaim",
	"projected",
	"secret",
}

demand := sprintf("is of type %%s; allowed: %s", [concat(", ", allowed)])
