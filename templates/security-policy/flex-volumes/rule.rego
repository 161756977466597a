# METADATA
# title: Drivers of flex volumes
# description: >-
#   A flexVolume runs its driver, a program on the node, with the rights of the kubelet.
# related_resources:
# - https://kubernetes.io/docs/concepts/storage/volumes/#flexvolume
package lib.rule.flex_volumes

import data.lib.finding
import data.lib.pod

found contains finding.in_pod(
	{"field": sprintf("volumes[%d].flexVolume.driver", [i]), "found": driver, "allowed": input.parameters.allowedFlexVolumes},
	sprintf("volume %q uses the flexVolume driver %q; %s", [object.get(volume, "name", ""), driver, allowed]),
) if {
	some i
	volume := pod.spec.volumes[i]
	volume.flexVolume != null
	driver := object.get(volume.flexVolume, "driver", "")
	not driver in input.parameters.allowedFlexVolumes
}

allowed := "no driver is allowed" if {
	count(input.parameters.allowedFlexVolumes) == 0
} else := sprintf("allowed: %s", [finding.listed(input.parameters.allowedFlexVolumes)])
