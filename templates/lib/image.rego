# METADATA
# title: Image references
# description: >-
#   A reference is `[domain/]path[:tag][@digest]`. Without a domain it is Docker Hub's, without a tag and digest it
#   means the tag latest.
# related_resources:
# - https://github.com/distribution/reference
package lib.image

# What stands before tag and digest. A colon before the last slash belongs to a port.
name(reference) := concat("/", array.concat(array.slice(segments, 0, last), [split(segments[last], ":")[0]])) if {
	segments := split(split(reference, "@")[0], "/")
	last := count(segments) - 1
}

# The name with its domain: nginx is docker.io/library/nginx.
full_name(reference) := with_domain(split(name(reference), "/"))

with_domain(segments) := concat("/", segments) if {
	is_domain(segments)
	not segments[0] in docker_hub
} else := concat("/", ["docker.io/library", segments[1]]) if {
	is_domain(segments)
	count(segments) == 2
} else := concat("/", array.concat(["docker.io"], array.slice(segments, 1, count(segments)))) if {
	is_domain(segments)
} else := concat("/", ["docker.io/library", segments[0]]) if {
	count(segments) == 1
} else := concat("/", array.concat(["docker.io"], segments))

docker_hub := {"docker.io", "index.docker.io", "registry-1.docker.io"}

# The first of several segments is a domain if it cannot be anything else.
is_domain(segments) if {
	count(segments) > 1
	looks_like_domain(segments[0])
}

looks_like_domain(segment) if contains(segment, ".")

looks_like_domain(segment) if contains(segment, ":")

looks_like_domain(segment) if segment == "localhost"

looks_like_domain(segment) if lower(segment) != segment

# Tag and digest as written, the default tag where there is neither.
suffix(reference) := ":latest" if {
	name(reference) == reference
} else := substring(reference, count(name(reference)), -1)

# An image ID. Runtimes look it up among the images of the node, also by the first digits, and ask no repository.
is_id(reference) if regex.match(`^sha(256|384|512):[0-9a-fA-F]+$`, reference)

# ":1.25", or nothing where only a digest is given.
tag(reference) := split(suffix(reference), "@")[0]

# "@sha256:…", or nothing.
digest(reference) := concat("", ["@", parts[1]]) if {
	parts := split(reference, "@")
	count(parts) > 1
} else := ""
