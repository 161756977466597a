# METADATA
# title: Duplicate names in a Pod
# description: >-
#   Of two variables of one name the last one wins in silence, and of two containers of one name tools find only one.
#   Containers of all lists share their names.
# related_resources:
# - https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Container
package lib.rule.container_duplicates

import data.lib.finding
import data.lib.pod

found contains finding.in_container(
	place.list, place.i, {"field": "name", "found": place.name, "allowed": "a name of its own"},
	sprintf("(%s[%d]) has the same name as %s[%d]; each container needs its own name", [place.list, place.i, first.list, first.i]),
) if {
	count({place.name | some place in places}) < count(places)
	some k, place in places
	same := [other | some n, other in places; n < k; other.name == place.name]
	first := same[0]
}

found contains finding.in_container(
	list, i, {"field": "env", "found": repeated, "allowed": "each name once"},
	sprintf("sets %s more than once in env; each name may appear once", [finding.listed(repeated)]),
) if {
	some list in pod.lists
	some i
	env := pod.spec[list][i].env
	names := sort([object.get(variable, "name", "") | some variable in env])
	repeated := sort({name | some k, name in names; names[k + 1] == name})
	count(repeated) > 0
}

# The containers of all lists, in order.
places := [{"list": list, "i": i, "name": object.get(container, "name", "")} |
	some list in pod.lists
	some i, container in pod.spec[list]
]
