# actscope: every target does its own set-up; `make help` lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
STUDY  ?= quickstart
PORT   ?= 5000
ARGS   ?=

VENV   := .venv
STAMP  := $(VENV)/.installed
BIN    := $(VENV)/bin

# Hydra overrides contain parentheses and brackets; quote each word for the shell.
quoted  = $(foreach word,$(1),'$(subst ','\'',$(word))')
sweep   = $(BIN)/python -m actscope -m $(call quoted,$(1))

.PHONY: help setup sweep plan tune status article depth report ui sync doctor verify bench server test test-faults docs check lint format type constraints clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  ARGS="..." passes Hydra overrides on:  make sweep ARGS="experiment=article_dying seed=range(10)"'
	@echo '  STUDY=name chooses the study of a report, PORT=number the port of the UI.'

setup: $(STAMP)  ## make .venv from pyproject.toml under constraints.txt

# The environment is built again only if pyproject.toml or constraints.txt has changed. pip compiles all
# modules, which takes a minute: workers run with -B, and would compile what they import at every sweep.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "actscope needs Python 3.11 or newer; point PYTHON= at one (this is $$($(PYTHON) --version))"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

sweep: $(STAMP)  ## train a study's grid; each point is a tracked run (default: quickstart)
	$(call sweep,$(ARGS))

plan: $(STAMP)  ## show what `make sweep` with the same ARGS would train; train nothing
	$(call sweep,$(ARGS) sweep.dry_run=true)

status: $(STAMP)  ## show the state of each point of a study's newest sweep
	$(BIN)/python -m actscope status $(call quoted,study=$(STUDY) $(ARGS))

article: $(STAMP)  ## run the 2017 article's experiments on MNIST and judge its claims; long
	$(call sweep,experiment=article_dying $(ARGS))
	$(call sweep,experiment=article_width $(ARGS))
	$(call sweep,experiment=article_accuracy $(ARGS))
	$(BIN)/python -m actscope.report article

depth: $(STAMP)  ## tune and judge each activation at each depth, and six side studies; hours
	@for study in depth depth_noise depth_small depth_mnist1d depth_init depth_inputs depth_batch; do \
	  $(BIN)/python -m actscope sweep experiment=$$study $(call quoted,$(ARGS)) \
	    && $(BIN)/python -m actscope.report study=$$study || exit; \
	done

tune: $(STAMP)  ## choose each activation's rate by validation and judge it with fresh seeds (docs/tuning.md)
	$(BIN)/python -m actscope tune $(call quoted,$(ARGS))

# With report.compare=[a,b] it writes reports/a+b/index.html and ignores STUDY.
report: $(STAMP)  ## build reports/$(STUDY)/index.html from the finished runs
	$(BIN)/python -m actscope.report $(call quoted,study=$(STUDY) $(ARGS))

ui: $(STAMP)  ## browse the runs in MLflow's UI on 127.0.0.1
	$(BIN)/python -m actscope ui --port $(PORT)

sync: $(STAMP)  ## deliver results that were queued while the store was unreachable
	$(BIN)/python -m actscope sync $(call quoted,$(ARGS))

doctor: $(STAMP)  ## check the store and, after asking, fix what can be fixed
	$(BIN)/python -m actscope doctor $(call quoted,$(ARGS))

verify: $(STAMP)  ## train a random finished point of a study again and compare every number
	$(BIN)/python -m actscope verify $(call quoted,study=$(STUDY) $(ARGS))

server: $(STAMP)  ## serve runs to a team: MLflow over PostgreSQL, with users (docs/server.md)
	$(BIN)/python -m actscope server $(call quoted,$(ARGS))

bench: $(STAMP)  ## measure training, sweeps and growth on this machine: docs/performance.md
	$(BIN)/python -m benchmarks $(call quoted,$(ARGS))

# By file: the tests of a file share slow fixtures. What Python compiles is kept, even where the
# environment says otherwise: each worker takes 4 s to compile the tests with their asserts.
test test-faults: export PYTHONDONTWRITEBYTECODE :=
test: $(STAMP)  ## run the tests
	$(BIN)/python -m pytest -n auto --dist loadfile -m 'not slow' $(call quoted,$(ARGS))

test-faults: $(STAMP)  ## the slow tests: kill, starve and interrupt sweeps (docs/reliability.md)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow $(call quoted,$(ARGS))

# Without --quiet, which would hide the warnings that --strict counts.
docs: $(STAMP)  ## build the documentation site, site/index.html; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

check: lint type test  ## everything CI checks

lint: $(STAMP)  ## ruff and the import contracts, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(STAMP)  ## ruff: fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(STAMP)  ## mypy, strict, on src
	$(BIN)/mypy

constraints: $(STAMP)  ## write what is installed now into constraints.txt
	{ echo "# Every package of the environment, direct and transitive, at the version that the tests passed with."; \
	  echo "# Made by: make constraints"; \
	  $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//'; } > constraints.txt.new
	mv constraints.txt.new constraints.txt
	touch $(STAMP)

clean:  ## remove the environment, caches, outputs and reports; never mlruns/ or data/
	rm -rf $(VENV) build outputs reports site .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
