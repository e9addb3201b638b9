# Every target makes .venv when it is missing (Python ≥ 3.11), and is quick when nothing has changed.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
  command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready
COLLECTED := .venv/.collected
DEMO_HOME ?= data/demo

.DEFAULT_GOAL := help
.PHONY: help demo web test ui check proofs bench dictionary production-rehearsal screenshots drill lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1	/' | expand -t 24

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed (make PYTHON=/path/to/python3.11)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the locked requirements into .venv (about a minute, once) …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## run the whole product on the simulator: connect, sync, transform, insight, changes
	@ZOHO_PIPELINE_HOME=$${ZOHO_PIPELINE_HOME:-$(DEMO_HOME)} $(BIN)/zoho-pipeline demo

ui: $(READY) ## open the Dagster UI on the demo's data (run `make demo` first)
	@ZOHO_PIPELINE_HOME=$${ZOHO_PIPELINE_HOME:-$(DEMO_HOME)} $(BIN)/zoho-pipeline demo --ui

web: $(READY) ## serve the demo's channel page, connect popup and API (run `make demo` first)
	@ZOHO_PIPELINE_HOME=$${ZOHO_PIPELINE_HOME:-$(DEMO_HOME)} $(BIN)/zoho-pipeline demo --web

test: $(READY) ## check style, types and import contracts, then run the tests
	@$(MAKE) --no-print-directory -j 2 check $(COLLECTED)
	@$(BIN)/pytest -q -n 4 --dist worksteal

# pytest rewrites the assertions of 600 modules once, beside the check, which needs one core. Otherwise each of its four
# workers does that. An error in a test module is shown by the tests themselves.
$(COLLECTED): $(READY)
	@$(BIN)/pytest --collect-only -qq >/dev/null 2>&1 || true
	@touch $@

check: $(READY) ## check style, types and import contracts only
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

PROOFS ?= tests

proofs: $(READY) ## run the long tests, about three hours; PROOFS=tests/ingest runs those of one folder
	@$(BIN)/pytest -q -n 2 --dist worksteal -m long $(PROOFS)

bench: $(READY) ## run the benchmarks of benchmarks/README.md
	@$(BIN)/python -m benchmarks

dictionary: $(READY) ## write docs/dictionary.md again from the yml of the marts
	@$(BIN)/python -m scripts.dictionary

production-rehearsal: $(READY) ## run Postgres, code server, daemon and webserver as processes, on a simulated Zoho
	@$(BIN)/python -W ignore -m scripts.production

screenshots: $(READY) ## take the pictures of docs/images again, in headless Chromium
	@$(BIN)/python -W ignore -m scripts.page_screenshots
	@$(BIN)/python -W ignore -m scripts.screenshots

drill: $(READY) ## kill run workers, daemon and Postgres during a sync; run two hosts at once (two minutes of CPU)
	@ZOHO_PIPELINE_DRILL=1 $(BIN)/pytest -q tests/orchestration/test_crashes.py tests/orchestration/test_two_hosts.py

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url

lock: $(READY) ## make requirements.lock and deploy/requirements.lock again from pyproject.toml (needs uv)
	@$(COMPILE) --all-extras --upgrade pyproject.toml -o requirements.lock
	@cp requirements.lock deploy/requirements.lock  # uv keeps the versions that it finds in its output
	@$(COMPILE) --extra ui --extra agents --extra k8s --extra excel pyproject.toml -o deploy/requirements.lock

clean: ## remove .venv and caches; keep data/
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist *.egg-info
