"""The root of the command line: its commands by name, and how each way to end looks."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from pipeyard import __version__
from pipeyard.cli.failures import describe, details, exit_status

# The module of each command, and its line in the help: `--help` imports none of them.
COMMANDS = {
    "up": ("platforms", "Start the platform in the foreground."),
    "down": ("platforms", "End whatever still runs for a data folder: the server and all its pods."),
    "backup": ("backups", "Write everything of a platform into one archive, while it runs."),
    "restore": ("backups", "Make a data folder out of such an archive."),
    "rotate-key": ("backups", "Encrypt all secrets of a stopped platform with a new key."),
    "doctor": ("platforms", "Say what this machine offers: isolation of pods, Pythons, GPUs."),
    "login": ("logins", "Remember a platform and a token of it."),
    "deploy": ("deploys", "From a folder to an endpoint that can be called."),
    "call": ("calls", "Trigger an endpoint, follow its log, print what it returns."),
    "pipeline": ("pipelines", "Functions with declared inputs and outputs."),
    "deployment": ("deployments", "Rules that turn calls or time into executions."),
    "execution": ("executions", "What has been called, and how it ended."),
    "data": ("data", "Files of the data store."),
    "env": ("variables", "Environment variables that pods see."),
    "metrics": ("metrics", "What executions have recorded; what the machine is doing."),
}
HELP = """A Python function with declared inputs and outputs becomes a deployed pipeline.

Where the address and the token of the platform come from, the later the stronger: the profile that `pipeyard login`
wrote; credentials.env of the default data folder; CRAFT_AI_ENVIRONMENT_URL, CRAFT_AI_SDK_TOKEN and
CRAFT_AI_CONTROL_URL; the options of a command.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""


class Commands(TyperGroup):
    """Imports a command when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"pipeyard.cli.{COMMANDS[cmd_name][0]}")
        made: Any = typer.main.get_command(module.app)
        return getattr(made, "commands", {}).get(cmd_name, made)  # type: ignore[no-any-return]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """From the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Suggests what is spelt alike."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(f'there is no command "{args[0]}"' + (f"; did you mean {close[0]}?" if close else ""))
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Commands,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True, help=HELP)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Print the help when no command is named."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run a command. The exit status; what went wrong is one line on stderr."""
    try:
        # The first Ctrl-C ends a command; typer turns it into its own exit with 130.
        status = typer.main.get_command(app).main(list(arguments), prog_name="pipeyard", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python would complain once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if os.environ.get("PIPEYARD_DEBUG"):
            raise
        for line in details(error):
            print(line, file=sys.stderr)
        print(f"pipeyard: {describe(error)}", file=sys.stderr)
        return exit_status(error)
