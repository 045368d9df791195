# Two commands matter: `make demo` and `make test`. Each sets up what it needs in .venv first.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Names the folder that the environment was made for: one that was moved does not work.
READY := $(VENV)/ready
MADE_FOR := $(shell $(BIN)/python -c 'print(open("$(READY)").read().strip())' 2>/dev/null)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check simulate mutants proof bench format lock lock-check venv services lint clean

help: ## Say what there is
	@sed -nE 's/^([a-z-]+):.*## /\1\t/p' Makefile | while IFS=$$'\t' read -r target what; do \
	  printf 'make %-12s %s\n' "$$target" "$$what"; done

demo: $(READY) ## Run everything on this machine and prove the outcome; KEEP=1 leaves it running
	$(BIN)/python -m ops.sandbox.demo $(if $(KEEP),--keep)

test: lint lock-check services ## Check everything: what `make check` does, and all tests against real services
	$(BIN)/pytest

check: lint ## Format, lint, types, imports, unit and fake-backed tests: no services, under a minute
	$(BIN)/pytest -m "not integration and not e2e" $(wildcard tests/unit tests/contract)

simulate: $(READY) ## Crash the application at every step, in virtual time; SEEDS=10000 more runs are drawn
	$(BIN)/python -m tests.simulation --sweeps --pairs --seeds $(or $(SEEDS),10000)

mutants: $(READY) ## Break what guards each promise, and see that the checks notice; ONLY='NAME' for one break
	$(BIN)/python -m tests.mutants $(if $(ONLY),--only '$(ONLY)',--json proof/mutants.json)

proof: services ## Prove the promises on real parts, whatever hits them: ORDERS= TROUBLES= WORKERS= BROKERS= LEDGER= SEED= MINUTES= WORKER=
	@$(BIN)/python -m ops.proof $(if $(ORDERS),--orders $(ORDERS)) $(if $(TROUBLES),--troubles $(TROUBLES)) \
	  $(if $(WORKERS),--workers $(WORKERS)) $(if $(BROKERS),--brokers $(BROKERS)) $(if $(LEDGER),--ledger $(LEDGER)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(WORKER),--worker $(WORKER))

bench: $(READY) ## Measure speed on this machine; figures, not tests; ROWS=10000000 for the lists, ORDERS= for the checker
	$(BIN)/python -m ops.bench.bench_ledger
	$(BIN)/python -m ops.bench.bench_doubt
	$(BIN)/python -m ops.bench.bench_orders $(or $(ROWS),1000000)
	$(BIN)/python -m ops.bench.bench_checker $(or $(ORDERS),1000000)
	$(BIN)/python -m ops.bench.bench_reading

format: $(READY) ## Format the code and sort its imports
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/hadolint --failure-threshold info Dockerfile

# What `make test` needs beside Python. Nothing is skipped for want of it.
services: $(READY)
	@packages=$$(ops/checks/missing_debian_packages.sh); if [ -n "$$packages" ]; then \
	  echo "make test needs these Debian packages: $$packages" >&2; \
	  echo "Install them as root: apt-get install --no-install-recommends $$packages" >&2; exit 1; fi
	$(BIN)/python -m ops.sandbox.kafka --prepare
	$(BIN)/python -m ops.sandbox.toxiproxy --prepare

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
  --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)
# Compiles the locks in folder $(1); what is locked there stays, unless UPGRADE=1.
compile = $(COMPILE) pyproject.toml -o $(1)/requirements.lock \
  && $(COMPILE) --group build -o $(1)/requirements-build.lock \
  && $(COMPILE) pyproject.toml --group dev -o $(1)/requirements-dev.lock

lock: $(READY) ## Write the requirements*.lock files anew from pyproject.toml; UPGRADE=1 takes newer versions
	$(call compile,.)

# Hashes are left out: a new wheel of a locked version is no fault of ours.
lock-check: $(READY)
	@rm -rf build/locks && mkdir -p build/locks && cp requirements*.lock build/locks
	@$(call compile,build/locks)
	@for lock in requirements*.lock; do diff -u -I '--hash=' "$$lock" "build/locks/$$lock" \
	  || { echo "$$lock does not follow from pyproject.toml: run make lock" >&2; exit 1; }; done

clean: ## Remove the environment and all that was built or cached here
	rm -rf $(VENV) build dist proof .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv: $(READY) ## Set up .venv from the locks

ifneq ($(MADE_FOR),$(CURDIR))
.PHONY: $(READY)
endif
$(READY): pyproject.toml requirements-build.lock requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not. Name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(VENV) ..."
	@test "$(MADE_FOR)" = "$(CURDIR)" || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-build.lock
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@echo '$(CURDIR)' > $@
