"""The command line. Imports wait until a command needs them, so `pipeyard --help` stays fast."""

from __future__ import annotations


def main() -> None:
    """The console script."""
    import sys

    from pipeyard.cli.main import run

    sys.exit(run(sys.argv[1:]))
