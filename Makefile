# Everything a contributor runs. `make study` and `make test` need Python 3.11+ and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
TORCH := torch==2.13.0
export PIP_NO_INPUT = 1

.PHONY: study bench test test-engines lint format types page wheel ci clean

study: $(VENV)/.installed ## a temperature study of the embedded model
	$(BIN)/tempering study

test: $(VENV)/.installed-test ## the whole suite; engines that are not there are skipped and listed
	$(BIN)/python -m pytest -q -n auto --dist worksteal

test-engines: $(VENV)/.installed-engines ## tests against torch, transformers and chromium; nothing skips
	TEMPERING_ENGINES=required $(BIN)/python -m pytest -q -m engine

bench: $(VENV)/.installed-engines ## what a draw costs, beside other engines: runs/bench/bench.md
	$(BIN)/tempering bench

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

page: tests/web/node_modules/.installed ## the types of the page's modules, by TypeScript's strict check
	tests/web/node_modules/.bin/tsc -p tests/web

wheel: $(VENV)/.installed-dev ## build the wheel, install it into a clean venv, run the main job from it
	rm -rf build/wheel dist
	$(BIN)/python -m build -q --wheel
	$(BIN)/python -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip --disable-pip-version-check -q install dist/*.whl
	cd build/wheel && venv/bin/tempering study --quiet && venv/bin/tempering report runs/stories

ci:
	.ci/run

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

tests/web/node_modules/.installed: tests/web/package-lock.json
	npm ci --prefix tests/web --no-audit --no-fund --silent
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing tempering into $(VENV)"
	@$(PIP) install -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	@echo "installing tempering and its test extra into $(VENV)"
	@$(PIP) install -e '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(PIP) install -e '.[test,dev]'
	@touch $@ $(VENV)/.installed $(VENV)/.installed-test

# torch first and pinned: what depends on it would otherwise fetch a build with gigabytes of CUDA packages.
$(VENV)/.installed-engines: pyproject.toml | $(BIN)/python
	$(PIP) install $(TORCH)
	$(PIP) install -e '.[test,engines]'
	@touch $@ $(VENV)/.installed $(VENV)/.installed-test
