"""Templates are read from folders; one that is broken costs nobody the others."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pipeyard.services.templates import SHIPPED, load_templates

GOOD = """
name = "{name}"
version = "1"
display_name = "Name"
description = "What it is for."
hosting_type = "self-hosted"
model_family = "none"

[function]
path = "main.py"
name = "main"

[[inputs]]
name = "x"
data_type = "number"

[[recommended_inputs_mapping]]
pipeline_input_name = "x"
constant_value = 3
"""
BROKEN = {
    "no toml": "name = ",
    "no utf-8": b"\xff\xfe",
    "no name": GOOD.replace('name = "{name}"', ""),
    "an unknown key": f"colour = 1\n{GOOD}",
    "an unknown hosting type": GOOD.replace("self-hosted", "nowhere"),
    "no version": GOOD.replace('version = "1"', ""),
    "a switch that is none": f'enabled = "yes"\n{GOOD}',
    "no function": GOOD.replace('name = "main"', ""),
    "a function file that is not there": GOOD.replace("main.py", "other.py"),
    "requirements that are not there": GOOD + '[container_config]\nrequirements_path = "r.txt"\n',
    "a repository": GOOD + '[container_config]\nrepository_url = "git@host:code"\n',
    "a mapping of no input": GOOD.replace('pipeline_input_name = "x"', 'pipeline_input_name = "y"'),
    "an input of no type": GOOD.replace('"number"', '"int"'),
}


def add(folder: Path, name: str, description: str | bytes | None = None) -> Path:
    place = folder / name
    (place / "code").mkdir(parents=True)
    (place / "code" / "main.py").write_text("def main(x): return {}\n")
    text = GOOD if description is None else description
    content = text if isinstance(text, bytes) else text.replace("{name}", name).encode()
    (place / "template.toml").write_bytes(content)
    return place


def test_the_templates_that_come_with_pipeyard_are_whole(caplog: pytest.LogCaptureFixture) -> None:
    assert [template.name for template in load_templates([SHIPPED]).list()] == ["chat-completion", "text-classifier"]
    assert caplog.records == []


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_template_is_logged_and_left_out(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    add(tmp_path, "good")
    broken = add(tmp_path, "broken", BROKEN[kind])
    assert [template.name for template in load_templates([tmp_path]).list()] == ["good"]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert str(broken) in record.getMessage()


def test_a_folder_that_cannot_be_read_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load_templates([tmp_path / "nowhere"]).list() == []
    assert "nowhere" in caplog.records[0].getMessage()


def test_the_operators_template_comes_before_one_of_the_same_name(tmp_path: Path) -> None:
    add(tmp_path, "own", GOOD.replace("{name}", "text-classifier"))
    add(tmp_path, "notes", None).joinpath("template.toml").unlink()
    templates = load_templates([tmp_path, SHIPPED])
    assert templates.get("text-classifier").code == tmp_path / "own" / "code"
    assert len(templates.list()) == 2


def test_a_template_says_what_a_deployment_should_do(tmp_path: Path) -> None:
    add(tmp_path, "good", f"enabled = false\n{GOOD}")
    template = load_templates([tmp_path]).get("good")
    assert not template.is_enabled
    assert template.language is None
    assert [(mapping.source.value, mapping.at) for mapping in template.inputs_mapping] == [("constant", 3)]
