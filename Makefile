# Every target creates and refreshes .venv by itself. `make demo` and `make test` are the two to know.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What the demo needs, and on top of it what everything else needs.
SHOWN := $(VENV)/.demo
INSTALLED := $(VENV)/.installed
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
# scikeras, which the benchmarks compare with, needs an older scikit-learn than ours.
KERAS := .venv-keras
KERAS_INSTALLED := $(KERAS)/.installed
# The lowest versions that pyproject.toml allows.
LOWEST := .venv-lowest
LOWEST_INSTALLED := $(LOWEST)/.installed
# The wheel, with what it requires and nothing else but pytest.
WHEEL := .venv-wheel
NO_EXTRA := not (onnx or Display or frames or BatchScorer)
PLAIN_TESTS := $(addprefix tests/,config files nn state test_models.py test_regressor.py \
	contract/test_offline.py contract/test_public_names.py contract/test_reproducibility.py)
# Another Python than that of .venv, whose torch can use the GPU: make gpu GPU_PYTHON=python3
GPU_PYTHON ?= $(BIN)/python
GPU_INSTALLED := $(if $(filter $(BIN)/python,$(GPU_PYTHON)),$(INSTALLED))
# The networks of demo, docs and tests are too small for a second thread to help, and a team of
# threads that shares its cores with anything else spends its time waiting for its own members.
SINGLE := OMP_NUM_THREADS=1
SPHINX := $(SINGLE) $(BIN)/python -m sphinx -W --keep-going -q -b html
PYTEST := $(SINGLE) $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: demo test test-slow test-gpu test-lowest test-wheel lint format docs docs-fast screenshots bench bench-gpu bench-long gpu clean

demo: $(SHOWN)
	$(SINGLE) $(BIN)/python -B docs/examples/first_steps/plot_japanese_vowels.py

test: $(INSTALLED)
	$(PYTEST) -m "not slow"

# With the pages that a browser is to look at.
test-slow: $(INSTALLED) docs
	$(PYTEST) -m slow

# Processes share the GPU, and each has a context of some hundred megabytes there. Where one hangs,
# pytest tells where.
test-gpu: $(GPU_INSTALLED)
	$(SINGLE) $(GPU_PYTHON) -m pytest -n 8 --dist worksteal -m "not slow" --device cuda \
		-o faulthandler_timeout=60 tests/contract/test_gpu.py tests/contract tests/training \
		tests/inference tests/test_classifier.py tests/test_regressor.py tests/test_base.py

# All that needs a GPU, in five minutes at most.
gpu: $(GPU_INSTALLED)
	@failed=0; \
	timeout -k 5 175 $(MAKE) test-gpu || failed=1; \
	timeout -k 5 115 $(MAKE) bench-gpu || failed=1; \
	exit $$failed

test-lowest: $(LOWEST_INSTALLED)
	$(SINGLE) $(LOWEST)/bin/python -m pytest -n 2 --dist worksteal -m "not slow"

# From within the environment, so that nothing of the source tree but its tests can be imported.
test-wheel:
	@echo "Installing the wheel into an empty $(WHEEL): 1 GB, most of it torch (for CPUs). Minutes."
	rm -rf $(WHEEL)
	$(PYTHON) -m venv $(WHEEL)
	$(WHEEL)/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir $(WHEEL) .
	$(WHEEL)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt pytest $(WHEEL)/*.whl
	cp -r tests pyproject.toml $(WHEEL)
	cd $(WHEEL) && $(SINGLE) bin/python -P -m pytest -q -m "not slow" -k "$(NO_EXTRA)" --pyargs sklstm $(PLAIN_TESTS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(INSTALLED)
	$(SPHINX) docs docs/_build/html
	@echo "docs/_build/html/index.html"

# For those who write: the gallery is listed but not run, so its pages have no output and no pictures.
docs-fast: $(INSTALLED)
	$(SPHINX) -D plot_gallery=0 docs docs/_build/fast
	@echo "docs/_build/fast/index.html"

# With a Chromium of the system: apt-get install chromium
screenshots: docs
	$(SINGLE) $(BIN)/python -m pytest -n 0 -m slow tests/docs --screenshots docs/_build/screenshots
	@echo "docs/_build/screenshots"

bench: $(INSTALLED) $(KERAS_INSTALLED)
	$(BIN)/python -m benchmarks

bench-gpu: $(GPU_INSTALLED)
	$(GPU_PYTHON) -m benchmarks.gpu

bench-long: $(INSTALLED) $(KERAS_INSTALLED)
	$(BIN)/python -m benchmarks --long

clean:
	rm -rf $(VENV) $(KERAS) $(LOWEST) $(WHEEL) docs/_build docs/gallery docs/reference/generated

# Without bytecode, which takes more time and disk than one run of an example saves by it.
$(SHOWN): pyproject.toml constraints.txt
	@echo "Installing sklstm, torch, aeon and matplotlib into $(VENV): 1.3 GB, half of it torch (for CPUs). Minutes."
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -c constraints.txt -e '.[examples]'
	touch $@

$(INSTALLED): $(SHOWN)
	@echo "Adding what tests, lint, docs and benchmarks need to $(VENV): 1.1 GB. Minutes."
	$(PIP_INSTALL) -c constraints.txt -e '.[examples,docs,tests,lint,benchmarks]'
	$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true  # templates in it are no Python
	touch $@

$(LOWEST_INSTALLED): pyproject.toml constraints-lowest.txt
	@echo "Installing the lowest versions of all dependencies into $(LOWEST): 2 GB. Minutes."
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-lowest.txt -e '.[tests]'
	touch $@

$(KERAS_INSTALLED): benchmarks/keras-requirements.txt
	$(PYTHON) -m venv $(KERAS)
	$(KERAS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@
