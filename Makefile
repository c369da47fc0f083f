# Everything runs in .venv; nothing but Python 3.11+ (with venv), git and make is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types check bench bench-quick bench-verdict dist clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "whydrift needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) --version 2>&1`. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "Python's venv module is missing (on Debian: apt-get install python3-venv)" >&2; rm -rf $(VENV); exit 1; }
	@touch $@

# The stamps make a second run start at once: pip runs again only when pyproject.toml changes.
$(VENV)/.installed: $(VENV)/.python pyproject.toml
	@echo "Installing whydrift into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.developing: $(VENV)/.installed
	@echo "Installing the tools for tests and checks ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

install: $(VENV)/.installed ## install whydrift into .venv

demo: $(VENV)/.installed ## run the demonstration on real data
	@$(BIN)/whydrift demo

test: $(VENV)/.developing ## run all tests
	@$(BIN)/python -m pytest -n auto

lint: $(VENV)/.developing ## check style and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: $(VENV)/.developing ## check types
	@$(BIN)/mypy

check: lint types test ## lint, types and test

bench: $(VENV)/.developing ## measure verdicts and speed in full (about half an hour)
	@$(BIN)/python benchmarks/driftbench.py --suite small --seeds 100-109
	@$(BIN)/python benchmarks/driftbench.py --suite mid --seeds 100-101
	@$(BIN)/python benchmarks/speed.py

bench-quick: $(VENV)/.developing ## measure on one small suite (a minute or two)
	@$(BIN)/python benchmarks/driftbench.py --suite small --seeds 100
	@$(BIN)/python benchmarks/speed.py

bench-verdict: $(VENV)/.developing ## measure all that is said of verdicts (hours; QUICK=1: minutes)
	@$(BIN)/python benchmarks/verdict.py

dist: $(VENV)/.developing ## build sdist and wheel into dist/
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check build
	@$(BIN)/python -m build

clean: ## remove .venv and everything that was built
	rm -rf $(VENV) build dist src/whydrift.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache whydrift-demo
