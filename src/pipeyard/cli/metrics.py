"""`pipeyard metrics`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from pipeyard import clock
from pipeyard.cli.completions import OfDeployment, OfExecution, OfPipeline
from pipeyard.cli.failures import CommandLineError
from pipeyard.cli.sessions import Session, client_command, plain_app

app = plain_app()
_SPAN = re.compile(r"(\d{1,6})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@client_command(app, "metrics")
def metrics(
    session: Session,
    name: Annotated[str | None, typer.Argument(help="Only the metric of this name.")] = None,
    pipeline: OfPipeline = None,
    deployment: OfDeployment = None,
    execution: OfExecution = None,
    resources: Annotated[bool, typer.Option("--resources", help="What the machine is doing instead.")] = False,
    since: Annotated[str, typer.Option(metavar="SPAN", help="With --resources: 30s, 15m, 2h, 7d.")] = "15m",
    csv: Annotated[bool, typer.Option("--csv", help="With --resources: all samples, as CSV.")] = False,
) -> None:
    """Print the metrics that executions have recorded, single values and lists."""
    if resources:
        _print_resources(session, _seconds(since), csv)
        return
    if csv:
        raise CommandLineError("--csv", "goes with --resources only")
    chosen = {"pipeline_name": pipeline, "deployment_name": deployment, "execution_id": execution}
    if sum(value is not None for value in chosen.values()) > 1:
        raise CommandLineError("metrics", "more than one filter", "one of --pipeline, --deployment, --execution")
    single = session.sdk.get_metrics(name, **chosen)
    lists = session.sdk.get_list_metrics(name, **chosen)
    if session.printer.as_json:
        session.printer.json({"metrics": single, "list_metrics": lists})
        return
    rows = [dict(row) for row in single] + [{**row, "value": row["values"]} for row in lists]
    columns = {"name": "METRIC", "value": "VALUE", "execution_id": "EXECUTION", "deployment_name": "DEPLOYMENT"}
    session.printer.rows(rows, columns)


def _seconds(span: str) -> int:
    match = _SPAN.fullmatch(span)
    if match is None:
        raise CommandLineError("--since", f'"{span[:20]}" is not a span of time', "such as 30s, 15m, 2h, 7d")
    return int(match[1]) * _SECONDS[match[2]]


def _print_resources(session: Session, span_s: int, csv: bool) -> None:
    from datetime import timedelta

    now = clock.now()
    start = now - timedelta(seconds=span_s)
    if csv:
        typer.get_binary_stream("stdout").write(session.sdk.get_resource_metrics(start, now, csv=True))
        return
    found: Mapping[str, Any] = session.sdk.get_resource_metrics(start, now)
    if session.printer.as_json:
        session.printer.json(found)
        return
    rows = [
        {"name": name, "worker": series["metric"].get("worker"), **_summary(series["values"])}
        for name, all_series in found["metrics"].items()
        for series in all_series
        if series["values"]
    ]
    session.printer.rows(rows, {"name": "RESOURCE", "worker": "WORKER", "last": "LAST", "mean": "MEAN", "peak": "PEAK"})
    totals = found.get("additional_data") or {}
    for name, total in totals.items():
        typer.echo(f"{name}\t{total}")


def _summary(samples: list[list[float]]) -> dict[str, float]:
    values = [float(value) for _, value in samples]
    return {"last": round(values[-1], 2), "mean": round(sum(values) / len(values), 2), "peak": round(max(values), 2)}
