# Everything that a machine with python3 (3.11 or newer), its venv module, make and git needs in order to play and to test drillbox.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
SCENARIO ?= monday-rush
# What `make fidelity` holds against the simulation
STACK ?= local
# What needs more than this machine's Python, or all of the machine, runs on request: make test WITHOUT=
WITHOUT ?= engine or cluster or real

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help play test drills cluster soak lint format bench fidelity fidelity-kind mutations coverage clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

play: $(VENV)/.installed ## set everything up and play the first incident
	@$(BIN)/drillbox play $(SCENARIO)

test: lint ## set everything up, run the linters, the type checker and all tests that need no container engine
	@echo "drillbox: tests"
	@$(BIN)/pytest -q -n $(WORKERS) --dist worksteal $(if $(WITHOUT),-m "not ($(WITHOUT))")

drills: $(VENV)/.installed-dev ## play whole incidents on real processes, in real time; wants the machine for itself
	@echo "drillbox: whole drills in real time"
	@$(BIN)/pytest -q -m real -o faulthandler_timeout=900

cluster: $(VENV)/.installed-dev ## tests on a real container engine and a real Kubernetes cluster, where there are some; wants the machine for itself
	@echo "drillbox: tests on a real cluster"
	@$(BIN)/pytest -q -m "(cluster or engine) and not soak" -o faulthandler_timeout=1500 --durations=0 --durations-min=5 tests/cluster

soak: $(VENV)/.installed-dev ## the tests on a real cluster that take too long for every change
	@echo "drillbox: long tests on a real cluster"
	@$(BIN)/pytest -q -m soak -o faulthandler_timeout=3600 --durations=0 --durations-min=5 tests/cluster

lint: $(VENV)/.installed-dev ## linters and types only
	@echo "drillbox: ruff check"
	@$(BIN)/ruff check --quiet .
	@echo "drillbox: ruff format --check"
	@$(BIN)/ruff format --check --quiet . || { echo "drillbox: some files are not formatted: make format" >&2; exit 1; }
	@echo "drillbox: mypy"
	@$(BIN)/mypy -p drillbox --no-error-summary
	@echo "drillbox: import rules"
	@$(BIN)/lint-imports > $(VENV)/.imports.log 2>&1 || { cat $(VENV)/.imports.log; exit 1; }

format: $(VENV)/.installed-dev ## format the code and fix what can be fixed
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

bench: $(VENV)/.installed-dev ## run the benchmarks, one table
	@$(BIN)/python benchmarks/table.py

fidelity: $(VENV)/.installed-dev ## play every incident on the local stack, in real time, and hold it against the simulation (hours)
	@$(BIN)/python docs/make_fidelity.py --stack $(STACK)

fidelity-kind: $(VENV)/.installed-dev ## the same on a real cluster (five hours), and a node that is paused
	@status=0; $(BIN)/python docs/make_fidelity.py --stack kind || status=$$?; \
	  $(BIN)/drillbox fidelity tests/cluster/paused-node.yaml --stack kind --operator idle || status=$$?; exit $$status

mutations: $(VENV)/.installed-dev ## break the engine on purpose, again and again: some test must notice
	@$(BIN)/python tests/mutations.py

coverage: $(VENV)/.installed-dev ## run the tests and show which lines of which room they miss
	@$(BIN)/pytest -q -n $(WORKERS) $(if $(WITHOUT),-m "not ($(WITHOUT))") --cov --cov-report=term

clean: ## remove the virtual environment, caches and what was built
	@rm -rf $(VENV) .cache .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache \
		build dist htmlcov drillbox.egg-info
	@find drillbox sandbox stacks tui tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps say when pyproject.toml was last installed; a change of it installs again.

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "drillbox: installing into $(VENV) (the first time takes a minute or two; about 150 MB to download)"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	@echo "drillbox: installing into $(VENV), with the tools for development (the first time takes a minute or two; about 300 MB to download)"
	@$(PIP) install --editable '.[dev,local]'
	@touch $(VENV)/.installed $@

$(BIN)/python:
	@python=; for candidate in $(PYTHON) python3.13 python3.12 python3.11; do \
		if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		found=$$($(PYTHON) --version 2> /dev/null) || found='not there'; \
		echo "drillbox needs Python 3.11 or newer; $(PYTHON) is $$found." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; \
	fi; \
	if ! $$python -c 'import ensurepip, venv' 2> /dev/null; then \
		echo "drillbox needs Python's venv module: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; \
	fi; \
	echo "drillbox: creating the virtual environment $(VENV) with $$($$python --version)"; \
	$$python -m venv --clear $(VENV)
