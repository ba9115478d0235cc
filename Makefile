# llmops.maas: `make deploy` and `make test` need Python 3.11+, make and git; everything else is set up here.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The collections that the checkout needs are taken out of this wheel, so that no Galaxy server is needed.
ANSIBLE_WHEEL := ansible==12.3.0
INVENTORY ?= inventories/embedded
PLAYBOOK := $(BIN)/ansible-playbook -i $(INVENTORY)
ARGS ?=
STEPS ?=
CASES ?=
BENCH_ARGS ?=

export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help
help: ## Show the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.runtime: requirements.txt embedded/requirements.txt Makefile
	@echo ">> Python environment in $(VENV) (about 1 min the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "llmops.maas needs Python 3.11 or newer; set PYTHON=/path/to/python3")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r embedded/requirements.txt
	@$(BIN)/python tests/tools/link_collection.py --wheel '$(ANSIBLE_WHEEL)' --collection kubernetes.core
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@echo ">> Tools for tests and checks"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.PHONY: setup
setup: $(VENV)/.runtime ## Prepare the Python environment only

.PHONY: deploy
deploy: setup ## Deploy the whole platform (INVENTORY=inventories/embedded)
	@$(PLAYBOOK) site.yml $(ARGS)

.PHONY: status
status: setup ## Show what is running
	@$(PLAYBOOK) playbooks/status.yml $(ARGS)

.PHONY: verify
verify: setup ## Prove by requests who may do what
	@$(PLAYBOOK) playbooks/verify.yml $(ARGS)

.PHONY: teardown
teardown: setup ## Remove what site.yml made
	@$(PLAYBOOK) playbooks/teardown.yml $(ARGS)

.PHONY: down
down: setup ## Stop the embedded cluster
	@$(PLAYBOOK) embedded/playbooks/down.yml $(ARGS)

.PHONY: tools
tools: setup ## Get or build the programs of the embedded cluster, without starting it
	@$(BIN)/ansible-playbook embedded/playbooks/tools.yml -e '{"embedded_cluster_controllers": $(ALL_CONTROLLERS)}' $(ARGS)

# What the tests run for real, more than a deployment needs.
ALL_CONTROLLERS := ["pilot-discovery", "kserve-manager", "kuadrant-operator", "authorino-operator", "authorino", \
	"limitador-operator", "llm-d-inference-sim", "prometheus-operator", "prometheus-config-reloader", \
	"prometheus", "seaweedfs"]
TYPING := .cache/typing/ansible_collections/llmops

.PHONY: test
test: lint unit range integration molecule ## Run every check and test

.PHONY: lint
lint: style types ansible changelog ## Style, types, Ansible, documentation and changelog

.PHONY: style
style: $(VENV)/.dev ## Style of Python
	@echo ">> ruff"
	@ruff check .
	@ruff format --check --quiet .
	@python tests/tools/house_style.py

.PHONY: types
types: $(VENV)/.dev ## Types of Python
	@echo ">> mypy"
	@mkdir -p $(TYPING) && ln -sfn $(CURDIR) $(TYPING)/maas && ln -sfn $(CURDIR)/embedded $(TYPING)/embedded
	@mypy -p ansible_collections.llmops.maas.plugins
	@mypy -p ansible_collections.llmops.embedded.plugins
	@MYPYPATH=embedded/roles/embedded_cluster/files mypy -p stand_ins
	@mypy -p benchmarks

.PHONY: ansible
ansible: $(VENV)/.dev ## Playbooks, roles and the documentation of plugins
	@echo ">> ansible-lint"
	@ansible-lint
	@echo ">> documentation"
	@antsibull-docs lint-collection-docs --plugin-docs .
	@antsibull-docs lint-collection-docs --plugin-docs embedded

.PHONY: changelog
changelog: $(VENV)/.dev ## Changelog, and whether this change has a fragment
	@echo ">> changelog"
	@antsibull-changelog lint
	@python tests/tools/changelog_fragments.py

.PHONY: docs
docs: $(VENV)/.dev ## Write READMEs of roles and the changelog's lists of plugins anew
	@python tests/tools/role_readmes.py
	@python tests/tools/changelog_plugins.py

.PHONY: unit
unit: $(VENV)/.dev ## Tests that need no server
	@echo ">> unit tests"
	@python -m pytest -q --numprocesses 2 --dist loadfile tests/unit tests/docs embedded/tests/unit

.PHONY: sanity
sanity: $(VENV)/.dev ## ansible-test sanity
	@echo ">> ansible-test sanity"
	@tests/tools/sanity.sh

.PHONY: range
range: $(VENV)/.dev tools ## Sanity, unit tests and site.yml on the oldest and the newest ansible-core (STEPS='sanity units')
	@echo ">> both ends of the range of ansible-core (about 11 min)"
	@python tests/tools/ansible_range.py $(STEPS)

.PHONY: integration
integration: $(VENV)/.dev tools ## Tests against a real API server and the deployed platform
	@echo ">> integration tests (about 30 min)"
	@python -m pytest -q tests/integration embedded/tests/integration --durations=10

.PHONY: keycloak
keycloak: $(VENV)/.dev tools ## Tests of tokens with a real Keycloak (needs Java 17 and Maven)
	@tests/tools/keycloak.sh

.PHONY: molecule
molecule: $(VENV)/.dev tools ## Molecule scenarios on the embedded cluster
	@echo ">> molecule"
	@molecule test --all

.PHONY: bench
bench: $(VENV)/.dev tools ## Measure against kubectl and kubernetes.core (CASES=wait-latency)
	@echo ">> benchmarks (about 80 min)"
	@python -m benchmarks --cases '$(CASES)' $(BENCH_ARGS)

.PHONY: clean
clean: ## Remove what was generated in the checkout
	@rm -rf $(VENV) .cache build .ansible

.PHONY: clean-cache
clean-cache: ## Remove programs, manifests and all else in the cache (make down first)
	@rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/llmops-maas"
