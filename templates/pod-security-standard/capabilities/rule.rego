# METADATA
# title: Linux capabilities
# description: >-
#   Capabilities are the parts of root's power. The standards compare names exactly, as they are written.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
package lib.rule.capabilities

import data.lib.control
import data.lib.pod

# What a container runtime gives by default, without NET_RAW.
defaults := {
	"AUDIT_WRITE",
	"CHOWN",
	"DAC_OVERRIDE",
	"FOWNER",
	"FSETID",
	"KILL",
	"MKNOD",
	"NET_BIND_SERVICE",
	"SETFCAP",
	"SETGID",
	"SETPCAP",
	"SETUID",
	"SYS_CHROOT",
}

baseline contains control.in_container(list, i, "securityContext.capabilities.add", demand, name) if {
	some list in pod.lists
	some i, k
	name := pod.spec[list][i].securityContext.capabilities.add[k]
	not name in defaults
	demand := sprintf("adds %%s in securityContext.capabilities.add; allowed: %s", [concat(", ", defaults)])
}

restricted contains control.in_container(list, i, "securityContext.capabilities.add", demand, name) if {
	some list in pod.lists
	some i, k
	name := pod.spec[list][i].securityContext.capabilities.add[k]
	name != "NET_BIND_SERVICE"
	demand := "adds %s in securityContext.capabilities.add; allowed: NET_BIND_SERVICE"
}

restricted contains control.in_container(list, i, "securityContext.capabilities.drop", demand, null) if {
	some list in pod.lists
	some i
	container := pod.spec[list][i]
	not container.securityContext.capabilities.drop[0] == "ALL"
	drop := object.get(container, ["securityContext", "capabilities", "drop"], [])
	not "ALL" in drop
	demand := `must set securityContext.capabilities.drop to ["ALL"]`
}
