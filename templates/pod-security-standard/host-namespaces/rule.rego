# METADATA
# title: Host namespaces
# description: >-
#   A Pod in a namespace of its node sees the processes, memory or traffic of everything else there.
# related_resources:
# - https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
package lib.rule.host_namespaces

import data.lib.control
import data.lib.pod

faults contains control.in_pod("hostNetwork", demand, "hostNetwork") if pod.spec.hostNetwork == true

faults contains control.in_pod("hostPID", demand, "hostPID") if pod.spec.hostPID == true

faults contains control.in_pod("hostIPC", demand, "hostIPC") if pod.spec.hostIPC == true

demand := "sets %s to true; allowed: false and unset"
