# METADATA
# title: Signatures of images
# description: >-
#   Asks the verifier about the images that a policy may cover, and refuses those that it does not explicitly pass. Which
#   images are covered, and whether they are signed, the verifier decides: this template asks about too many images rather
#   than too few. An error, an answer that cannot be read and silence refuse.
# related_resources:
# - https://open-policy-agent.github.io/gatekeeper/website/docs/externaldata
# - https://github.com/sigstore/cosign
package gatewright.d8verifyimagesignatures

import data.lib.finding
import data.lib.image
import data.lib.pod
import data.lib.update

violation contains refused(reference, result) if {
	not update.let_through
	count(asked) <= most
	some reference in asked
	not passed(reference)
	result := outcome(reference)
	not awaited(result)
}

violation contains finding.with_help(msg, details) if {
	not update.let_through
	count(asked) > most
	msg := concat("", [prefix, sprintf("it exceeds a limit: %d images to verify, at most %d", [count(asked), most])])
	details := {
		"rule": "verifyImageSignatures",
		"container": null,
		"field": pod.path,
		"found": count(asked),
		"allowed": most,
		"class": "limit",
		"digest": "",
	}
}

prefix := "[verify-image-signatures] Image signature verification failed: "

# The verifier takes 256 keys in a request.
most := 64

# Each image with where it stands: the number of its list and the place in it. A set is sorted, so the first place of an
# image is the first in the Pod.
place contains [reference, number, i] if {
	some number, list in pod.lists
	some i
	reference := pod.spec[list][i].image
	reference != ""
}

place contains [reference, count(pod.lists), i] if {
	some i
	reference := pod.spec.volumes[i].image.reference
	reference != ""
}

# The images that the object had before. What was admitted then is not asked about again.
before contains reference if {
	input.review.operation == "UPDATE"
	some list in pod.lists
	reference := pod.old_spec[list][_].image
}

before contains reference if {
	input.review.operation == "UPDATE"
	reference := pod.old_spec.volumes[_].image.reference
}

# The images to ask about.
asked contains reference if {
	some [reference, _, _] in place
	not reference in before
	not let_be(reference)
}

# What is surely covered by no entry: a name in Docker's grammar whose repository none compares to. Tags and digests do not
# decide here. Both lists are looked for first: `not` over what is not there is true, and would leave out every image.
let_be(reference) if {
	is_plain(reference)
	name := image.full_name(reference)
	covers := input.parameters.covers
	covers.repositories
	covers.prefixes
	not name in covers.repositories
	not strings.any_prefix_match(name, covers.prefixes)
}

# A name in Docker's grammar that has only one spelling. An ID of an image is not a name.
is_plain(reference) if {
	regex.match(plain, reference)
	not regex.match(`^(?:[^/]*/)?[^/]*:443/`, reference)
	not image.is_id(reference)
	not regex.match(`^[0-9a-f]{64}$`, reference)
}

plain := concat("", [
	`^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*(?::[1-9][0-9]{0,4})?/)?`,
	`[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*`,
	`(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?(?:@sha256:[0-9a-f]{64})?$`,
])

# The key of an image in the request. Gatekeeper keeps a pass for three minutes under its key: the revision ends that when
# the policy changes, the window after half a minute where a tag may move.
keys[reference] := json.marshal({
	"constraint": input.parameters.constraint,
	"image": reference,
	"revision": input.parameters.revision,
	"wait": somebody_waits,
	"window": window(reference),
}) if {
	some reference in asked
}

default somebody_waits := false

# Audit has no operation.
somebody_waits if input.review.operation != ""

window(reference) := 0 if {
	contains(reference, "@")
} else := floor(time.now_ns() / 30000000000)

answer := external_data({
	"provider": "gatewright-verifier",
	"keys": [key | some key in keys],
})

# Exactly one answer to its own key, and that a pass.
passed(reference) if {
	classes := {value |
		pair := answer.responses[_]
		pair[0] == keys[reference]
		value := pair[1]
	}
	count(classes) == 1
	some value in classes
	value["class"] in {"verified", "not-covered"}
}

outcome(reference) := result if {
	result := json.unmarshal(answer.system_error)[reference]
	is_string(result["class"])
	is_string(result.text)
} else := {
	"class": "unavailable",
	"text": "the verifier does not answer",
}

# Whoever makes a Deployment waits for its Pods anyway, and audit looks again: an unfinished check refuses Pods alone.
awaited(result) if {
	result["class"] == "in-progress"
	not pod.is_pod
}

awaited(result) if {
	result["class"] == "in-progress"
	not somebody_waits
}

refused(reference, result) := finding.with_help(msg, details) if {
	places := [it | some it in place; it[0] == reference]
	found := standing(places[0][1], places[0][2])
	msg := concat("", [prefix, shown(reference), ": ", result.text, " (", found.holder, ")"])
	details := {
		"rule": "verifyImageSignatures",
		"container": found.container,
		"field": found.field,
		"found": reference,
		"allowed": object.get(result, "reference", ""),
		"class": result["class"],
		"digest": object.get(result, "digest", ""),
	}
}

standing(number, i) := {
	"holder": sprintf("%s %q", [finding.nouns[list], name]),
	"container": name,
	"field": sprintf("%s.%s[%d].image", [pod.path, list, i]),
} if {
	list := pod.lists[number]
	name := object.get(pod.spec[list][i], "name", "")
} else := {
	"holder": sprintf("volume %q", [object.get(pod.spec.volumes[i], "name", "")]),
	"container": null,
	"field": sprintf("%s.volumes[%d].image.reference", [pod.path, i]),
}

# What is no plain name may hold anything: it is quoted. Audit cuts a message at 256 bytes, so a long name is shortened.
shown(reference) := shortened(reference) if {
	is_plain(reference)
} else := sprintf("%q", [shortened(reference)])

shortened(reference) := concat("", [
	substring(reference, 0, 59),
	"…",
	substring(reference, count(reference) - 60, -1),
]) if {
	count(reference) > 120
} else := reference
