"""Bad requests to run a periodic deployment now, or for a range. Each says in a sentence what is wrong with it."""

from __future__ import annotations

from typing import Any

from tests.api.bad_periodic import periodic
from tests.api.bad_requests import API, Bad, World, case

RANGE = {"from": "2026-01-01T00:00:00.000Z", "to": "2026-01-02T00:00:00.000Z"}
INSTANT = "an instant since 1970 with its offset, for example 2026-11-22T10:00:00.000Z"


def backfill(world: World, **fields: Any) -> Bad:
    """A backfill that is right but for these fields; one that is None is left out."""
    body = {key: value for key, value in (RANGE | fields).items() if value is not None}
    return Bad("POST", f"{API}/deployments/{periodic(world)}/backfill", {"json": body})


def _endpoint(world: World) -> str:
    return f"{API}/deployments/{world.deployment['name']}"


def instant(sentence: str, value: object, *said: str) -> Any:
    """A beginning that is wrong."""
    return case(sentence, lambda w: backfill(w, **{"from": value}), 400, "from: ", *said)


CASES = (
    case(
        "an endpoint is run now",
        lambda w: Bad("POST", f"{_endpoint(w)}/run-now"),
        400,
        "no schedule",
    ),
    case(
        "an endpoint is backfilled",
        lambda w: Bad("POST", f"{_endpoint(w)}/backfill", {"json": RANGE}),
        400,
        "no schedule",
    ),
    case("nothing is run now", lambda w: Bad("POST", f"{API}/deployments/nothing/run-now"), 404, "nothing"),
    case(
        "a backfill of nothing", lambda w: Bad("POST", f"{API}/deployments/no/backfill", {"json": RANGE}), 404, '"no"'
    ),
    instant("a backfill without a beginning", None, "is missing", INSTANT),
    instant("a beginning that is a number", 1767225600000, "is not usable", INSTANT),
    instant("a beginning without an offset", "2026-01-01T00:00:00", "is not usable", INSTANT),
    instant("a beginning that is no day", "2026-02-30T00:00:00Z", "is not usable", INSTANT),
    instant("a beginning before the time of computers", "0001-01-01T00:00:00Z", "is not usable", INSTANT),
    instant("a beginning beyond the calendar", "9999-12-31T23:59:59-23:59", "is not usable", INSTANT),
    instant("a beginning that is a list", ["2026-01-01T00:00:00Z"], "is not usable", INSTANT),
    case("a backfill without an end", lambda w: backfill(w, to=None), 400, "to: is missing"),
    case("an end in the future", lambda w: backfill(w, to="2999-01-01T00:00:00Z"), 400, "no range of the past"),
    case("an end before the beginning", lambda w: backfill(w, to="2025-01-01T00:00:00Z"), 400, "no range of the past"),
    case("an empty range", lambda w: backfill(w, to=RANGE["from"]), 400, '"from" before "to"'),
    case("a bound of nothing", lambda w: backfill(w, max_executions=0), 400, "max_executions: 0", "from 1 to 1000"),
    case("a bound beyond the largest", lambda w: backfill(w, max_executions=1001), 400, "from 1 to 1000"),
    case("a bound that is a flag", lambda w: backfill(w, max_executions=True), 400, "max_executions: True"),
    case("a part that does not exist", lambda w: backfill(w, until="now"), 400, "until"),
    case(
        "more fire times than are asked for",
        lambda w: backfill(w, **{"from": "2000-06-01T00:00:00Z"}, max_executions=20),
        400,
        "max_executions: the range has 26 fire times, which is more than 20",
        "up to 1000",
    ),
)
