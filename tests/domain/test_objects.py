"""Paths of objects: what they may be, and what the placeholders of an output's path become."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from pipeyard.domain.objects import (
    check_folder_path,
    check_object_path,
    check_output_path,
    expand_output_path,
    object_key,
)
from pipeyard.errors import InvalidInputError

LONGEST = "/".join(["n" * 249] * 3 + ["n" * 150])


@pytest.mark.parametrize(
    "path", ["a", "a b/é.bin", "日本/x", "...", "a..b/.c", "-", "a\\b", "{x}", "${x}", "%2e%2e", LONGEST, "👩‍🔬"]
)
def test_what_can_be_stored_is_a_path(path: str) -> None:
    assert check_object_path("p", path) == path


@pytest.mark.parametrize(
    "path",
    [
        None, "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/.", "a\0b", "a\nb", "a\x7f", "\ud800",
        "${filename}", "a/b-${filename}.csv",
        1, ["a"],
        "n" * 251, f"{LONGEST}/n", "é" * 126,
    ],
)  # fmt: skip
def test_what_leads_elsewhere_or_cannot_be_stored_is_no_path(path: object) -> None:
    with pytest.raises(InvalidInputError, match=r"^p: "):
        check_object_path("p", path)


@pytest.mark.parametrize(
    ("given", "folder"), [(None, ""), ("", ""), ("/", ""), ("a", "a/"), ("a/", "a/"), ("a/b", "a/b/")]
)
def test_a_folder_may_end_in_a_slash(given: str | None, folder: str) -> None:
    assert check_folder_path("p", given) == folder


def test_placeholders_become_the_execution_and_its_date_in_utc() -> None:
    at = datetime(2026, 1, 2, 23, 4, 5, tzinfo=timezone(timedelta(hours=-3)))
    path = "{date}/{date_time}/{execution_id}-{execution_id}.bin"
    assert check_output_path("p", path) == path
    assert expand_output_path(path, "p-1", at) == "20260103/20260103_020405/p-1-p-1.bin"


@pytest.mark.parametrize(
    "path",
    ["{other}", "{}", "{date", "date}", "{{date}}", "{execution_id}/..", "/{date}", "{execution_id}" * 3, "", "a/"],
)
def test_an_output_path_that_cannot_be_expanded_is_refused(path: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^p: "):
        check_output_path("p", path)


def test_keys_of_environments_are_apart_from_each_other_and_from_the_platforms() -> None:
    assert object_key("e", "executions/x") == "objects/e/executions/x"
