# METADATA
# title: What a control found, and how people read it
# description: >-
#   A control collects faults: where each is and what is wrong, with %s in place of the value found. They become one
#   violation, with one sentence for everything of which the same is wrong.
package lib.control

import data.lib.finding
import data.lib.pod

in_container(list, i, field, demand, found) := {
	"noun": "container",
	"name": object.get(pod.spec[list][i], "name", ""),
	"field": sprintf("%s.%s[%d].%s", [pod.path, list, i, field]),
	"demand": demand,
	"found": found,
}

in_pod(field, demand, found) := {
	"noun": "Pod",
	"name": "",
	"field": sprintf("%s.%s", [pod.path, field]),
	"demand": demand,
	"found": found,
}

in_volume(i, type, demand) := {
	"noun": "volume",
	"name": object.get(pod.spec.volumes[i], "name", ""),
	"field": sprintf("%s.volumes[%d].%s", [pod.path, i, type]),
	"demand": demand,
	"found": type,
}

in_annotation(key, demand, value) := {
	"noun": "annotation",
	"name": key,
	"field": sprintf("%smetadata.annotations[%q]", [trim_suffix(pod.path, "spec"), key]),
	"demand": demand,
	"found": value,
}

violation(control, faults) := finding.with_help(sprintf("%s: %s", [control, concat("; ", sentences(faults))]), {
	"control": control,
	"containers": sort({fault.name | some fault in faults; fault.noun == "container"}),
	"fields": sort({fault.field | some fault in faults}),
})

sentences(faults) := [sentence |
	some demand in sort({fault.demand | some fault in faults})
	same := {fault | some fault in faults; fault.demand == demand}
	found := sort({json.marshal(fault.found) | some fault in same})
	sentence := sprintf("%s %s", [who(same), replace(agreeing(same, demand), "%s", finding.listed(found))])
]

# What is wrong is written with the verb of one: of several, "sets" becomes "set".
agreeing(faults, demand) := demand if {
	count({[fault.noun, fault.name] | some fault in faults}) == 1
} else := concat(" ", array.concat([verb], array.slice(words, 1, count(words)))) if {
	words := split(demand, " ")
	verb := object.get(of_several, words[0], words[0])
}

of_several := {"sets": "set", "adds": "add", "is": "are"}

# the Pod and containers "a", "b"
who(faults) := concat(" and ", [subject |
	some noun in ["Pod", "container", "volume", "annotation"]
	names := sort({json.marshal(fault.name) | some fault in faults; fault.noun == noun})
	count(names) > 0
	subject := named(noun, names)
])

named(noun, names) := "the Pod" if {
	noun == "Pod"
} else := sprintf("%s %s", [noun, names[0]]) if {
	count(names) == 1
} else := sprintf("%ss %s", [noun, finding.listed(names)])
