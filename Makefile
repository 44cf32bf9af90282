# make demo     restore a short film that farshore draws and ages itself
# make test     the whole test suite, as CI runs it
# make check    ruff and pyright
# make gpu-check    on a machine with an NVIDIA GPU: every kernel, model and chain there, checked and measured
#
# Each does its own set-up in .venv; nothing but Python 3.11 or newer and package registries is needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GPU := .venv-gpu
TORCH := .venv-torch
TORCH_PYTHON ?= $(TORCH)/bin/python
RTX := 'tensorrt-rtx-cu13-libs>=1.7,<2' 'tensorrt-rtx-cu13-bindings>=1.7,<2'

.PHONY: demo test check gpu-check clean

demo: $(VENV)/.runtime
	$(BIN)/farshore demo

test: $(VENV)/.developer
	$(BIN)/python -m pytest

check: $(VENV)/.developer
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

gpu-check: $(GPU)/.ready $(if $(filter $(TORCH)/%,$(TORCH_PYTHON)),$(TORCH)/.tried)
	@tests=0; check=0; \
	FARSHORE_REQUIRE_GPU=1 $(GPU)/bin/python -m pytest -m gpu tests/engine tests/kernels/test_gpu.py || tests=$$?; \
	$(GPU)/bin/python -m bench.gpu.check --torch $(TORCH_PYTHON) || check=$$?; \
	echo "gpu-check: tests ended with $$tests, the check with $$check"; \
	[ $$tests = 0 ] && [ $$check = 0 ]

$(GPU)/.ready: pyproject.toml
	@$(PYTHON) -m venv $(GPU)
	$(GPU)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[gpu,dev]' $(RTX)
	@touch $@

# An environment of its own: PyTorch pins CUDA's libraries. Where it has no wheels (Jetson) the check says so and goes on.
$(TORCH)/.tried: pyproject.toml
	@$(PYTHON) -m venv $(TORCH)
	-$(TORCH)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[cpu,export]'
	@touch $@

clean:
	rm -rf $(VENV) $(GPU) $(TORCH) build dist *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "farshore needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

$(VENV)/.runtime: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[cpu]'
	@touch $@

$(VENV)/.developer: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[cpu,rtx,dev,export]'
	@touch $@ $(VENV)/.runtime
