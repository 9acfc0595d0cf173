"""Writes docs/reference/cli.md out of the commands: `python -m tests.docs.cli_page`."""

# ruff: noqa: E501  # prose

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main
from typer.core import TyperArgument

from pipeyard.cli.main import app
from pipeyard.cli.sessions import OPTIONS
from tests.docs.pages import REFERENCE

PAGE = REFERENCE / "cli.md"

HEAD = """# Command line

After `make setup` the command is `.venv/bin/pipeyard`. Each command prints its help with `--help`. This page is written out of
them: `python -m tests.docs.cli_page`.

`pipeyard --version` prints the version. `pipeyard --install-completion` installs the completion of commands, options and names
for the shell that runs it; `--show-completion` prints it instead.

## Which platform

The commands from `login` on talk to a platform. Its address and the token come from four places, the later the stronger:

1. the profile that `pipeyard login` wrote: `~/.config/pipeyard/credentials.env`, readable by its owner alone
2. `credentials.env` of the data folder that `pipeyard up` uses here without options
3. the variables `CRAFT_AI_ENVIRONMENT_URL`, `CRAFT_AI_SDK_TOKEN` and `CRAFT_AI_CONTROL_URL`
4. options of the command

A place that names another address than those before it also has to give the token: no token goes to a platform that it was not
given for. The address of the control API is the environment's, unless it is given.

These commands have four more options:

"""
AFTER_OPTIONS = """
## What is printed

In a terminal: tables, with colours unless `NO_COLOR` is set. In a pipe: a line of headings, then a line for each thing, tabs
between, nothing cut off. With `--json`: one JSON document on stdout and nothing else; with `--follow` or `--watch` a document a
line. Logs that a call follows, and what is said meanwhile, go to stderr.

## How a command ends

| Exit status | Meaning |
| --- | --- |
| 0 | done |
| 1 | it failed: one line on stderr says what, where, and what to do |
| 2 | the command line cannot be: one line on stderr |
| 130 | Ctrl-C |

Where a log says more, its lines come before that one. `PIPEYARD_DEBUG=1` shows the traceback instead.
"""
# What is not in the help.
NOTES = {
    "up": """On the first start it makes the data folder, a user, the environment `default` and a token. It prints:

- its address
- the path of `credentials.env`, which has `CRAFT_AI_SDK_TOKEN`, `CRAFT_AI_ENVIRONMENT_URL` and `CRAFT_AI_CONTROL_URL`, readable by
  its owner alone
- the address of the OpenAPI page
- the isolation of pods

SIGINT (Ctrl-C) ends the server and its pods. SIGTERM ends the server alone; the next start takes over what runs. A second
signal does not wait for answers under way.""",
    "backup": "What is in it, and what becomes of it: [Back up and restore](../how-to/back-up.md).",
    "deploy": "How it reads a folder, and what it does to what was there: [Deploy a folder](../how-to/deploy-a-folder.md).",
    "call": """`KEY=VALUE` is read by the type of the input: text as it stands for a string, JSON for all else. `KEY=@FILE` sends the
file for a file input, and takes the file's text as the value for any other. `--data` may have all inputs at once; a `KEY=VALUE`
beside it wins. File outputs are written only with `--output-dir`, by the names of the outputs.""",
    "pipeline create": """An input is written as `NAME:TYPE`, `NAME?:TYPE` when it is not required, `NAME:TYPE=DEFAULT` with a default
value; an output as `NAME:TYPE`. Types are `string`, `number`, `boolean`, `json`, `array`, `file`.""",
    "deployment create": """A source of an input is one of `endpoint:NAME`, `env:VARIABLE`, `const:JSON`, `data:PATH`, `null`; a
destination of an output one of `endpoint:NAME`, `data:PATH`, `null`. What is not mapped has its own name at the endpoint.""",
}


def cli_page() -> str:
    """All of it."""
    parts = [HEAD, _table(_common_options()), AFTER_OPTIONS]
    for words, command in list_commands():
        name = " ".join(words)
        parts.append(f"\n{'#' * (len(words) + 1)} pipeyard {name}\n\n{command.help}\n")
        rows = [] if hasattr(command, "list_commands") else [_row(one) for one in own_parameters(command)]
        if rows:
            parts.append("\n" + _table(rows))
        if name in NOTES:
            parts.append(f"\n{NOTES[name]}\n")
    return "".join(parts)


def list_commands() -> Iterator[tuple[list[str], Any]]:
    """Every command with the words that name it, groups before what is in them."""
    root: Any = typer.main.get_command(app)
    with root.make_context("pipeyard", ["-"], resilient_parsing=True) as context:
        yield from _below(root, [], context)


def _below(group: Any, words: list[str], context: Any) -> Iterator[tuple[list[str], Any]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield [*words, name], command
        if hasattr(command, "list_commands"):
            yield from _below(command, [*words, name], context)


def own_parameters(command: Any) -> list[Any]:
    """Without those that every command for a platform has."""
    return [one for one in command.params if one.name not in OPTIONS]


def _common_options() -> list[tuple[str, str, str]]:
    for _, command in list_commands():
        found = [one for one in command.params if one.name in OPTIONS]
        if found:
            return [_row(one) for one in found]
    raise AssertionError("no command has the options of a platform")


def _row(parameter: Any) -> tuple[str, str, str]:
    said, _, default = (parameter.help or "").partition("  [default: ")
    if isinstance(parameter, TyperArgument):
        label = (parameter.metavar or parameter.name.upper()) + "..." * (parameter.nargs == -1)
        return f"`{label}`", "" if parameter.required else "none", said
    label = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    value = getattr(parameter.default, "value", parameter.default)
    if not default and value not in (None, True, False):
        default = str(value)
    if parameter.secondary_opts:
        default = (parameter.opts if value else parameter.secondary_opts)[0]
    return label, f"`{default.rstrip(']')}`" if default else "", said


def _table(rows: list[tuple[str, str, str]]) -> str:
    lines = ["| Argument or option | Default | Meaning |", "| --- | --- | --- |"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(cli_page(), encoding="utf-8")
    print(f"wrote {PAGE}")
