# METADATA
# title: Which standard holds
# description: >-
#   The level and the version that the constraint asks for, and what they say about the Pod as a whole.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/
package lib.standard

import data.lib.pod

restricted if input.parameters.level == "restricted"

# The N of v1.N. What is newer than every change listed here is the newest.
minor := to_number(trim_prefix(input.parameters.version, "v1.")) if {
	startswith(input.parameters.version, "v1.")
} else := 1000

# From 1.25 a Windows Pod need not set what Windows does not have.
windows if {
	minor >= 25
	pod.windows
}

# From 1.35 root in a user namespace is nobody outside. Nodes that ignore hostUsers make this unsafe, so the
# administrator can switch it off.
in_user_namespace if {
	input.parameters.userNamespacesRelaxation == true
	minor >= 35
	pod.spec.hostUsers == false
}

# A restricted control takes the place of its baseline twin: nobody gets two complaints about one field.
replaces_seccomp if {
	restricted
	minor >= 19
}

replaces_capabilities if {
	restricted
	minor >= 22
}

replaces_proc_mount if {
	restricted
	minor >= 35
}
