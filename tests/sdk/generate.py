"""Writes the synchronous client out of the asynchronous one: `python -m tests.sdk.generate [FOLDER]`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from unasync import Rule, unasync_files

from tests.docs.pages import ROOT

SOURCE = ROOT / "src" / "pipeyard" / "sdk" / "_async"
TARGET = SOURCE.with_name("_sync")
RUFF = Path(sys.executable).with_name("ruff")
HEADER = "# Generated from {source} by `make generate`: change that file, not this one.\n"
BY_HAND = {"effects.py"}  # what the two do in different ways

_OTHER_NAMES = {
    "_async": "_sync",
    "AsyncBaseTransport": "BaseTransport",
    "AsyncClient": "Client",
    "Awaitable": "Awaitable",
    "aclose": "close",
    "aclosing": "closing",
    "aiter_bytes": "iter_bytes",
    "aiter_lines": "iter_lines",
    "aread": "read",
    "asynccontextmanager": "contextmanager",
}


def generate(target: Path) -> None:
    """Write every generated module into that folder."""
    sources = sorted(path for path in SOURCE.glob("*.py") if path.name not in BY_HAND)
    texts = [path.read_text(encoding="utf-8") for path in sources]
    classes = {name for text in texts for name in re.findall(r"^class (Async\w+)", text, re.MULTILINE)}
    names = _OTHER_NAMES | {name: name.removeprefix("Async") for name in classes}
    rule = Rule(f"{SOURCE}/", f"{target}/", names)
    unasync_files([str(path) for path in sources], [rule])
    for path in sources:
        written = target / path.name
        text = re.sub(r"Awaitable\[((?:[^\[\]]|\[[^\]]*\])*)\]", r"\1", written.read_text(encoding="utf-8"))
        text = text.replace("import Awaitable, Callable", "import Callable")
        text = text.replace("The asynchronous client: the source of the synchronous one", "The synchronous client")
        written.write_text(HEADER.format(source=path.relative_to(ROOT)) + text, encoding="utf-8")
    files = [str(target / path.name) for path in sources]
    config = ["--config", str(ROOT / "pyproject.toml")]
    subprocess.run([RUFF, "check", "--quiet", "--fix", "--select", "I,F401", *config, *files], check=True)
    subprocess.run([RUFF, "format", "--quiet", *config, *files], check=True)


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
