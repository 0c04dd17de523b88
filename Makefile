# kaapana-multimodal: `make demo` shows the main job end to end, `make test` proves it.
SHELL := /bin/bash
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: help env demo up down test check format lock stage conformance bench clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */|/' | awk -F'|' '{printf "  make %-9s %s\n", $$1, $$2}'

env: .venv/.ready  ## build .venv with everything pinned by requirements.lock
.venv/.ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "install Python 3.11 (Debian: apt-get install python3.11 python3.11-venv)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.8,<1"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

demo: env  ## start the servers, make a cohort, run the four workflows on Airflow, show what came out
	@$(BIN)/python -m local.demo

up: env  ## start Orthanc, HAPI FHIR and OpenSearch and leave them running
	@$(BIN)/python -m local.stack up

down:  ## stop exactly what `make up` or `make demo` started
	@test ! -x $(BIN)/python || $(BIN)/python -m local.stack down

check: env  ## format, lint and types
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

test: env check  ## unit, contract and end-to-end tests on real servers
	@$(BIN)/pytest -n 2 --dist loadfile --cov --cov-report=term

format: env  ## format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: env  ## resolve pyproject.toml anew into requirements.lock (hashes, no addresses)
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
	  --no-annotate --no-header --generate-hashes --quiet -o requirements.lock

stage: env  ## put the wheel and the files each image needs into its build context (git-ignored)
	@bash extension-chart/stage.sh

conformance: env  ## measure the IBSI phantoms anew and write docs/conformance-ibsi.md
	@$(BIN)/python -m tests.radiomics.conformance

bench: env  ## measure each figure that the README quotes
	@$(BIN)/python -m bench

clean: down  ## remove the environment and all local data
	@rm -rf .venv local/run dist build
