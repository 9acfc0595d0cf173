# Every target works after a plain clone: `setup` fetches what it needs.
PYTHON ?= python3.11
UV := .venv/bin/uv

.PHONY: setup demo test check bench libraries fuzz faults soak walk generate

setup: .venv/.ready .compat/.ready

# uv comes from PyPI by pip, so a machine with Python alone is enough.
.venv/.ready: pyproject.toml uv.lock
	test -x .venv/bin/pip || $(PYTHON) -m venv --clear .venv
	test -x $(UV) || .venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(UV) sync --quiet --locked --all-extras --inexact --compile-bytecode
	touch $@

# The clients of tests/compat/, each version in an environment of its own.
.compat/.ready: tests/compat/clients/environments.py $(wildcard tests/compat/clients/*/requirements.txt) | .venv/.ready
	.venv/bin/python -m tests.compat.clients.environments
	touch $@

# `make demo KEEP=1` keeps the platform running.
demo: setup
	KEEP=$(KEEP) .venv/bin/python examples/demo.py

# Two at a time: most tests wait for processes. `PYTEST_ARGS="-n 0 -k name"` is for looking at one.
test: setup
	.venv/bin/python -m compileall -q src
	.venv/bin/pytest -n 2 $(PYTEST_ARGS)

check: setup
	.venv/bin/ruff check src tests bench examples
	.venv/bin/ruff format --check src tests bench examples
	.venv/bin/mypy
	.venv/bin/lint-imports

# The synchronous client is written out of the asynchronous one.
generate: setup
	.venv/bin/python -m tests.sdk.generate

# `make bench QUICK=1` is the short form. Every peer has an environment of its own, from its own lock.
bench: setup .bench/litserve/.ready
	.venv/bin/python -m bench $(if $(QUICK),--quick)

.bench/litserve/.ready: bench/peers/litserve/requirements.txt | setup
	$(UV) venv --quiet --clear --python .venv/bin/python .bench/litserve
	$(UV) pip sync --quiet --compile-bytecode --require-hashes --python .bench/litserve/bin/python $<
	touch $@

# Elastic executions with each of the large libraries, forked from zygotes. Gigabytes, and minutes to fetch them.
libraries: .bench/libraries/.ready
	PIPEYARD_TEST_LIBRARIES=.bench/libraries .venv/bin/pytest -q -n 0 --timeout 0 tests/pod/test_zygote_libraries.py

.bench/libraries/.ready: bench/libraries/requirements.txt | setup
	$(UV) venv --quiet --clear --python .venv/bin/python .bench/libraries
	$(UV) pip sync --quiet --compile-bytecode --require-hashes --python .bench/libraries/bin/python $<
	touch $@

# Ten thousand histories of schedulers that die, with clocks that jump; prints what happened in them. A pipeline that prints
# 1 GiB. Then real servers whose processes are killed and stopped, whose disk loses power, and whose calls fail one after
# the other: some hours in full.
faults: setup
	PIPEYARD_TEST_SEEDS=10000 .venv/bin/pytest -q -s --timeout 0 tests/engine/test_scheduler_faults.py
	PIPEYARD_TEST_LOG_MIB=1024 PIPEYARD_TEST_BURST=100000 .venv/bin/pytest -q --timeout 0 tests/e2e/test_deaths.py
	ROUNDS=$(ROUNDS) STEP=$(STEP) .venv/bin/python -m tests.faults

# `make soak MINUTES=5` is the short form: mixed load, and a table of what the server takes.
soak: setup
	MINUTES=$(MINUTES) .venv/bin/python -m tests.faults.soak

# Fire times of 2025 to 2030 in thirteen time zones, minute by minute.
walk: setup
	PIPEYARD_TEST_WALK=full .venv/bin/pytest -q -s --timeout 0 tests/domain/test_fire_times.py

# `make fuzz MINUTES=1` is the short form: random requests after the OpenAPI description, against a platform of its own.
fuzz: setup
	MINUTES=$(MINUTES) .venv/bin/python -m tests.fuzz
