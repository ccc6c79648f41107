# Everything that is done with this repository. `make help` lists the targets.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
EXPORT_VENV := .venv-export
EXPORT_BIN := $(EXPORT_VENV)/bin
EXPORT_STAMP := $(EXPORT_VENV)/.ready
OUT ?= out/demo
STACK ?= out/stack
# What the demo asks its dataset for where nobody looks at a page; the tiny CLIP knows whole captions only.
QUERY ?= A drawing of two black circles to the left of a purple flower, the background is dotted and red
# 1 writes what was seen under faults into docs/reliability.md.
WRITE ?= 0
# Tests at once: they wait for hosts, servers and time-outs most of the time.
RUNS ?= 2
# Images: which, on what base, under what name, and what `docker build` is told besides.
SERVICES ?= gateway crawler planner downloader inference scorer finaliser indexer explorer standalone
BASE ?=
REGISTRY ?=
TAG ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml | head -1)
BUILD_FLAGS ?=
STANDINS ?= kafka s3
SOURCES := libs services deploy tests hatch_build.py

.PHONY: help setup proto demo test test-unit test-chart test-contract test-integration test-e2e test-stack test-faults \
        test-faults-long test-export test-browser test-peers \
        images images-standin test-cluster \
        components parts stack-up stack-down stack-status demo-stack check fmt bench docs clean distclean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the virtual environment and install Pairmill in it (quick when repeated)

$(STAMP): pyproject.toml constraints.txt hatch_build.py $(shell find protos -name '*.proto')
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 13), "Python 3.11 to 3.13 is needed, set PYTHON="'
	@if command -v uv >/dev/null 2>&1; then \
	  { test -x $(BIN)/python || uv venv -q --python $(PYTHON) $(VENV); } && \
	  PIP_CONSTRAINT= UV_BUILD_CONSTRAINT=constraints.txt uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[all,dev]'; \
	else \
	  { test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); } && \
	  PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[all,dev]'; \
	fi
	@touch $@

proto: setup ## Generate the package of the protobuf schemas again
	$(BIN)/python hatch_build.py

demo: setup ## Build a dataset from a synthetic web, compare it with the known truth, and explore it
	$(BIN)/pairmill demo --out $(OUT)
	@if [ -t 1 ]; then $(BIN)/pairmill explore $(OUT); \
	 else $(BIN)/pairmill explore $(OUT) --check "$(QUERY)"; fi

components: setup ## Fetch and build Kafka, the S3 server, tritonserver and Prometheus (once, outside the tree)
	$(BIN)/python -m deploy.local fetch

# Tests that need a part which this machine cannot have say so themselves.
parts: setup
	-@$(BIN)/python -m deploy.local fetch

stack-up: setup ## Start the whole system on this machine from real parts, each service a process
	$(BIN)/python -m deploy.local --folder $(STACK) up

stack-status: setup ## Show each process of the stack
	$(BIN)/python -m deploy.local --folder $(STACK) status

stack-down: setup ## Stop the stack; only its logs stay
	$(BIN)/python -m deploy.local --folder $(STACK) down

demo-stack: setup ## Run the demo's job on the stack and compare it with the embedded run
	$(BIN)/python -m deploy.local --folder $(STACK) demo --out $(OUT)-stack

test: check test-unit test-chart test-contract test-integration test-e2e test-stack ## Everything that has to pass before a change lands

test-unit: setup ## Pure code, in seconds
	$(BIN)/python -m pytest -q tests/unit --ignore tests/unit/chart -n $(RUNS)

test-chart: setup parts ## The Helm chart, as Helm renders it
	$(BIN)/python -m pytest -q tests/unit/chart -n $(RUNS) --dist loadfile

test-contract: setup parts ## One suite per port, over every adapter
	$(BIN)/python -m pytest -q tests/contract -n $(RUNS)

test-integration: setup parts ## Services against real parts on loopback
	$(BIN)/python -m pytest -q tests/integration -m 'not long' -n $(RUNS)

test-e2e: setup ## Whole runs: truth, audit, readers, a few seeded kills
	$(BIN)/python -m pytest -q tests/e2e --ignore tests/e2e/stack -m 'not long' -n $(RUNS)

