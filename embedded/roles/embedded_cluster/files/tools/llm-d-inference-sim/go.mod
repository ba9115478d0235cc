module llmops.maas/tools/llm-d-inference-sim

go 1.25.7

require github.com/llm-d/llm-d-inference-sim v0.10.2
