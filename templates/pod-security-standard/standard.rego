# METADATA
# title: Which standard holds
# description: >-
#   The level and the version that the constraint asks for.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/
package lib.standard

restricted if input.parameters.level == "restricted"

# The N of v1.N. What is newer than every change listed here is the newest.
minor := to_number(trim_prefix(input.parameters.version, "v1.")) if {
	startswith(input.parameters.version, "v1.")
} else := 1000
