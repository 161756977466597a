module gatewright.io/e2e/tools/reports

go 1.26.0

// Nothing is built from these: only the CRDs that they carry are taken. So `go mod tidy` would empty this file.
require (
	github.com/kyverno/kyverno v1.19.1
	github.com/openreports/reports-api v0.2.1
)
