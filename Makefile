# Everything a newcomer or a developer runs. `make help` lists the targets.
#
# One environment, .venv, grows with what is asked of it; the files .venv/.has-* say what it holds, so that
# an unchanged installation is skipped and a second run needs no network.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.NOTPARALLEL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
WORKERS ?= 2
PYTEST_ARGS ?=

BIN := .venv/bin
EXAMPLES := .venv/.has-examples
DEV := .venv/.has-dev
ALL := .venv/.has-all
PACKAGING := pyproject.toml setup.py constraints.txt
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-input -c constraints.txt
PYTEST := $(BIN)/python -m pytest

# Each process that a test starts would compile the program and its tests anew.
unexport PYTHONDONTWRITEBYTECODE

# Nothing that runs from here reports to anybody.
export FLWR_TELEMETRY_ENABLED = 0
export FLWR_DISABLE_UPDATE_CHECK = 1
export RAY_USAGE_STATS_ENABLED = 0
export RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO = 0
export MPLBACKEND = Agg

.PHONY: help
help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: $(EXAMPLES)  ## train the example federation of a manufacturer on this machine
	$(BIN)/lepton-fed simulate configs/manufacturing.toml

# A worker per core, one thread each: two workers with two threads each are slower than either alone.
.PHONY: test
test: export OMP_NUM_THREADS = 1
test: $(DEV)  ## the tests that every change must pass
	$(PYTEST) -m "not long and not cuda and not ray and not flower" -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

# Properties are tried once more, with four times the examples, beside the long tests.
# A file's deployed federations stay with one worker, so that no machine runs more than WORKERS of them at a time.
.PHONY: test-long
test-long: export OMP_NUM_THREADS = 1
test-long: $(ALL)  ## what `make test` leaves out: long tests, deployed federations, chaos, Ray, MLflow, TensorBoard
	$(PYTEST) -m "(long or hypothesis) and not ray and not flower" --hypothesis-profile thorough \
	  -n $(WORKERS) $(PYTEST_ARGS)
	$(PYTEST) -m "ray or flower" -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

.PHONY: test-all
test-all: test test-long  ## all tests, with Ray, MLflow and TensorBoard; those for a GPU skip themselves without one

.PHONY: chaos
chaos: $(DEV)  ## 200 processes of deployed federations killed at random moments; takes most of an hour
	$(BIN)/python -m tests.chaos.run --kills 200 --seed 7

.PHONY: lint
lint: $(DEV)  ## ruff and mypy, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: format
format: $(DEV)  ## put the code into the common form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(DEV)  ## measure a round beside a plain loop
	$(BIN)/python -m benchmarks.round

.PHONY: pictures
pictures: $(ALL)  ## make the portal's pictures in docs/ anew; needs Chromium
	mkdir -p docs/pictures
	LEPTON_PORTAL_PICTURES=$(CURDIR)/docs/pictures $(PYTEST) -m long tests/portal/federation/test_documented_pictures.py

.PHONY: bench-smoke
bench-smoke: $(DEV)  ## a few real iterations of each benchmark, so that they cannot rot
	$(BIN)/python -m benchmarks.round --smoke
	$(BIN)/python -m benchmarks.gains manufacturing --smoke
	$(BIN)/python -m benchmarks.heart default --smoke
	$(BIN)/python -m benchmarks.secagg --smoke --json
	$(BIN)/python -m benchmarks.deployed --smoke
	$(BIN)/python -m benchmarks.policies --smoke
	$(BIN)/python -m benchmarks.pipelines --smoke
	$(BIN)/python -m benchmarks.knowledge --smoke
	$(BIN)/python -m benchmarks.portal --smoke

.PHONY: bench-peers
bench-peers: $(ALL)  ## the same workload in other libraries; pfl gets an environment of its own
	PYTHON=$(PYTHON) bash benchmarks/peers.sh
	.venv-peers/bin/python -m benchmarks.peer_pfl
	$(BIN)/python -m benchmarks.peer_flower

.PHONY: clean
clean:  ## remove the environments, caches and build leftovers; runs stay
	rm -rf .venv .venv-peers build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- the environment ----------------------------------------------------------------------------------------

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "lepton-fed needs Python 3.11 or newer; $(PYTHON) is older or missing." \
	    "Name another with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "== making the environment .venv"
	@$(PYTHON) -m venv --clear .venv || { \
	  echo "$(PYTHON) cannot make an environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; \
	  exit 1; }
	@touch $@

$(EXAMPLES): .venv/.created $(PACKAGING)
	@echo "== installing lepton-fed and its examples into .venv (torch is most of it; takes minutes)"
	$(INSTALL) -e '.[examples]'
	@touch $@

$(DEV): .venv/.created $(PACKAGING)
	@echo "== installing lepton-fed with what its tests need into .venv"
	$(INSTALL) -e '.[examples,knowledge,portal,postgres,dev]'
	@touch $(EXAMPLES) $@

$(ALL): .venv/.created $(PACKAGING)
	@echo "== installing lepton-fed with every extra into .venv"
	$(INSTALL) -e '.[examples,knowledge,portal,postgres,dev,ray,mlflow,tensorboard,yardsticks]'
	@touch $(EXAMPLES) $(DEV) $@
