"""Calls of one endpoint as programs: curl, Python and JavaScript. Each works as it stands, with its files beside it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeyard.api.json_answers import to_json
from pipeyard.domain.mappings import InputMapping, OutputMapping
from pipeyard.domain.values import DataType

TOKEN_VARIABLE = "ENDPOINT_TOKEN"  # noqa: S105

# What stands for a value where the input has no default.
_SAMPLES: dict[DataType, Any] = {
    DataType.STRING: "text",
    DataType.NUMBER: 1,
    DataType.BOOLEAN: True,
    DataType.JSON: {"key": "value"},
    DataType.ARRAY: [1, 2, 3],
}


@dataclass(frozen=True)
class Example:
    """One call: values and files by input name, and the file to write the answer to if it is one."""

    url: str
    values: dict[str, Any]
    files: dict[str, str]
    saved_as: str | None

    @classmethod
    def of(cls, url: str, inputs: Sequence[InputMapping], outputs: Sequence[OutputMapping]) -> Example:
        """A call with every input."""
        files = {mapping.at: f"{mapping.at}.bin" for mapping in inputs if mapping.data_type is DataType.FILE}
        values = {mapping.at: _value(mapping) for mapping in inputs if mapping.at not in files}
        is_file = [mapping.data_type for mapping in outputs] == [DataType.FILE]
        return cls(url, values, files, f"{outputs[0].at}.out" if is_file else None)

    @property
    def form_values(self) -> dict[str, str]:
        """The values as parts of a form."""
        return {name: _form_text(value) for name, value in self.values.items()}


def curl(example: Example) -> str:
    """A command line."""
    options = [f'-H "Authorization: EndpointToken ${TOKEN_VARIABLE}"']
    if example.files:
        options += [f"-F {shlex.quote(f'{name}=@{file}')}" for name, file in example.files.items()]
        options += [f"--form-string {shlex.quote(f'{name}={text}')}" for name, text in example.form_values.items()]
    else:
        options += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(_json(example.values))}"]
    if example.saved_as:
        options.append(f"-o {shlex.quote(example.saved_as)}")
    return " \\\n     ".join([f"curl -sSL --fail-with-body {shlex.quote(example.url)}", *options]) + "\n"


_PYTHON = """import os

import requests

answer = requests.post(
    {url},
    headers={{"Authorization": f"EndpointToken {{os.environ['{variable}']}}"}},
    {body},
)
answer.raise_for_status()
{done}
"""


def python(example: Example) -> str:
    """A program for the package requests."""
    if example.files:
        parts = [f'{_json(name)}: open({_json(file)}, "rb")' for name, file in example.files.items()]
        body = f"files={{{', '.join(parts)}}},\n    data={_python_object(example.form_values)}"
    else:
        body = f"json={_python_object(example.values)}"
    done = 'print(answer.json()["outputs"])'
    if example.saved_as:
        done = f'with open({_json(example.saved_as)}, "wb") as file:\n    file.write(answer.content)'
    return _PYTHON.format(url=_json(example.url), variable=TOKEN_VARIABLE, body=body, done=done)


_JAVASCRIPT = """{before}const answer = await fetch({url}, {{
  method: "POST",
  headers: {{
    {headers},
  }},
  body: {body},
}});
if (!answer.ok) throw new Error(await answer.text());
{done}
"""


def javascript(example: Example) -> str:
    """A module for Node.js."""
    headers = [f"Authorization: `EndpointToken ${{process.env.{TOKEN_VARIABLE}}}`"]
    imports, before = [], ""
    if example.files:
        imports.append("readFile")
        before = "const form = new FormData();\n"
        for name, file in example.files.items():
            before += f"form.append({_json(name)}, new Blob([await readFile({_json(file)})]), {_json(file)});\n"
        for name, text in example.form_values.items():
            before += f"form.append({_json(name)}, {_json(text)});\n"
        body = "form"
    else:
        headers.append('"Content-Type": "application/json"')
        body = f"JSON.stringify({_lines({_json(name): _json(value) for name, value in example.values.items()}, '  ')})"
    done = "console.log((await answer.json()).outputs);"
    if example.saved_as:
        imports.append("writeFile")
        done = f"await writeFile({_json(example.saved_as)}, Buffer.from(await answer.arrayBuffer()));"
    if imports:
        before = f'import {{ {", ".join(imports)} }} from "node:fs/promises";\n\n{before}'
    return _JAVASCRIPT.format(
        before=before, url=_json(example.url), headers=",\n    ".join(headers), body=body, done=done
    )


def _json(value: Any) -> str:
    """JSON, whose texts are also those of Python and JavaScript."""
    return json.dumps(value, ensure_ascii=False)


def _python_object(values: dict[str, Any]) -> str:
    return _lines({_json(name): _python(value) for name, value in values.items()}, "    ")


def _lines(items: dict[str, str], indent: str) -> str:
    """An object, with a line per item if there are several."""
    pairs = [f"{name}: {value}" for name, value in items.items()]
    if len(pairs) < 2:
        return f"{{{''.join(pairs)}}}"
    return "".join([f"{{\n{indent}", *(f"{indent}{pair},\n{indent}" for pair in pairs), "}"])


def _python(value: Any) -> str:
    """As Python writes it."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_json(key)}: {_python(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_python, value))}]"
    return _json(value) if isinstance(value, str) else repr(value)


def _value(mapping: InputMapping) -> Any:
    """As JSON carries it: no NaN."""
    value = _SAMPLES[mapping.data_type] if mapping.default_value is None else mapping.default_value
    return json.loads(to_json(value))


def _form_text(value: Any) -> str:
    """Bare text where it is read back as that text; JSON otherwise."""
    if isinstance(value, str) and "\n" not in value and "\r" not in value and not _is_json_text(value):
        return value
    return _json(value)


def _is_json_text(text: str) -> bool:
    """Whether a string input would take it for the JSON of something else than this text."""
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return value is None or isinstance(value, str)
