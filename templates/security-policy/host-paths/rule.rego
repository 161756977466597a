# METADATA
# title: Host paths
# description: >-
#   A hostPath volume shows a Pod its node's files. Paths are compared by whole segments, so /foo admits /foo/bar and
#   not /food. A path that may lead elsewhere, relative or through "..", is never admitted.
# related_resources:
# - https://kubernetes.io/docs/concepts/storage/volumes/#hostpath
package lib.rule.host_paths

import data.lib.finding
import data.lib.pod

volumes contains finding.in_pod(
	{"field": sprintf("volumes[%d].hostPath.path", [i]), "found": path, "allowed": input.parameters.allowedHostPaths},
	sprintf("volume %q has host path %q; %s", [object.get(volume, "name", ""), path, refusal(path)]),
) if {
	some i
	volume := pod.spec.volumes[i]
	volume.hostPath != null
	path := object.get(volume.hostPath, "path", "")
	not admitted(path)
}

mounts contains finding.in_container(
	list, i,
	{"field": sprintf("volumeMounts[%d].readOnly", [k]), "found": object.get(mount, "readOnly", null), "allowed": true},
	sprintf("mounts host path %q writable with volumeMounts[%d]; its readOnly must be true", [path, k]),
) if {
	some list in pod.lists
	some i, k
	mount := pod.spec[list][i].volumeMounts[k]
	path := read_only[mount.name]
	not mount.readOnly == true
}

# The paths of volumes that no entry admits but those for reading, by the name of the volume.
read_only := object.union_n([{volume.name: path} |
	some volume in pod.spec.volumes
	path := volume.hostPath.path
	admitted(path)
	not writable(path)
])

admitted(path) if {
	some entry in input.parameters.allowedHostPaths
	covers(entry, path)
}

writable(path) if {
	some entry in input.parameters.allowedHostPaths
	not entry.readOnly
	covers(entry, path)
}

covers(entry, path) if {
	startswith(cleaned(path), concat("", [trim_suffix(entry.pathPrefix, "/"), "/"]))
}

# With one slash between the segments and at both ends. Undefined for a path that may lead elsewhere; Windows nodes
# take a backslash for a slash.
cleaned(path) := concat("/", array.concat([""], array.concat(segments, [""]))) if {
	startswith(path, "/")
	not ".." in split(replace(path, "\\", "/"), "/")
	segments := [segment | some segment in split(path, "/"); not segment in {"", "."}]
}

refusal(path) := "it must start with / and have no .. in it" if {
	not cleaned(path)
} else := "no host path is allowed" if {
	count(input.parameters.allowedHostPaths) == 0
} else := sprintf("allowed: %s", [finding.listed(entries)])

entries := [sprintf("%s%s", [entry.pathPrefix, suffix]) |
	some entry in input.parameters.allowedHostPaths
	suffix := {true: " (read-only)", false: ""}[entry.readOnly]
]
