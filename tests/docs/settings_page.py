"""Writes docs/reference/settings.md out of settings.py: `python -m tests.docs.settings_page`."""

from __future__ import annotations

from dataclasses import fields

from pipeyard.settings import Settings
from tests.docs.pages import REFERENCE

PAGE = REFERENCE / "settings.md"
FLAGS = {"data_dir": "--data-dir", "host": "--host", "port": "--port"}
# Not the same on every machine.
COMPUTED_DEFAULTS = {
    "elastic_max_pods": "one per core, at least 4",
    "elastic_ram_max_bytes": "half of the machine's memory",
    "pods_ram_max_bytes": "nine tenths of the machine's memory",
    "zygotes_max_bytes": "a quarter of the machine's memory",
}

HEAD = """# Settings

Every setting can come from three places. A later one wins:

1. the environment variable `PIPEYARD_` followed by the name in capitals, for example `PIPEYARD_PORT=8000`
2. the file `pipeyard.toml` in the folder where the command is started, for example `port = 8000`
3. the flag of the command, where there is one

Names say their unit: `_s` is seconds, `_bytes` is bytes. A setting that cannot be used ends the start with one line
that names it and says what is allowed.

## All settings

| Name | Default | Flag | Allowed | Why this default |
| --- | --- | --- | --- | --- |
"""
FOOT = """
This page is written out of `src/pipeyard/settings.py` by `python -m tests.docs.settings_page`; a test compares the two.
"""


def settings_page() -> str:
    """The text of the page."""
    rows = []
    for setting in fields(Settings):
        default = COMPUTED_DEFAULTS.get(setting.name) or f"`{str(setting.default) or chr(34) * 2}`"
        flag = f"`{FLAGS[setting.name]}`" if setting.name in FLAGS else ""
        allowed, reason = setting.metadata["allowed"], setting.metadata["reason"]
        rows.append(f"| `{setting.name}` | {default} | {flag} | {allowed.words if allowed else ''} | {reason} |\n")
    return HEAD + "".join(rows) + FOOT


if __name__ == "__main__":
    PAGE.write_text(settings_page(), encoding="utf-8")
