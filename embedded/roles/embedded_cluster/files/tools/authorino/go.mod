module llmops.maas/tools/authorino

go 1.25.7

require github.com/kuadrant/authorino v0.25.0
