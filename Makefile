# Everything one does in this folder. `make help` lists it.

# The environment's own Python where there is one: the machine's may be older.
PYTHON ?= $(or $(wildcard .venv/bin/python),python3)
IN := .venv/bin/

.DEFAULT_GOAL := help
.PHONY: help run setup test check check-chart bench freeze clean

help: ## List these, and where the other commands are
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  .venv/bin/soulfra --help lists the commands: run, stop, reset, doctor, upload, ..."

run: ## Start everything on this machine and say how to use it; Ctrl-C stops it
	@$(PYTHON) cli/setup.py run
	@$(IN)soulfra run

setup: ## Set up what tests and checks need: the locked packages, a Java runtime, Kafka's jars
	@$(PYTHON) cli/setup.py dev
	@$(IN)python -m cli.local.java

test: setup ## Prove everything, on real brokers, Redis servers and processes, two files at a time (ARGS="-k trust -x")
	$(IN)pytest -n 2 --dist loadfile $(ARGS)

check: setup ## Format, lint, types, imports and contracts
	$(IN)ruff format --check .
	$(IN)ruff check .
	$(IN)mypy
	$(IN)lint-imports
	$(IN)soulfra schemas check

check-chart: ## Lint and render the Helm chart
	helm/check.sh

bench: setup ## Measure the journey of an upload
	$(IN)soulfra bench journey

freeze: setup ## Freeze the contracts of new or grown events
	$(IN)soulfra schemas freeze

clean: ## Delete caches and builds; keeps .data, .venv and Kafka's jars
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
