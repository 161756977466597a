# METADATA
# title: DNS on the host network
# description: >-
#   On the host's network a Pod resolves names as its node does, and finds no Service, unless its DNS policy is
#   ClusterFirstWithHostNet.
# related_resources:
# - https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-s-dns-policy
package lib.rule.dns_policy

import data.lib.finding
import data.lib.pod

found contains finding.in_pod(
	{"field": "dnsPolicy", "found": policy, "allowed": ["ClusterFirstWithHostNet"]},
	sprintf("the Pod sets hostNetwork to true with dnsPolicy %s; dnsPolicy must be ClusterFirstWithHostNet", [policy]),
) if {
	pod.spec.hostNetwork == true
	policy := object.get(pod.spec, "dnsPolicy", "ClusterFirst")
	policy != "ClusterFirstWithHostNet"
}
