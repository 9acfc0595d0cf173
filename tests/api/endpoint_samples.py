"""Endpoints whose pages are looked at: with values alone, with files, and with a lone file as the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from craft_ai_sdk import Input, Output, OutputDestination

from tests.platforms import Platform

# Everything that a careless page would take for markup, a shell or a string's end.
NASTY = (
    """</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 2"> ' " \\ `id` $HOME & é 日本"""
)

VALUES = """
def main(text, number, flag, thing, items, sure=None):
    if number > 100:
        raise ValueError("the number is too large")
    return {"seen": {"text": text, "number": number, "flag": flag, "thing": thing, "items": items, "sure": sure}}
"""
VALUE_INPUTS = [
    Input("text", "string", description=NASTY, default_value=NASTY),
    Input("number", "number", description="From 0 to 100.", is_required=True),
    Input("flag", "boolean"),
    Input("thing", "json", default_value={"quoted": NASTY, "nothing": None}),
    Input("items", "array", description="Anything."),
    Input("sure", "string"),
]
VALUE_OUTPUTS = [Output("seen", "json", description=NASTY)]

FILES = """
def main(note, ending="!"):
    with open(note["path"]) as file:
        content = file.read().upper() + ending
    with open("loud.txt", "w") as file:
        file.write(content)
    return {"loud": {"path": "loud.txt"}, "length": len(content)}
"""
FILE_INPUTS = [Input("note", "file", is_required=True), Input("ending", "string", default_value="!")]


@dataclass(frozen=True)
class Endpoints:
    """Deployments as the client returns them."""

    values: Mapping[str, Any]
    files: Mapping[str, Any]
    lone_file: Mapping[str, Any]


@contextmanager
def deployed_samples(platform: Platform) -> Iterator[Endpoints]:
    """One of each."""
    values = platform.create_pipeline(VALUES, VALUE_INPUTS, VALUE_OUTPUTS)
    files = platform.create_pipeline(FILES, FILE_INPUTS, [Output("loud", "file"), Output("length", "number")])
    lone = [OutputDestination("length", is_null=True)]
    yield Endpoints(
        platform.deploy(values, description=NASTY),
        platform.deploy(files),
        platform.deploy(files, outputs_mapping=lone),
    )
    for pipeline in (values, files):
        platform.sdk.delete_pipeline(pipeline, force_deployments_deletion=True)
