# What one types. `make run` and `make test` are all that a newcomer needs.

CARGO ?= cargo
PYTHON ?= python3
# The further Pythons that `make exam` runs the wheel under, as far as they are there. Stubs are checked under the first alone.
PYTHONS ?= python3.12 python3.13
# The program that a name of these stands for, if it runs: on the path, where pyenv puts stand-ins that may not, or in pyenv.
PYENV_ROOT ?= $(HOME)/.pyenv
there = $(shell for python in $(1) $(wildcard $(PYENV_ROOT)/versions/*/bin/$(1)); do \
  $$python -c 'import sys; print(sys.executable)' 2>/dev/null && break; done)

# The Python package is built into a virtual environment of its own, beside the rest of what is built.
VENV := $(CURDIR)/target/venv

.PHONY: run test exam bench bench-rust bench-python demo fmt lint test-rust test-python python-there

# Builds the server for use and runs it; ARGS="--listen tcp://127.0.0.1:0" and the like are handed on.
run:
	$(CARGO) build --release --locked --bin commonhold
	exec target/release/commonhold serve $(ARGS)

# Everything that is tested, in the counts that fit a working day.
test: python-there test-rust test-python

test-rust:
	$(CARGO) test --workspace --locked

test-python: $(VENV)/ready
	cd python && VIRTUAL_ENV=$(VENV) $(VENV)/bin/maturin develop --quiet --locked
	cd python && $(VENV)/bin/python -m mypy.stubtest --mypy-config-file pyproject.toml \
	  --allowlist stubtest.allow --ignore-unused-allowlist commonhold
	cd python && $(VENV)/bin/python -m pytest -q

$(VENV)/ready: python/requirements.txt | python-there
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r python/requirements.txt
	touch $@

# Says in a sentence what is missing, before minutes of building.
python-there:
	@$(PYTHON) -c 'import sys' 2>/dev/null || \
	  { echo "make test needs python3 3.11 or newer, and there is no $(PYTHON): install it, or name one with PYTHON=" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make test needs python3 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V): name a newer one with PYTHON=" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "make test needs Python's venv: install it (on Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }

# The same exams in the counts that the promises are made on: minutes more, once built.
exam: $(VENV)/ready
	COMMONHOLD_EXAM=full $(CARGO) test --release --locked --workspace --lib -- every_kind
	COMMONHOLD_EXAM=full $(CARGO) test --release --locked --workspace --test exam -- --nocapture
	cd python && VIRTUAL_ENV=$(VENV) $(VENV)/bin/maturin develop --release --quiet --locked
	cd python && COMMONHOLD_EXAM=full COMMONHOLD_BIN=$(CURDIR)/target/release/commonhold $(VENV)/bin/python -m pytest -q
	cd python && VIRTUAL_ENV=$(VENV) $(VENV)/bin/maturin build --release --quiet --locked --out $(VENV)-wheel
	for python in $(foreach python,$(PYTHONS),$(or $(call there,$(python)),$(info there is no $(python)))); do \
	  venv=$(VENV)-$$(basename $$python); echo "the tests of Python under $$python"; \
	  test -d $$venv || $$python -m venv $$venv || exit; \
	  $$venv/bin/python -m pip install --quiet --disable-pip-version-check -r python/requirements.txt || exit; \
	  $$venv/bin/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(VENV)-wheel/*.whl || exit; \
	  (cd python && COMMONHOLD_BIN=$(CURDIR)/target/release/commonhold $$venv/bin/python -m pytest -q --ignore tests/test_types.py) || exit; \
	done

# Side by side with its peers, on this machine.
bench: bench-rust bench-python

bench-rust:
	$(CARGO) bench --locked --bench peers

# Into an environment of its own: `make test` builds the package without optimization.
bench-python: python-there
	$(CARGO) build --release --locked --bin commonhold
	test -d $(VENV)-release || $(PYTHON) -m venv $(VENV)-release
	$(VENV)-release/bin/python -m pip install --quiet --disable-pip-version-check \
	  -r python/requirements.txt -r python/requirements-bench.txt
	cd python && VIRTUAL_ENV=$(VENV)-release $(VENV)-release/bin/maturin develop --release --quiet --locked
	cd python && $(VENV)-release/bin/python bench/peers.py --json ../target/bench-python.json

demo:
	$(CARGO) build --release --locked --bin commonhold
	target/release/commonhold demo $(ARGS)

fmt:
	$(CARGO) fmt --all

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
