# METADATA
# title: Pod Security Standards
# description: >-
#   One violation per control that fails. Each control is named, replaced and dated as Kubernetes does it.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/
package gatewright.d8podsecuritystandard

import data.lib.control
import data.lib.pod
import data.lib.rule.apparmor
import data.lib.rule.capabilities
import data.lib.rule.host_namespaces
import data.lib.rule.host_ports
import data.lib.rule.host_probes
import data.lib.rule.non_root
import data.lib.rule.privilege_escalation
import data.lib.rule.privileged
import data.lib.rule.proc_mount
import data.lib.rule.seccomp
import data.lib.rule.selinux
import data.lib.rule.sysctls
import data.lib.rule.volumes
import data.lib.standard
import data.lib.update

violation contains v if {
	not update.let_through
	count(by_spec) > 0
	not update.same_judged({"ephemeralContainers"})
	some v in by_spec
}

# These controls read annotations too, so the same pod spec alone is no reason to let an UPDATE through.
violation contains v if {
	not update.deleting
	count(by_annotations) > 0
	not unchanged
	some v in by_annotations
}

unchanged if {
	update.same_pod({"ephemeralContainers"})
	not judged(pod.annotations) != judged(pod.old_annotations)
}

# Annotations that name a profile.
judged(annotations) := {key: value |
	some key, value in annotations
	some prefix in [apparmor.prefix, seccomp.container_prefix, seccomp.pod_annotation]
	startswith(key, prefix)
}

by_annotations contains control.violation("appArmorProfile", apparmor.faults) if {
	count(apparmor.faults) > 0
}

by_annotations contains control.violation("seccompProfile_baseline", seccomp.annotated) if {
	standard.minor < 19
	count(seccomp.annotated) > 0
}

by_spec contains control.violation("hostNamespaces", host_namespaces.faults) if {
	count(host_namespaces.faults) > 0
}

by_spec contains control.violation("privileged", privileged.privileged) if {
	count(privileged.privileged) > 0
}

by_spec contains control.violation("capabilities_baseline", capabilities.baseline) if {
	not standard.replaces_capabilities
	count(capabilities.baseline) > 0
}

by_spec contains control.violation("hostPathVolumes", volumes.host_path) if {
	not standard.restricted
	count(volumes.host_path) > 0
}

by_spec contains control.violation("hostPorts", host_ports.faults) if {
	count(host_ports.faults) > 0
}

by_spec contains control.violation("hostProbesAndHostLifecycle", host_probes.faults) if {
	standard.minor >= 34
	count(host_probes.faults) > 0
}

by_spec contains control.violation("seLinuxOptions", selinux.faults) if {
	count(selinux.faults) > 0
}

by_spec contains control.violation("procMount", proc_mount.faults) if {
	not standard.replaces_proc_mount
	not standard.in_user_namespace
	count(proc_mount.faults) > 0
}

by_spec contains control.violation("seccompProfile_baseline", seccomp.forbidden) if {
	standard.minor >= 19
	not standard.restricted
	count(seccomp.forbidden) > 0
}

by_spec contains control.violation("sysctls", sysctls.faults) if {
	count(sysctls.faults) > 0
}

by_spec contains control.violation("windowsHostProcess", privileged.host_process) if {
	count(privileged.host_process) > 0
}

by_spec contains control.violation("restrictedVolumes", volumes.restricted) if {
	standard.restricted
	count(volumes.restricted) > 0
}

by_spec contains control.violation("runAsNonRoot", non_root.run_as_non_root) if {
	standard.restricted
	not standard.in_user_namespace
	count(non_root.run_as_non_root) > 0
}

by_spec contains control.violation("runAsUser", non_root.run_as_user) if {
	standard.restricted
	standard.minor >= 23
	not standard.in_user_namespace
	count(non_root.run_as_user) > 0
}

by_spec contains control.violation("allowPrivilegeEscalation", privilege_escalation.faults) if {
	standard.restricted
	standard.minor >= 8
	not standard.windows
	count(privilege_escalation.faults) > 0
}

by_spec contains control.violation("seccompProfile_restricted", seccomp.restricted) if {
	standard.replaces_seccomp
	not standard.windows
	count(seccomp.restricted) > 0
}

by_spec contains control.violation("capabilities_restricted", capabilities.restricted) if {
	standard.replaces_capabilities
	not standard.windows
	count(capabilities.restricted) > 0
}

by_spec contains control.violation("procMount_restricted", proc_mount.faults) if {
	standard.replaces_proc_mount
	count(proc_mount.faults) > 0
}
