# Two commands: `make demo` and `make test` do all set-up on a fresh machine.  The rest is for those who work on paperlab.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PORT   ?= 8501
SERVE  ?= 1
# Versions that were tested together.  On a CUDA machine that brings its own torch: CONSTRAINTS= VENV_FLAGS=--system-site-packages
CONSTRAINTS ?= constraints.txt
VENV_FLAGS  ?=
PIP    := $(BIN)/python -m pip --disable-pip-version-check
DEMO_HOME := $(if $(PAPERLAB_HOME),$(PAPERLAB_HOME),$(CURDIR)/.demo)

.PHONY: demo test test-postgresql check soak setup docs wheel clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    set up, bring papers in, train a Transformer, judge its claims, serve the dashboard (SERVE=0 ends instead)"
	@echo "make test    set up, check style, types and layers, run the tests"
	@echo "make test-postgresql    run what stores anything against a PostgreSQL server that it starts"
	@echo "make soak    run the long tests and write what they measured to benchmarks/results"
	@echo "make docs    write docs/cli.md anew"
	@echo "make wheel   build dist/*.whl"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)
	$(PIP) install -q $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) --upgrade "pip>=25.1"

$(VENV)/.installed: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	$(PIP) install -q $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -e ".[train,ranking,dashboard]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install -q $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) --group dev
	@touch $@

setup: $(VENV)/.installed-dev

demo: export PAPERLAB_HOME := $(DEMO_HOME)
demo: $(VENV)/.installed
	@echo "== database and landmark papers ($(DEMO_HOME))"
	@$(BIN)/paperlab db upgrade
	@echo "== papers of the last days from arXiv"
	@$(BIN)/paperlab sync --quiet --max-seconds 90 2>$(DEMO_HOME)/sync.log || { code=$$?; \
		if [ $$code -ne 75 ]; then cat $(DEMO_HOME)/sync.log >&2; exit $$code; fi; \
		echo "arXiv did not answer just now, nothing is lost: going on with the papers held ($$(head -1 $(DEMO_HOME)/sync.log))"; }
	@$(BIN)/paperlab papers list --limit 10
	@echo "== a Transformer learns to translate number words"
	@$(BIN)/paperlab reproduce transformer-base --tier smoke
	@echo "== what the paper claims, and what holds here"
	@$(BIN)/paperlab claims check
	@if [ "$(SERVE)" = 0 ]; then echo "done; the dashboard: PAPERLAB_HOME=$(DEMO_HOME) $(BIN)/paperlab dashboard"; \
	else $(BIN)/paperlab dashboard --port $(PORT); fi

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate_cli.py --check

test: check
	$(BIN)/python -m pytest

test-postgresql: setup
	$(BIN)/python -m pytest -n 2 --database postgresql tests/postgresql tests/test_migrations.py tests/paperlab

soak: setup
	PAPERLAB_SOAK_RESULTS=benchmarks/results $(BIN)/python -m pytest -m soak --timeout 3600 -s

docs: setup
	$(BIN)/python docs/generate_cli.py

wheel: setup
	$(BIN)/python -m build --wheel --no-isolation

clean:
	rm -rf $(VENV) dist build .demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
