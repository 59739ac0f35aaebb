# ThatDAM. Two commands: `make demo` shows the whole system, `make test` proves it.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEDIA ?=
TORCH ?= torch==2.13.0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_NATIVE_TLS := 1
# Without compiled files every process that tests and benchmarks start compiles some thousand sources first.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo sim soak test test-clip web check docs fmt lock venv system clean

help:            ## what each target does
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*##/\t/'

$(VENV)/.ready: requirements/all.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'uv==0.9.30'
	$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements/all.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

venv: $(VENV)/.ready

web/dist/index.html: $(VENV)/.ready tools/build_web.py $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print 2>/dev/null)
	$(BIN)/python tools/build_web.py

web: web/dist/index.html               ## the viewer, which every node serves

system: $(VENV)/.ready
	$(BIN)/python tools/system.py

demo: venv web                           ## three nodes, two cameras, recordings with two copies, search; MEDIA=folder
	$(BIN)/python tools/demo.py $(if $(MEDIA),--media "$(MEDIA)")

test: venv system web ## every test
	$(BIN)/python -m pytest -n 3 --dist loadgroup --durations=15

.venv-clip/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-clip
	.venv-clip/bin/python -m pip install --quiet '$(TORCH)' --editable '.[clip]' hypothesis pytest pytest-timeout
	@touch $@

test-clip: .venv-clip/.ready web       ## the extra `clip` with torch itself, some 2 GB; TORCH=torch takes its CUDA build
	THATDAM_TESTS_CLIP=1 .venv-clip/bin/python -m pytest tests/clip

sim: venv                             ## about five minutes of simulated meshes, seed after seed, and a summary
	$(BIN)/thatdam sim sweep --minutes $(or $(MINUTES),5)

soak: venv                            ## simulated meshes until stopped; runs that break a promise go to .soak/
	$(BIN)/thatdam sim sweep --minutes 100000 --record .soak

check: venv                           ## format, lint, types, imports and the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow"

bench: venv                           ## the figures, each beside its baseline; NAMES="startup storage" picks some
	$(BIN)/python tools/system.py --bench
	$(BIN)/python -m simulations.benchmarks $(NAMES)

docs: venv                            ## write the references made from the code, the viewer's types, and golden bytes of new messages
	$(BIN)/python tools/docs.py
	$(BIN)/python tools/build_web.py --types

fmt: venv                             ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: venv                            ## write the locked dependencies anew from pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q pyproject.toml -o requirements/core.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q pyproject.toml --extra ai --extra hnsw --group dev -c requirements/core.txt -o requirements/all.txt

clean:                                ## remove what was made here
	rm -rf $(VENV) .venv-clip web/dist web/node_modules build *.egg-info .demo
