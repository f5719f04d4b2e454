# Two commands do everything: `make demo` and `make test`. They need Python >= 3.11 and make. `make bench` measures;
# give it options by BENCH='--quick', BENCH='--only engine,headline --rounds 3'.
#
# The default interpreter has its environment in .venv. One that is given, such as PYTHON=python3.12, has one of its own
# in .venv-3.12. `make test-all` tests every supported one it finds.
ifeq ($(origin PYTHON),undefined)
  PYTHON := python3
  VENV := .venv
else
  VENV := .venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
endif
BIN := $(VENV)/bin

.PHONY: demo test test-core test-all bench docs lock audit clean

demo: $(VENV)/.installed
	@$(BIN)/kaizen-batch demo
	@echo
	@echo 'To process a file of your own:  . $(VENV)/bin/activate; kaizen-batch init YOUR_FILE.csv'
	@echo 'All commands:                   kaizen-batch --help'

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --numprocesses 2

# What depends most on the interpreter: event loop, threads, SQLite, Kailash.
test-core: $(VENV)/.installed-dev
	$(BIN)/pytest --numprocesses 2 tests/concurrency tests/engine tests/journal tests/nodes

test-all:
	@for python in $$(.ci/interpreters); do \
	  echo "== $$python"; $(MAKE) test PYTHON="$$python" || exit 1; \
	done

docs: $(VENV)/.installed-dev
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs
	@echo 'open build/docs/index.html'

# The releases that CI tests, for every platform and Python, each with the hashes of its files.
lock: $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --extra dev pyproject.toml --output-file requirements/dev.lock

audit: $(VENV)/.installed-dev
	@.ci/audit $(BIN)/python

bench: .venv-bench/.installed
	.venv-bench/bin/python -m benchmarks $(BENCH)

clean:
	rm -rf .venv .venv-* build dist *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "kaizen-batch needs Python 3.11 or later; try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo 'creating $(VENV), an environment of its own; nothing else is changed'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	@echo 'installing kaizen-batch and what it needs into $(VENV): about a minute ...'
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.installed

# A venv of its own: the peers' versions are theirs, and what they pull in is no business of the tests.
.venv-bench/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --editable '.[bench]'
	@touch $@
