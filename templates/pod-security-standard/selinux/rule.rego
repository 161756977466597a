# METADATA
# title: SELinux options
# description: >-
#   The type confines a container, and only types made for containers are allowed. User and role must be left alone;
#   the level is free.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
package lib.rule.selinux

import data.lib.control
import data.lib.pod
import data.lib.standard

faults contains control.in_container(list, i, path(field), demands[field], value) if {
	some list in pod.lists
	some i
	some field in ["type", "user", "role"]
	value := pod.spec[list][i].securityContext.seLinuxOptions[field]
	not value in allowed[field]
}

faults contains control.in_pod(path(field), demands[field], value) if {
	some field in ["type", "user", "role"]
	value := pod.spec.securityContext.seLinuxOptions[field]
	not value in allowed[field]
}

path(field) := sprintf("securityContext.seLinuxOptions.%s", [field])

unset := {"", null}

allowed := {"type": types | unset, "user": unset, "role": unset}

types := {"container_t", "container_init_t", "container_kvm_t", "container_engine_t"} if {
	standard.minor >= 31
} else := {"container_t", "container_init_t", "container_kvm_t"}

demands := {
	"type": sprintf("sets securityContext.seLinuxOptions.type to %%s; allowed: %s and unset", [concat(", ", types)]),
	"user": "sets securityContext.seLinuxOptions.user to %s; it must be unset",
	"role": "sets securityContext.seLinuxOptions.role to %s; it must be unset",
}
