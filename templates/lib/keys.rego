# METADATA
# title: Labels and annotations that must be there
# description: >-
#   A demand is {key, allowedRegex?}; `field` is labels or annotations. One finding for each key that is missing or has
#   a value that does not match.
# related_resources:
# - https://github.com/google/re2/wiki/Syntax
package lib.keys

import data.lib.finding

# Whether the object is of one of these kinds. A constraint matches the kinds of all its rules.
watched(kinds) if {
	some kind in kinds
	kind.kind == input.review.kind.kind
	kind.group == input.review.kind.group
}

faults(field, demands) := missing(field, demands) | mismatched(field, demands)

missing(field, demands) := {fault(field, demand, null, sprintf("has no %s %q", [noun(field), demand.key])) |
	some demand in demands
	not input.review.object.metadata[field][demand.key]
}

mismatched(field, demands) := {fault(field, demand, value, does) |
	some demand in demands
	pattern := demand.allowedRegex
	value := input.review.object.metadata[field][demand.key]
	not regex.match(pattern, value)
	does := sprintf("sets %s %q to %s", [noun(field), demand.key, shown(value)])
}

noun(field) := trim_suffix(field, "s")

fault(field, demand, value, does) := finding.in_object(
	{"field": sprintf("metadata.%s[%q]", [field, demand.key]), "found": value, "allowed": demand},
	sprintf("the %s %s; %s", [input.review.kind.kind, does, must(demand)]),
)

must(demand) := sprintf("it must match %s", [demand.allowedRegex]) if {
	demand.allowedRegex
} else := "it must be set"

# An annotation may be as long as a book.
shown(value) := sprintf("%q", [value]) if {
	is_string(value)
	count(value) <= 64
} else := sprintf("%q…", [substring(value, 0, 64)]) if {
	is_string(value)
} else := sprintf("%v", [value])

# Whether the keys that are asked for have the values that they had.
same(field, demands) if {
	keys := {demand.key | some demand in demands}
	new := object.filter(object.get(input.review.object, ["metadata", field], {}), keys)
	old := object.filter(object.get(input.review.oldObject, ["metadata", field], {}), keys)
	not new != old
}
