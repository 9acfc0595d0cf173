"""The table of escapes in docs/explanation/isolation.md: `python -m tests.isolation.page` prints it."""

from __future__ import annotations

from tests.isolation.red_team import ESCAPES


def escapes_table() -> str:
    """One row for each, in the order in which they are tried."""
    rows = [f"| {each.tries} | {each.needs} |\n" for each in ESCAPES]
    return "| What is tried | Fails from |\n| --- | --- |\n" + "".join(rows)


if __name__ == "__main__":
    print(escapes_table(), end="")
