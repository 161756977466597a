# METADATA
# title: No exec into the platform's own Pods
# description: >-
#   Refuses exec and attach to Pods that carry the label heritage=deckhouse. A CONNECT request carries no Pod, so the
#   labels come from Gatekeeper's inventory.
# related_resources:
# - https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
package gatewright.d8denyexecheritage

violation contains {"msg": msg} if {
	verb := verbs[input.review.kind.kind]
	input.review.operation == "CONNECT"
	not exempt
	some reason in reasons
	msg := sprintf("%s Pod %s/%s is refused: %s", [verb, input.review.namespace, input.review.name, reason])
}

# What is asked of a Pod, by the kind of the request's options. On audit neither these kinds nor an operation exist.
verbs := {"PodExecOptions": "exec into", "PodAttachOptions": "attach to"}

reasons contains reason if {
	pod.metadata.labels.heritage == "deckhouse"
	reason := concat("", [
		"it belongs to the platform (label heritage=deckhouse), and only ",
		concat(", ", array.concat(input.parameters.exemptUsers, accounts)),
		" may enter it; kubectl logs and kubectl describe still work",
	])
}

reasons contains reason if {
	input.parameters.unknownPods == "deny"
	not known
	not may_be_unknown
	reason := concat("", [
		"Gatekeeper has not seen this Pod yet and cannot tell whether it belongs to the platform; ",
		"try again in a few seconds",
	])
}

pod := data.inventory.namespace[input.review.namespace].v1.Pod[input.review.name]

known if pod.metadata.name

# Gatekeeper's Config keeps the Pods of these namespaces out of the inventory, so trying again would not help.
may_be_unknown if {
	some pattern in input.parameters.unknownPodsAllowedIn
	glob.match(pattern, [], input.review.namespace)
}

exempt if input.review.userInfo.username in input.parameters.exemptUsers

# The account's name says nothing: whoever may create one chooses it.
exempt if {
	parts := split(input.review.userInfo.username, ":")
	count(parts) == 4
	array.slice(parts, 0, 2) == ["system", "serviceaccount"]
	some pattern in input.parameters.exemptServiceAccountNamespaces
	glob.match(pattern, [], parts[2])
}

accounts := [account |
	some pattern in input.parameters.exemptServiceAccountNamespaces
	account := sprintf("system:serviceaccount:%s:*", [pattern])
]
