# Each target makes its own virtual environment on first use. `make help` lists them.
# Another one: `make test PYTHON=python3.12`, for example.
PYTHON ?= $(shell tools/python)
VENV ?= .venv
BIN := $(VENV)/bin
MINUTES ?= 10
IMAGES ?= 600
MUTATIONS ?= 5000
SOAK ?=
EXAMPLES ?= 1000
# Processes of pytest: two more than there are cores, since whole instances wait much. Quick tests do
# not wait, and each process more imports all of them.
WORKERS ?= $(shell expr $$(nproc) + 2)
QUICK_WORKERS ?= $(shell nproc)
PYTEST := $(BIN)/python -m pytest --dist loadscope --no-loadscope-reorder

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
# What was compiled is kept, in any shell: otherwise each process of the tests compiles it anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo up test test-quick servers lint deploy-check format bench soak fuzz nightly vllm-check cluster-check \
    constraints clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: $(VENV)/.demo ## real images through a real instance, with a report
	$(BIN)/python -m demo.run

up: $(VENV)/.demo ## run the platform over .parjanya
	$(BIN)/parjanya up

test: $(VENV)/.dev ## the whole test suite, in parallel
	$(PYTEST) -n $(WORKERS) --durations=50

test-quick: $(VENV)/.dev ## the tests that need no server, no model and no patience
	PROPERTIES_WIDER=0.1 $(PYTEST) -n $(QUICK_WORKERS) --quick

servers: ## install what tests skip otherwise: PostgreSQL, radosgw, Chromium, Prometheus, npm
	tools/servers

lint: $(VENV)/.dev ## style, types, import rules, pins
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.pins

deploy-check: .deploy-venv/.done ## images, manifests and stack in deploy/: built, validated, tested
	.deploy-venv/bin/python deploy/check.py

vllm-check: $(VENV)/.dev .vllm-venv/.done ## the endpoint engine against a real vLLM, CPU build, 3 GB
	$(PYTEST) tests/served

cluster-check: $(VENV)/.dev .kubernetes/kube-scheduler ## the chart and its runs on a real API server of Kubernetes
	$(PYTEST) tests/cluster

format: $(VENV)/.dev ## let ruff put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## measure, compare with bench/floors.yaml
	$(BIN)/python -m bench

soak: $(VENV)/.dev ## kill real processes at random for MINUTES while images arrive
	$(BIN)/python -m tests.end_to_end.soak --minutes $(MINUTES) --images $(IMAGES) $(SOAK)

fuzz: $(VENV)/.dev ## mutate real files for a while: MUTATIONS of them
	FUZZ_MUTATIONS=$(MUTATIONS) $(BIN)/python -m pytest tests/unit/media/test_fuzz.py

nightly: soak fuzz vllm-check cluster-check ## what takes long: wide simulations and properties, soak, fuzz
	SIMULATION_EXAMPLES=$(EXAMPLES) PROPERTIES_WIDER=20 $(PYTEST) -n $(WORKERS) -m "long or properties or sampled"

constraints: ## pin anew what a fresh environment resolves to
	rm -rf .pins && $(PYTHON) -m venv .pins
	.pins/bin/pip install -qq torch==2.13.0
	.pins/bin/pip install -qq '.[dev]'
	.pins/bin/pip freeze --exclude parjanya | sed -E 's/^(torch==[0-9.]+)\+.*/\1/' > constraints.txt
	.pins/bin/pip list --format=freeze | grep '^setuptools==' >> constraints.txt
	rm -rf .pins

clean: ## remove what the targets made, the environment included
	rm -rf $(VENV) .deploy-venv .vllm-venv .kubernetes .deploy .demo .bench build *.egg-info

# Where torch is wanted it goes first and by its exact pin, which selects the CPU build. OpenCV comes
# twice; the headless build is written last, because it needs no display libraries.
define install
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(2),$(PYTHON) tools/install $(VENV) $(2))
	$(PYTHON) tools/install $(VENV) -c constraints.txt -e '.[$(1)]'
	$(PYTHON) tools/install $(VENV) -c constraints.txt --force-reinstall --no-deps opencv-python-headless
	touch $@
endef

$(VENV)/.demo: pyproject.toml constraints.txt
	$(call install,demo)

$(VENV)/.dev: pyproject.toml constraints.txt
	$(call install,dev,torch==2.13.0)
	touch $(VENV)/.demo

# Its tools pin what the project pins otherwise, so they live apart. Node runs the CDK.
.deploy-venv/.done: deploy/requirements.txt deploy/package.json
	test -x .deploy-venv/bin/python || $(PYTHON) -m venv .deploy-venv
	$(PYTHON) tools/install .deploy-venv -r deploy/requirements.txt
	mkdir -p .deploy-venv/node && cp deploy/package.json .deploy-venv/node/
	npm install --prefix .deploy-venv/node --no-audit --no-fund --silent
	touch $@

.kubernetes/kube-scheduler: tools/kubernetes
	tools/kubernetes

# vLLM pins what the project pins otherwise, so it lives apart. Its needs are listed whole: pip would
# bring two that are built for CUDA and break the rest.
.vllm-venv/.done: tests/served/requirements.txt tests/served/cures.py gpu_ops/torchvision_cure.py
	test -x .vllm-venv/bin/python || $(PYTHON) -m venv .vllm-venv
	.vllm-venv/bin/python -m pip install -qq --no-deps -r tests/served/requirements.txt
	.vllm-venv/bin/python tests/served/cures.py
	touch $@
