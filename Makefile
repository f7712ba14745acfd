# Everything runs in .venv/, which the first target that needs it builds.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROOMS := checkpoints commands graphs operators policies training
FACE := .cli .demo .console .digest .errors .sampling
export OMP_NUM_THREADS := 1
export LANGSMITH_TRACING := false

.PHONY: demo test check lint types imports fast slow bench clean
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
	$(BIN)/python -m pytest -q -n 2 -m "not kill and not fuzz" --cov --cov-report=term:skip-covered --cov-fail-under=95

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n 2 -m "kill or fuzz"

bench: $(VENV)/.dev
	for name in overhead savers saver_bytes concurrency prefixes; do $(BIN)/python benchmarks/$$name.py; done

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