test-stack: setup parts ## Jobs on Kafka, an S3 server and tritonserver: the same dataset as on one machine
	$(BIN)/python -m pytest -q tests/e2e/stack -m 'not faults and not long' --timeout 900

test-faults: setup parts ## The long form of whole runs, and jobs on the stack, under the faults of docs/reliability.md
	$(BIN)/python -m pytest -q tests/e2e --ignore tests/e2e/stack -m 'faults or long' -n $(RUNS) --timeout 1800
	$(BIN)/python -m pytest -q tests/integration -m long -n $(RUNS)
	PAIRMILL_WRITE_RELIABILITY=$(WRITE) $(BIN)/python -m pytest -q tests/e2e/stack -m 'faults and not long' --timeout 900

test-faults-long: setup parts ## Every fault on the stack, at every point and with many seeds
	PAIRMILL_WRITE_RELIABILITY=$(WRITE) $(BIN)/python -m pytest -q tests/e2e/stack -m 'faults or long' --timeout 900

test-browser: setup ## The explorer's page in a real browser, phone and desktop, light and dark
	$(BIN)/python -m pytest -q tests/browser -n $(RUNS) --dist loadfile --timeout 600

test-peers: setup ## Tools of the field, from their own packages in environments of their own, against Pairmill
	$(BIN)/python -m pytest -q tests/peers --timeout 900

# Torch is large and nothing else needs it, so that it has an environment of its own.
$(EXPORT_STAMP): pyproject.toml constraints.txt hatch_build.py $(shell find protos -name '*.proto')
	@test -x $(EXPORT_BIN)/python || $(PYTHON) -m venv $(EXPORT_VENV)
	PIP_CONSTRAINT=constraints.txt $(EXPORT_BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[export,all,dev]'
	@touch $@

test-export: $(EXPORT_STAMP) ## What needs torch: exports, and the tiny model's trainer (some gigabytes at first)
	$(EXPORT_BIN)/python -m pytest -q tests/unit/models -m torch

images: ## Build the images of SERVICES, on BASE, named REGISTRY/pairmill-SERVICE:TAG
	@for service in $(SERVICES); do \
	  echo "pairmill-$$service:$(TAG)"; \
	  docker build -q $(BUILD_FLAGS) $(if $(BASE),--build-arg BASE=$(BASE)) -f deploy/images/Dockerfile \
	    --build-arg SERVICE=$$service --build-arg VERSION=$(TAG) --build-arg REVISION=$$(git rev-parse HEAD) \
	    -t $(if $(REGISTRY),$(REGISTRY)/)pairmill-$$service:$(TAG) . >/dev/null || exit 1; \
	done

images-standin: setup ## Build images of STANDINS (kafka s3 triton) out of their parts, where none can be pulled
	$(BIN)/python -m deploy.cluster.standins $(STANDINS) $(if $(BASE),--base=$(BASE)) $(BUILD_FLAGS)

test-cluster: setup ## The chart on the cluster of KUBECONFIG, with images that IMAGE_LOADER brings there
	@test -z "$(IMAGE_LOADER)" || $(BIN)/python -m deploy.cluster
	$(BIN)/python -m pytest -q tests/cluster

check: setup ## Lint, formats and types; changes nothing
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check -q $(SOURCES)
	$(BIN)/buf lint
	$(BIN)/mypy
	$(BIN)/python -m pairmill_standalone.docs --check
	$(BIN)/python -m deploy.grafana --check

fmt: setup ## Bring the code into shape
	$(BIN)/ruff check --fix -q $(SOURCES) || true
	$(BIN)/ruff format -q $(SOURCES)
	$(BIN)/buf format -w

docs: setup ## Write the generated pages of docs/, and the chart's dashboards and rules
	$(BIN)/python -m pairmill_standalone.docs
	$(BIN)/python -m deploy.grafana

bench: setup ## Measure; figures go into docs/benchmarks.md
	$(BIN)/python -m tests.bench --write

clean: ## Remove what runs and tests leave
	@test ! -e $(STACK)/stack.json || $(BIN)/python -m deploy.local --folder $(STACK) down
	rm -rf out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

distclean: clean ## Remove the environment and the generated package as well
	rm -rf $(VENV) libs/pairmill_protos
