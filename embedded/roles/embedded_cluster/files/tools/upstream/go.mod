module llmops.maas/tools/upstream

go 1.24.0

require (
	github.com/kuadrant/dns-operator v0.17.1
	sigs.k8s.io/gateway-api v1.3.0
)
