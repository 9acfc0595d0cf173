"""Pipeline templates: pipelines that are ready to be created, each read from a folder with a `template.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeyard.domain.mappings import InputMapping, OutputMapping, map_inputs, map_outputs
from pipeyard.domain.modes import Rule
from pipeyard.domain.names import check_free_text, check_keys, check_name
from pipeyard.domain.pipeline_declarations import read_declaration
from pipeyard.domain.pipelines import PipelineDeclaration, TemplateReference
from pipeyard.domain.projects import BUILT_IN
from pipeyard.errors import InvalidInputError

HOSTING_TYPES = ("self-hosted", "private-api")
_TEXTS = ("version", "display_name", "description", "model_family")
_DECLARED = ("inputs", "outputs", "container_config")
_MAPPINGS = ("recommended_inputs_mapping", "recommended_outputs_mapping")
KEYS = ("name", *_TEXTS, "hosting_type", "enabled", "function", *_DECLARED, *_MAPPINGS)
CONFIG_KEYS = ("language", "requirements_path", "system_dependencies")


@dataclass(frozen=True)
class Template:
    """A template. The name in its declaration is its own; `language` None: the project's. `code`: the folder."""

    reference: TemplateReference
    is_enabled: bool
    declaration: PipelineDeclaration
    language: str | None
    inputs_mapping: tuple[InputMapping, ...]
    outputs_mapping: tuple[OutputMapping, ...]
    code: Path

    @property
    def name(self) -> str:
        """Unique in the installation."""
        return self.reference.name


def read_template(fields: Mapping[str, Any], code: Path) -> Template:
    """The template that a `template.toml` describes. Raises InvalidInputError naming the key."""
    check_keys("", fields, KEYS)
    name = check_name("name", fields.get("name"))
    reference = TemplateReference(
        name, hosting_type=_hosting_type(fields), **{key: _text(fields, key) for key in _TEXTS}
    )
    is_enabled = fields.get("enabled", True)
    if not isinstance(is_enabled, bool):
        raise InvalidInputError("enabled", "must be true or false")
    function, config = _table(fields, "function", ("path", "name")), _table(fields, "container_config", CONFIG_KEYS)
    declaration = read_declaration(
        {
            "pipeline_name": name,
            "function_path": function.get("path"),
            "function_name": function.get("name"),
            "description": reference.description,
            **{key: fields[key] for key in _DECLARED if key in fields},
        },
        BUILT_IN,
    )
    return Template(
        reference=reference,
        is_enabled=is_enabled,
        declaration=declaration,
        language=config.get("language"),
        inputs_mapping=map_inputs(declaration.inputs, fields.get("recommended_inputs_mapping"), Rule.ENDPOINT),
        outputs_mapping=map_outputs(declaration.outputs, fields.get("recommended_outputs_mapping"), Rule.ENDPOINT),
        code=code,
    )


def _text(fields: Mapping[str, Any], key: str) -> str:
    text = check_free_text(key, fields.get(key, "")).strip()
    if not text:
        raise InvalidInputError(key, "is missing", "text")
    return text


def _hosting_type(fields: Mapping[str, Any]) -> str:
    value = fields.get("hosting_type")
    if value not in HOSTING_TYPES:
        raise InvalidInputError("hosting_type", "is missing or unknown", ", ".join(HOSTING_TYPES))
    return str(value)


def _table(fields: Mapping[str, Any], key: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    table = fields.get(key, {})
    if not isinstance(table, Mapping):
        raise InvalidInputError(key, "must be a table", ", ".join(known))
    check_keys(key, table, known)
    return table
