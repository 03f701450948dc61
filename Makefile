# make demo   set up, and make the persona of one cat
# make test   set up, and run the tests
# make check  set up, and lint, format, types, arrows, the documentation site
# make docs   set up, and build the documentation site: build/site/index.html
# make docs-serve   the same, live while you write
# make slow   the tests that `make test` leaves out for their time
# make attack thousands of wrong inputs, and a table of what became of them
# make browser   the tests that click through pages in Chromium, which must be installed

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FAST := -m "not slow and not gpu and not weights and not network and not browser and not attack"

.PHONY: demo test check docs docs-serve slow attack browser format clean

demo: $(READY)
	$(BIN)/gpk demo

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n auto --maxprocesses 8 --dist worksteal $(FAST)

slow: $(READY)
	$(BIN)/pytest -q -m slow

attack: $(READY)
	OMP_NUM_THREADS=1 PYTHONHASHSEED=0 $(BIN)/pytest -q -m attack tests/attack

browser: $(READY)
	$(BIN)/pytest -q -m browser

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/zensical build --strict --clean

docs: $(READY)
	$(BIN)/zensical build --strict --clean

docs-serve: $(READY)
	$(BIN)/zensical serve

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gpk needs Python 3.11 or newer: make PYTHON=python3.11")'
	@echo "Setting up $(VENV): a few minutes and several GB, nearly all of it torch."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) demo build/site .cache .pytest_cache .ruff_cache .import_linter_cache
