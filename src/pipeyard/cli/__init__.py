"""The command line. Imports wait until a command needs them, so `pipeyard --help` stays fast."""

from pipeyard.cli.main import app


def main() -> None:
    """The console script."""
    app()
