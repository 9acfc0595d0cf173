"""Bracketed forms: the observed bodies of the public client (wire.md 3.1), and hostile ones."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qsl, quote_plus

import pytest

from pipeyard.api.forms import decode_pipeline_form
from pipeyard.domain.pipeline_declarations import read_declaration
from pipeyard.errors import InvalidInputError

NAMES = {"pipeline_name": "p", "function_path": "m.py", "function_name": "f"}

GIT_FORM = [
    ("pipeline_name", "pl-git"),
    ("function_path", "src/main.py"),
    ("function_name", "entry"),
    ("description", "descr é & = ü"),
    ("container_config[language]", "python:3.11-slim"),
    ("container_config[repository_url]", "git@x:y.git"),
    ("container_config[repository_branch]", "main"),
    ("container_config[repository_deploy_key]", "-----BEGIN RSA PRIVATE KEY-----\nAAA+/=\n-----END-----\n"),
    ("container_config[requirements_path]", ""),
    ("container_config[included_folders][0]", "/src"),
    ("container_config[included_folders][1]", "data dir/"),
    ("inputs[0][name]", "s"),
    ("inputs[0][data_type]", "string"),
    ("inputs[0][description]", "desc"),
    ("inputs[0][is_required]", "True"),
    ("inputs[1][name]", "n"),
    ("inputs[1][data_type]", "number"),
    ("inputs[1][default_value]", "1.5"),
    ("inputs[2][name]", "b"),
    ("inputs[2][data_type]", "boolean"),
    ("inputs[2][is_required]", "False"),
    ("inputs[2][default_value]", "False"),
    ("inputs[3][name]", "j"),
    ("inputs[3][data_type]", "json"),
    ("inputs[3][default_value][a]", "1"),
    ("inputs[3][default_value][b]", ""),
    ("inputs[3][default_value][c][0]", "1"),
    ("inputs[3][default_value][c][1]", "x"),
    ("inputs[3][default_value][c][2]", "True"),
    ("inputs[4][name]", "e"),
    ("inputs[4][data_type]", "string"),
    ("inputs[4][default_value]", ""),
    ("outputs[0][name]", "out"),
    ("outputs[0][data_type]", "string"),
    ("outputs[0][description]", "od"),
]


def test_the_observed_body_of_a_git_pipeline_is_restored() -> None:
    assert decode_pipeline_form(GIT_FORM) == {
        "pipeline_name": "pl-git",
        "function_path": "src/main.py",
        "function_name": "entry",
        "description": "descr é & = ü",
        "container_config": {
            "language": "python:3.11-slim",
            "repository_url": "git@x:y.git",
            "repository_branch": "main",
            "repository_deploy_key": "-----BEGIN RSA PRIVATE KEY-----\nAAA+/=\n-----END-----\n",
            "requirements_path": None,
            "included_folders": ["/src", "data dir/"],
        },
        "inputs": [
            {"name": "s", "data_type": "string", "description": "desc", "is_required": True},
            {"name": "n", "data_type": "number", "default_value": 1.5},
            {"name": "b", "data_type": "boolean", "is_required": False, "default_value": False},
            {"name": "j", "data_type": "json", "default_value": {"a": 1, "b": None, "c": [1, "x", True]}},
            {"name": "e", "data_type": "string", "default_value": ""},
        ],
        "outputs": [{"name": "out", "data_type": "string", "description": "od"}],
    }


def test_the_urlencoded_bytes_of_it_give_the_same_and_are_a_declaration() -> None:
    body = "&".join(f"{quote_plus(key)}={quote_plus(text)}" for key, text in GIT_FORM)
    fields = decode_pipeline_form(parse_qsl(body, keep_blank_values=True))
    assert fields == decode_pipeline_form(GIT_FORM)
    declaration = read_declaration(fields)
    assert declaration.container_config.requirements_path is None
    assert declaration.inputs[4].default_value == ""


def test_a_minimal_form_has_no_other_keys() -> None:
    assert decode_pipeline_form(NAMES.items()) == NAMES


def test_an_absent_key_of_the_config_stays_absent() -> None:
    fields = decode_pipeline_form([("container_config[included_folders]", "")])
    assert fields == {"container_config": {"included_folders": None}}


def test_indices_are_sorted_as_numbers() -> None:
    pairs = [(f"inputs[{index}][name]", f"i{index}") for index in reversed(range(12))]
    assert [item["name"] for item in decode_pipeline_form(pairs)["inputs"]] == [f"i{index}" for index in range(12)]


def _default(data_type: str, *pairs: tuple[str, str]) -> Any:
    form = [("inputs[0][name]", "a"), ("inputs[0][data_type]", data_type)]
    form += [(f"inputs[0][default_value]{below}", text) for below, text in pairs]
    return decode_pipeline_form(form)["inputs"][0]["default_value"]


@pytest.mark.parametrize(
    ("data_type", "pairs", "value"),
    [
        ("string", [("", "True")], "True"),
        ("string", [("", "1")], "1"),
        ("number", [("", "0")], 0),
        ("number", [("", "-3")], -3),
        ("number", [("", "1e-05")], 1e-05),
        ("number", [("", "100000000000000000000")], 10**20),
        ("boolean", [("", "true")], True),
        ("boolean", [("", "FALSE")], False),
        ("json", [("", "")], None),
        ("json", [("", "x")], "x"),
        ("json", [("", "3")], 3),
        ("json", [("", '{"we[ird]": [1, null]}')], {"we[ird]": [1, None]}),
        ("json", [("", "{broken")], "{broken"),
        ("json", [("", "{1: 2}")], "{1: 2}"),
        ("json", [("", "[1e999]")], "[1e999]"),
        ("json", [("", "NaN")], "NaN"),
        ("json", [("[a]", "1"), ("[b][0]", "x")], {"a": 1, "b": ["x"]}),
        ("array", [("[0]", "1"), ("[1]", "x"), ("[2]", "")], [1, "x", None]),
        ("array", [("[0]", "2"), ("[0]", "3")], [[2, 3]]),
        ("array", [("[0]", "[1, 'x']")], [[1, "x"]]),
        ("array", [("[0]", "(1, None, True)")], [[1, None, True]]),
        ("array", [("", "[1, 2]")], [1, 2]),
        ("array", [("", "2"), ("", "3")], [2, 3]),
        ("array", [("", "7")], [7]),
        ("array", [("[0][a]", "1")], [{"a": 1}]),
    ],
)
def test_default_values_are_restored_by_their_declared_type(
    data_type: str, pairs: list[tuple[str, str]], value: Any
) -> None:
    restored = _default(data_type, *pairs)
    assert restored == value
    assert type(restored) is type(value)


@pytest.mark.parametrize(
    ("data_type", "pairs"),
    [
        ("number", [("", "True")]),
        ("number", [("", "")]),
        ("number", [("", "1_000")]),
        ("number", [("", "0x10")]),
        ("number", [("", "nan")]),
        ("number", [("", "1e999")]),
        ("number", [("", "9" * 5000)]),
        ("number", [("", "١")]),
        ("number", [("[a]", "1")]),
        ("number", [("", "1"), ("", "2")]),
        ("boolean", [("", "1")]),
        ("boolean", [("", "")]),
        ("boolean", [("[0]", "True")]),
        ("string", [("[a]", "1")]),
        ("string", [("", "a"), ("", "b")]),
        ("array", [("[a]", "1")]),
    ],
)
def test_a_default_value_of_another_type_is_refused_naming_it(data_type: str, pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        _default(data_type, *pairs)
    assert caught.value.field == "inputs[0].default_value"
    assert len(caught.value.message) < 300


def test_a_default_value_without_a_usable_type_is_left_to_the_declaration() -> None:
    form = [("inputs[0][name]", "a"), ("inputs[0][data_type]", "text"), ("inputs[0][default_value]", "1")]
    assert decode_pipeline_form(form)["inputs"][0]["default_value"] == "1"


@pytest.mark.parametrize(("text", "value"), [("True", True), ("false", False), ("", None)])
def test_booleans_are_read_in_any_case(text: str, value: bool | None) -> None:
    assert decode_pipeline_form([("inputs[0][is_required]", text)])["inputs"] == [{"is_required": value}]


HOSTILE: list[tuple[list[tuple[str, str]], str]] = [
    ([("inputs[0]", "x"), ("inputs[0][name]", "y")], "both"),
    ([("inputs[0][name]", "y"), ("inputs[0]", "x")], "both"),
    ([("inputs", "x"), ("inputs[0][name]", "y")], "both"),
    ([("inputs[0][name]", "y"), ("inputs", "x")], "both"),
    ([("inputs", "x"), ("inputs", "x"), ("inputs[0]", "y")], "both"),
    ([("a" + "[x]" * 40, "1")], "nested too deeply"),
    ([("a" + "[x]" * 10_000, "1")], "too long"),
    ([("k" * 5000, "1")], "too long"),
    ([("inputs[0][default_value][we[ird]]", "1")], "do not pair up"),
    ([("inputs[0", "1")], "do not pair up"),
    ([("[0]", "1")], "do not pair up"),
    ([("", "1")], "without a name"),
    ([(f"k{index}", "1") for index in range(10_001)], "more than 10000 fields"),
    ([("inputs[0][is_required]", "maybe")], "true or false"),
    ([("inputs[0][is_required][0]", "True")], "true or false"),
]


@pytest.mark.parametrize(("pairs", "said"), HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_form_is_refused(pairs: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said) as caught:
        decode_pipeline_form(pairs)
    assert len(caught.value.message) < 2000


@pytest.mark.parametrize(
    "form",
    [
        [("inputs[99999999999999999999][name]", "a")],
        [("inputs[-1][name]", "a")],
        [("inputs[1][name]", "a")],
        [("inputs[00][name]", "a")],
        [("inputs[][name]", "a")],
        [("inputs[0]", "x")],
        [("inputs", "x")],
        [("outputs[0][0]", "x")],
        [("container_config", "x")],
        [("container_config[0]", "x")],
        [("container_config[language][0]", "x")],
        [("pipeline_name", "a"), ("pipeline_name", "b")],
        [("pipeline_name[0]", "a")],
        [("inputs[0][name][0]", "a")],
        [("inputs[0][data_type][a]", "a")],
        [("__class__[x]", "a")],
    ],
)
def test_an_odd_form_is_refused_by_the_declaration_at_the_latest(form: list[tuple[str, str]]) -> None:
    present = {key for key, _ in form}
    names = [(key, text) for key, text in NAMES.items() if not any(name.startswith(key) for name in present)]
    with pytest.raises(InvalidInputError):
        read_declaration(decode_pipeline_form([*names, *form]))


@pytest.mark.parametrize("text", ["[" * 50_000, "{" * 40, "(" * 31 + ")" * 31, '{"a":' * 30, "[" + "9" * 9000 + "]"])
def test_text_that_looks_nested_never_breaks_the_decoder(text: str) -> None:
    assert _default("json", ("", text)) is not None


def test_many_fields_take_linear_time() -> None:
    repeated = [("inputs[0][default_value]", "1")] * 9_000
    spread = [(f"inputs[{index}][name]", "a") for index in range(10_000)]
    started_s = time.monotonic()
    decode_pipeline_form([("inputs[0][data_type]", "array"), *repeated])
    decode_pipeline_form(spread)
    assert time.monotonic() - started_s < 2
