package a

import data.lib.b

violation[{"msg": msg, "details": {"x": x}}] {
  container := input.review.object.spec.containers[_]
  not startswith(container.image, "registry.example.com/")
  x := [y | y := container.ports[i].containerPort; i > 0]
  msg := sprintf("%v is not allowed: %d", [container.image, count(x)])
}

default f = false

f = true { walk(input, [p, 1]) }
else = 2 { input.a with input.a as 3 }
