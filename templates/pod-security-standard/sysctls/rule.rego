# METADATA
# title: Sysctls
# description: >-
#   Most sysctls change the node. Those that belong to the Pod's own namespaces are allowed, more of them with every
#   version.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
package lib.rule.sysctls

import data.lib.control
import data.lib.pod
import data.lib.standard

faults contains control.in_pod(sprintf("securityContext.sysctls[%d].name", [i]), demand, name) if {
	some i
	name := object.get(pod.spec.securityContext.sysctls[i], "name", "")
	not name in allowed
}

demand := "sets sysctl %s in securityContext.sysctls; allowed: only those known to be safe"

allowed := always | {name |
	some step in added
	standard.minor >= step.since
	some name in step.names
}

always := {
	"kernel.shm_rmid_forced",
	"net.ipv4.ip_local_port_range",
	"net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ping_group_range",
	"net.ipv4.tcp_syncookies",
}

added := [
	{"since": 27, "names": ["net.ipv4.ip_local_reserved_ports"]},
	{"since": 29, "names": ["net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"]},
	{"since": 29, "names": ["net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time"]},
	{"since": 32, "names": ["net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"]},
	{"since": 37, "names": ["net.ipv4.tcp_notsent_lowat", "net.ipv4.tcp_slow_start_after_idle"]},
]
