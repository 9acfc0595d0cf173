# Every target works after a plain clone: `setup` fetches what it needs.
PYTHON ?= python3.11
UV := .venv/bin/uv

.PHONY: setup demo test check bench

setup: .venv/.ready

# uv comes from PyPI by pip, so a machine with Python alone is enough.
.venv/.ready: pyproject.toml uv.lock
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	test -x $(UV) || .venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(UV) sync --quiet --frozen --all-extras --inexact
	touch $@
