# METADATA
# title: Types of volumes
# description: >-
#   A volume's type is the name of its source; a volume with only a name is an emptyDir. The volume by which Kubernetes
#   hands a Pod its token does not count: Pods have it and their controllers do not.
# related_resources:
# - https://kubernetes.io/docs/concepts/storage/volumes/
package lib.rule.volume_types

import data.lib.finding
import data.lib.pod

found contains finding.in_pod(
	{"field": sprintf("volumes[%d].%s", [i, type]), "found": type, "allowed": input.parameters.allowedVolumes},
	sprintf("volume %q is of type %s; %s", [object.get(volume, "name", ""), type, allowed]),
) if {
	some i
	volume := pod.spec.volumes[i]
	some type in types(volume)
	not type in input.parameters.allowedVolumes
	not injected(volume)
}

# A source that is null is not there, as to the API server.
types(volume) := sources if {
	sources := {type | some type, source in volume; type != "name"; source != null}
	count(sources) > 0
} else := {"emptyDir"}

# The volume as the API server's ServiceAccount plugin makes it, with nothing else in it.
injected(volume) if {
	startswith(volume.name, "kube-api-access-")
	types(volume) == {"projected"}
	{part(source) | some source in volume.projected.sources} == {"token", "certificate", "namespace"}
}

# The token has no other audience than the API server.
part(source) := "token" if {
	object.keys(source) == {"serviceAccountToken"}
	object.get(source.serviceAccountToken, "audience", "") == ""
} else := "certificate" if {
	object.keys(source) == {"configMap"}
	source.configMap.name == "kube-root-ca.crt"
} else := "namespace" if {
	object.keys(source) == {"downwardAPI"}
	{object.get(item, ["fieldRef", "fieldPath"], "") | some item in source.downwardAPI.items} == {"metadata.namespace"}
} else := "other"

allowed := "no volume is allowed" if {
	count(input.parameters.allowedVolumes) == 0
} else := sprintf("allowed: %s", [finding.listed(input.parameters.allowedVolumes)])
