# Each target makes .venv itself when it is missing or setup.cfg is newer. On Windows: `pip install .`, then `hoopoe demo`.
PYTHON ?= python3
BIN := .venv/bin

# bytecode is kept, also where the environment asks for none: each process of a test would compile everything again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test test-browser lint docs bench docker
.DEFAULT_GOAL := setup

setup: .venv/test.stamp

demo: .venv/test.stamp
	$(BIN)/hoopoe demo

# a third worker for two cores: it works while the others wait for processes and kills
test: .venv/test.stamp
	$(BIN)/pytest -n 3 --dist worksteal

# where there is no Chromium they are skipped, and the last lines say so
test-browser: .venv/test.stamp
	$(BIN)/pytest -m "browser and not slow" -rs

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/test.stamp
	$(BIN)/sphinx-build -q -E -W --keep-going -n -j auto -d docs/_build/doctrees docs docs/_build/html

docker:
	docker build -t hoopoe .

bench: .venv/bench.stamp
	$(BIN)/python -m benchmarks.backbones --write

.venv/test.stamp: EXTRAS := test,docs
.venv/bench.stamp: EXTRAS := test,docs,bench

.venv/%.stamp: setup.cfg pyproject.toml | $(BIN)/pip
	# compat: a plain path, which editors and type checkers follow; import hooks they do not
	$(BIN)/python -m pip install -e '.[$(EXTRAS)]' --config-settings editable_mode=compat
	# MegaDetector's validator of result files; its declared opencv-python would break opencv-python-headless
	$(BIN)/python -m pip install --no-deps 'megadetector-utils>=10.0.28'
	touch $@

$(BIN)/pip:
	$(PYTHON) -m venv .venv
