"""The compatibility page says what the scenarios of this run showed."""

import os

from tests.compat.clients.environments import CLIENTS, public_methods
from tests.compat.table import PAGE, REMARKS, WRITE_VARIABLE, page_with, written


def test_the_table_is_what_this_run_showed(shown):
    page = page_with(written(shown))
    if WRITE_VARIABLE in os.environ:
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page, "run: python -m tests.compat.table"


def test_every_method_of_every_client_has_a_scenario(shown):
    proved = {(showing.method, showing.client) for showing in shown}
    there = {(method, spec.name) for spec in CLIENTS for method in spec.methods & public_methods()}
    assert there - proved == set()


def test_remarks_are_about_methods_that_exist():
    assert set(REMARKS) <= public_methods()
