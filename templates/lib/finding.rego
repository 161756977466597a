# METADATA
# title: What a rule found, and how people read it
# description: >-
#   A rule reports findings; the entry turns each into a violation. Every message and all details are made here.
package lib.finding

import data.lib.pod

nouns := {
	"containers": "container",
	"initContainers": "init container",
	"ephemeralContainers": "ephemeral container",
}

# About a field of the container at `list[i]`. `does` is the rest of a sentence that begins with the container.
in_container(list, i, finding, does) := object.union(finding, {
	"container": name,
	"field": sprintf("%s.%s[%d].%s", [pod.path, list, i, finding.field]),
	"sentence": sprintf("%s %q %s", [nouns[list], name, does]),
}) if {
	name := object.get(pod.spec[list][i], "name", "")
}

# About a field of the pod spec itself.
in_pod(finding, sentence) := object.union(finding, {
	"container": null,
	"field": sprintf("%s.%s", [pod.path, finding.field]),
	"sentence": sentence,
})

# About a field of an object that is no workload.
in_object(finding, sentence) := object.union(finding, {"container": null, "sentence": sentence})

# `rule` is the field of the policy, so that the person refused knows which line of the policy did it.
violation(rule, finding) := with_help(sprintf("%s: %s", [rule, finding.sentence]), {
	"rule": rule,
	"container": finding.container,
	"field": finding.field,
	"found": finding.found,
	"allowed": finding.allowed,
})

# A violation whose message ends with where the person refused can ask.
with_help(msg, details) := {
	"msg": sprintf("%s (help: %s)", [msg, url]),
	"details": object.union(details, {"help": url}),
} if {
	url := input.parameters.helpUrl
} else := {"msg": msg, "details": details}

# "a, b and 3 more": audit cuts a message at 256 bytes.
listed(names) := concat(", ", names) if {
	count(names) <= 6
} else := sprintf("%s and %d more", [concat(", ", array.slice(names, 0, 5)), count(names) - 5])
