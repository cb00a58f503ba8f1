# The front door. `make help` lists what is behind it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

# Tests start hundreds of processes: what one has compiled, the others need not compile again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run check style types layers docs test mutation bench lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.server ## the server and the guest, from the lock file
run: $(VENV)/.server ## the demo: AS, KBS and console on http://127.0.0.1:8080
	@$(BIN)/vouchgate demo

check: style types layers docs ## style, types, layers, docs
style: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
types: $(VENV)/.test
	$(BIN)/mypy
layers: $(VENV)/.test
	$(BIN)/lint-imports
docs: $(VENV)/.test
	$(BIN)/python -m pytest -q tests/meta

test: $(VENV)/.test ## everything the tests need, then all tests
	tests/system-packages
	$(BIN)/python -m pytest -n 2 --dist worksteal

mutation: $(VENV)/.test ## every change of accepted evidence is refused: counts for each TEE, in minutes
	PYTHONPATH=.:tests $(BIN)/python -m mutations

bench: $(VENV)/.test ## throughput, latency and CPU of a server as users run it
	$(BIN)/python bench/run.py
	$(BIN)/python bench/crowd.py
	PYTHONPATH=.:tests $(BIN)/python -W ignore::DeprecationWarning bench/verification.py

translations: $(VENV)/.test ## gather what the console says, for translators
	$(BIN)/python tests/translations.py

lock: $(VENV)/.test ## resolve the requirements again, with hashes
	for set in server guest test; do \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command "make lock" \
	    requirements/$$set.in --output-file requirements/$$set.txt; \
	done

clean: ## remove what can be made again; var/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info guest/*.egg-info

# A stamp says which lock files an environment was made from, so a second run installs nothing.
$(VENV)/.server: requirements/server.txt pyproject.toml guest/pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --require-hashes -r requirements/server.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e ./guest -e .
	touch $@

$(VENV)/.test: $(VENV)/.server requirements/test.txt
	$(PIP) install --quiet --require-hashes -r requirements/test.txt
	touch $@
