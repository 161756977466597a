package a

import rego.v1

# METADATA
# title: a
violation contains {"msg": msg} if {
	some i, c in input.review.object.spec.containers
	every p in c.ports { p.containerPort > 1024 }
	msg := concat(", ", {m | some m in object.keys(c)})
}

f(x) := y if {
	y := x | {1, 2}
} else := `raw
`
