"""What is printed, and what is written to .bench/results.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.figures import Samples
from bench.rows import Row

HEAD = ("what", "unit", "Pipeyard", "beside", "ratio", "budget", "")
NOTES = (
    "Medians of the rounds, [lowest..highest] in brackets. Beside: LitServe, or the fresh interpreter where a row says "
    "so.",
    "The ratio is Pipeyard to the other (the interpreter's: the other to Pipeyard), round by round, then the median.",
    "The load generator runs on the same cores as what it measures; its row says how much of one core it took.",
    "Every Pipeyard call is on the disk before it starts, its end before it is answered; LitServe persists nothing.",
    "Budgets that are not measured here: a killed worker's final state, the start with 100,000 executions.",
)


def print_table(machine: Mapping[str, str], rows: Sequence[Row], failures: Mapping[str, str]) -> None:
    """The whole report."""
    print()
    for name, value in machine.items():
        print(f"{name:<12} {value}")
    print()
    lines = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    for number, line in enumerate(lines):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    print()
    for name, why in failures.items():
        print(f"NOT MEASURED  {name}: {why}")
    for row in rows:
        if row.budget is not None and row.budget.note:
            print(f"{row.what}: {row.budget.note}.")
    print("\n".join(NOTES))


def write_json(
    file: Path, form: str, machine: Mapping[str, str], rows: Sequence[Row], failures: Mapping[str, str]
) -> None:
    """All rounds of all rows."""
    content = {"form": form, "machine": machine, "rows": [row.as_json() for row in rows], "not_measured": failures}
    file.write_text(json.dumps(content, indent=2) + "\n")


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.what,
        row.unit,
        _shown(row.ours),
        "" if row.other is None else _shown(row.other),
        "" if row.ratio is None else f"{_number(row.ratio.median)} x",
        _budget(row),
        row.verdict or "",
    )


def _budget(row: Row) -> str:
    if row.budget is None:
        return ""
    sign = ">=" if row.budget.at_least else "<="
    unit = "x" if row.budget.of_ratio else row.unit
    return f"{sign} {row.budget.limit:g} {unit}"


def _shown(samples: Samples) -> str:
    return f"{_number(samples.median)} [{_number(samples.low)}..{_number(samples.high)}]"


def _number(value: float) -> str:
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
