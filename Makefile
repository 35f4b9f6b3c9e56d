# Every target creates and refreshes .venv by itself. `make demo` and `make test` are the two to know.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# scikeras, which the benchmarks compare with, needs an older scikit-learn than ours.
KERAS := .venv-keras
KERAS_INSTALLED := $(KERAS)/.installed
# The networks of demo, docs and tests are too small for a second thread to help, and a team of
# threads that shares its cores with anything else spends its time waiting for its own members.
SINGLE := OMP_NUM_THREADS=1
PYTEST := $(SINGLE) $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: demo test test-slow lint format docs bench bench-long clean

demo: $(INSTALLED)
	$(SINGLE) $(BIN)/python docs/examples/plot_1_japanese_vowels.py

test: $(INSTALLED)
	$(PYTEST) -m "not slow"

test-slow: $(INSTALLED)
	$(PYTEST) -m slow

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(INSTALLED)
	$(SINGLE) $(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: $(INSTALLED) $(KERAS_INSTALLED)
	$(BIN)/python -m benchmarks

bench-long: $(INSTALLED) $(KERAS_INSTALLED)
	$(BIN)/python -m benchmarks --long

clean:
	rm -rf $(VENV) $(KERAS) docs/_build docs/gallery docs/reference/generated

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[plots,docs,tests,lint,benchmarks]'
	touch $(INSTALLED)

$(KERAS_INSTALLED): benchmarks/keras-requirements.txt
	$(PYTHON) -m venv $(KERAS)
	$(KERAS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@
