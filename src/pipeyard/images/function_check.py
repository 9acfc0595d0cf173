"""Whether the declared function is there and can take the declared inputs. Refuses only what is certain to fail."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeyard.domain.pipelines import PipelineDeclaration
from pipeyard.errors import BuildError
from pipeyard.images.commands import Command, run_command
from pipeyard.images.interpreters import Interpreter

PROGRAM = Path(__file__).with_name("module_facts.py")
SHOWN_LIMIT = 20
_TIMEOUT_S = 120.0


async def check_function(
    interpreter: Interpreter, code: Path, declaration: PipelineDeclaration, environment: Mapping[str, str]
) -> None:
    """Read the function's file with the interpreter that will run it, and compile the code. Raises BuildError."""
    if not (code / declaration.function_path).is_file():
        raise BuildError(f'function_path: there is no file "{declaration.function_path}" in the code')
    arguments = [str(interpreter.path), "-I", "-S", "-W", "ignore", str(PROGRAM), str(code)]
    lines: list[str] = []
    command = Command(
        [*arguments, declaration.function_path, declaration.function_name], code, environment, timeout_s=_TIMEOUT_S
    )
    try:
        status = await run_command(command, lines.append)
    except TimeoutError:
        raise BuildError(f"{declaration.function_path}: took longer than {_TIMEOUT_S:g} s to read") from None
    known = next((line for line in lines if line.startswith("{")), None)
    if known is None:
        # What it printed goes into the reason: such a file is one in a million.
        said = lines[-1][:300] if lines else f"status {status}"
        raise BuildError(
            f"{declaration.function_path}: cannot be read by Python {interpreter.version_text}: {said}; "
            "is it nested very deeply?"
        )
    check_facts(declaration, json.loads(known), interpreter.version_text)


def check_facts(declaration: PipelineDeclaration, facts: Mapping[str, Any], version: str) -> None:
    """Judge what `module_facts` read. Raises BuildError."""
    path, name = declaration.function_path, declaration.function_name
    if "error" in facts:
        line, text, message = facts["error"]
        place = path if line is None else f"{path}:{line}"
        raise BuildError(f"{place}: Python {version} cannot read this file: {message}" + (f"\n    {text}" * bool(text)))
    if not facts["bound"]:
        raise BuildError(f'{path}: defines no function "{name}"; {_alternatives(name, facts["functions"])}')
    if facts["value"]:
        raise BuildError(f'{path}: "{name}" is a value, not a function; {_alternatives(name, facts["functions"])}')
    if facts["parameters"] is not None:
        _check_parameters(declaration, facts["parameters"])


def _check_parameters(declaration: PipelineDeclaration, parameters: Mapping[str, Any]) -> None:
    place = f"{declaration.function_path}:{parameters['line']}: the function {declaration.function_name}"
    inputs = [declared.name for declared in declaration.inputs]
    if parameters["by_position_only"] and set(parameters["required"]) & set(parameters["by_position_only"]):
        raise BuildError(
            f"{place} takes {_named(parameters['by_position_only'])} by position only, and inputs are passed by name; "
            'remove the "/" from its parameters'
        )
    unknown = [name for name in inputs if name not in parameters["names"]]
    if unknown and not parameters["takes_any"]:
        has = _named(parameters["names"]) if parameters["names"] else "none"
        raise BuildError(
            f"{place} has no parameter for the declared inputs {_named(unknown)}; it has: {has}. "
            "Inputs are passed by their names: rename one or the other"
        )
    missing = [name for name in parameters["required"] if name not in inputs]
    if missing:
        raise BuildError(
            f"{place} needs {_named(missing)}, which no declared input has as its name; "
            "declare such an input, or give the parameter a default value"
        )
    if parameters["generates"]:
        raise BuildError(f"{place} uses yield, so a call does not run it; return a dict of the outputs instead")


def _alternatives(name: str, functions: list[str]) -> str:
    if not functions:
        return "it defines no function at its top level"
    close = difflib.get_close_matches(name, functions, n=1)
    guess = f' (did you mean "{close[0]}"?)' if close else ""
    return f"it defines: {_named(functions)}{guess}"


def _named(names: Iterable[str]) -> str:
    unique = list(dict.fromkeys(names))
    return ", ".join(unique[:SHOWN_LIMIT]) + (f" and {len(unique) - SHOWN_LIMIT} more" * (len(unique) > SHOWN_LIMIT))
