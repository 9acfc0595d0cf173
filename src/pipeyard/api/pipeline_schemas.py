"""What OpenAPI says of pipelines."""

from __future__ import annotations

from pipeyard.api.mapping_schemas import DATA_TYPE
from pipeyard.api.operations import ANY, FILE, FLAG, INSTANT, NAME, RAM, TEXT, Json, array, choice, link, maybe, record
from pipeyard.domain.modes import Rule
from pipeyard.domain.pipelines import Origin, PipelineStatus

_LANGUAGE: Json = {
    "type": "string",
    "pattern": r"^python:3\.(0|[1-9][0-9]?)-slim$",
    "examples": ["python:3.11-slim"],
}

PIPELINE = record(
    {
        "parameters": record(
            {
                "pipeline_name": NAME,
                "function_path": TEXT,
                "function_name": TEXT,
                "description": maybe(TEXT),
                "inputs": array(
                    record(
                        {"name": NAME, "data_type": DATA_TYPE, "is_required": FLAG},
                        {"default_value": ANY, "description": TEXT},
                    )
                ),
                "outputs": array(record({"name": NAME, "data_type": DATA_TYPE}, {"description": TEXT})),
                "container_config": record(
                    {
                        "language": _LANGUAGE,
                        "repository_url": maybe(TEXT),
                        "repository_branch": maybe(TEXT),
                        "included_folders": maybe(array(TEXT)),
                        "system_dependencies": array(TEXT),
                        "dockerfile_path": maybe(TEXT),
                        "requirements_path": maybe(TEXT),
                    },
                    {"ram_request": RAM},
                ),
            }
        ),
        "creation_info": record(
            {
                "created_at": INSTANT,
                "created_by": TEXT,
                "commit_id": maybe(TEXT),
                "status": choice(*PipelineStatus),
                "origin": choice(*Origin),
                "pipeline_template": maybe({"type": "object"}),
            }
        ),
    }
)
PIPELINES = array(record({"pipeline_name": NAME, "created_at": INSTANT, "status": choice(*PipelineStatus)}))
DELETED_PIPELINE = record(
    {
        "pipeline": record({"name": NAME}),
        "deployments": array(record({"name": NAME, "execution_rule": choice(*Rule)})),
    }
)
_NAME_IN_ANSWER = "$response.body#/parameters/pipeline_name"
PIPELINE_LINKS = {
    name: link(name, name=_NAME_IN_ANSWER)
    for name in ("getPipeline", "runPipeline", "readPipelineLogs", "listPipelineExecutions", "deletePipeline")
}

# Forms. Lists and objects are bracketed fields; the first element of each is spelt out, others are like it.
_DECLARED: dict[str, Json] = {
    "name": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]{0,99}$"},
    "data_type": DATA_TYPE,
    "description": TEXT,
}
_RULES: dict[str, Json] = {"is_required": choice("true", "false"), "default_value": TEXT}
_LISTS: dict[str, dict[str, Json]] = {"inputs": _DECLARED | _RULES, "outputs": _DECLARED}
_FORM: Json = {
    "type": "object",
    "required": ["pipeline_name", "function_path", "function_name"],
    "properties": {
        "pipeline_name": NAME,
        "function_path": {"type": "string", "pattern": r"\.py$", "examples": ["main.py"]},
        "function_name": {"type": "string", "examples": ["main"]},
        "description": TEXT,
        "container_config[language]": _LANGUAGE,
        "container_config[repository_url]": {"type": "string", "examples": ["git@example.org:team/code.git"]},
        "container_config[repository_branch]": TEXT,
        "container_config[repository_deploy_key]": TEXT | {"writeOnly": True},
        "container_config[requirements_path]": TEXT,
        "container_config[ram_request]": RAM,
        "container_config[included_folders][0]": TEXT,
        "container_config[system_dependencies][0]": TEXT,
        **{f"{name}[0][{key}]": schema for name, keys in _LISTS.items() for key, schema in keys.items()},
    },
    "dependentRequired": {
        f"{name}[0][{key}]": [f"{name}[0][name]", f"{name}[0][data_type]"]
        for name, keys in _LISTS.items()
        for key in keys
    },
    "patternProperties": {
        **{rf"^{name}\[[1-9][0-9]*\]\[({'|'.join(keys)})\]": TEXT for name, keys in _LISTS.items()},
        r"^inputs\[0\]\[default_value\]\[": TEXT,  # a part of a json or array value
        r"^container_config\[(included_folders|system_dependencies)\]\[[1-9][0-9]*\]$": TEXT,
    },
    "additionalProperties": False,
}


def _with(fields: dict[str, Json]) -> Json:
    return _FORM | {"required": [*_FORM["required"], *fields], "properties": _FORM["properties"] | fields}


PIPELINE_WITH_FOLDER = _with({"step_file": FILE | {"description": "the code, a gzip tar"}})
PIPELINE_OF_REPOSITORY = _FORM  # its address may be the project's
PIPELINE_OF_TEMPLATE = record({"pipeline_name": NAME, "pipeline_template_name": NAME})
