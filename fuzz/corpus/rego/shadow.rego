package a
violation[{"msg": m}] { contains := 1; m := sprintf("%v", [[x | x := [input, x | x := 1][_]]]); if = 2; every[0] }
