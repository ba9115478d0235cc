module llmops.maas/tools/controllers

go 1.26.4

require (
	github.com/kuadrant/authorino v0.25.0
	github.com/kuadrant/authorino-operator v0.26.0
	github.com/kuadrant/kuadrant-operator v1.5.2
	github.com/kuadrant/limitador-operator v0.18.3
	github.com/llm-d/llm-d-inference-sim v0.10.2
)
