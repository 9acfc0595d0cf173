"""Bad requests about periodic deployments and updates. Each says in a sentence what is wrong with it."""

from __future__ import annotations

from typing import Any

from tests.api.bad_requests import API, Bad, World, case

YEARLY = "0 0 1 1 *"
PERIODIC = f"{API}/periodic-deployment"
NULL_INPUTS = [
    {"pipeline_input_name": name, "is_null": True} for name in ("number", "flag", "thing", "items", "upload")
]
INPUTS = [{"pipeline_input_name": "text", "constant_value": "a"}, *NULL_INPUTS]
OUTPUTS = [{"pipeline_output_name": name, "is_null": True} for name in ("result", "report")]
_FIVE = "five fields: minute, hour, day of month, month, day of week"
_EXAMPLE = '"0 14 * * *" is every day at 14:00 UTC'


def create(world: World, **fields: Any) -> Bad:
    """A creation of a periodic deployment, right but for these fields; one that is None is left out."""
    right = {
        "pipeline_name": world.pipeline,
        "name": "never",
        "schedule": YEARLY,
        "inputs_mapping": INPUTS,
        "outputs_mapping": OUTPUTS,
    }
    return Bad("POST", PERIODIC, {"json": {key: value for key, value in (right | fields).items() if value is not None}})


def inputs(world: World, *items: dict[str, Any]) -> Bad:
    """A creation with these input mappings in place of those of the same name."""
    named = {item["pipeline_input_name"]: item for item in (*INPUTS, *items)}
    return create(world, inputs_mapping=list(named.values()))


def periodic(world: World) -> str:
    """The name of a right one, made at the first need; it goes with its pipeline."""
    name = f"{world.pipeline}-periodic"
    created = create(world, name=name)
    if world.send(Bad("GET", f"{API}/deployments/{name}")).status_code == 404:
        assert world.send(created).status_code == 201
    return name


def update(world: World, **fields: Any) -> Bad:
    """An update of the right one."""
    return Bad("PATCH", f"{API}/deployments/{periodic(world)}", {"json": fields})


def update_input(world: World, name: str, **item: Any) -> Bad:
    """An update of one input mapping of the right one."""
    return update(world, inputs_mapping=[{"pipeline_input_name": name, **item}])


def scheduled(sentence: str, schedule: object, *said: str) -> Any:
    """A schedule that is wrong at a creation."""
    return case(sentence, lambda w: create(w, schedule=schedule), 400, "schedule: ", *said)


SCHEDULES = [
    scheduled("no schedule", None, "is missing", _FIVE, _EXAMPLE),
    scheduled("a schedule that is a number", 5, "must be text"),
    scheduled("a schedule that is a list", ["*"] * 5, "must be text"),
    scheduled("an empty schedule", "", "has 0 fields", _FIVE),
    scheduled("a schedule of four fields", "* * * *", "has 4 fields", _FIVE, _EXAMPLE),
    scheduled("a schedule with seconds", "0 * * * * *", "has 6 fields", _FIVE),
    scheduled("a nickname of a schedule", "@daily", "has 1 fields", _FIVE),
    scheduled("a sentence as a schedule", "every five minutes", "has 3 fields", _FIVE),
    scheduled("a schedule of three million letters", "*" * 3_000_000, "3000000 characters", "at most 500"),
    scheduled("minute 60", "60 * * * *", "the minute '60'", "0 to 59", _EXAMPLE),
    scheduled("a step of 90 minutes", "*/90 * * * *", "the minute '*/90' has too large a step", "up to 60"),
    scheduled("a step of 0 minutes", "*/0 * * * *", "the minute '*/0'", "0 to 59"),
    scheduled("a range of minutes backwards", "30-10 * * * *", "the minute '30-10'", "ranges (1-5, the lesser first)"),
    scheduled("a list of minutes with a hole", "1,,3 * * * *", "the minute '1,,3'", "lists (1,2)"),
    scheduled("a NUL in the minute", "\0 * * * *", "the minute '\\x00'", "0 to 59"),
    scheduled("an accent in the minute", "é* * * * *", "the minute 'é*'", "0 to 59"),
    scheduled("hour 24", "0 24 * * *", "the hour '24'", "0 to 23"),
    scheduled("an hour in words", "0 2pm * * *", "the hour '2pm'", "0 to 23"),
    scheduled("day 32", "0 0 32 * *", "the day of month '32'", "1 to 31"),
    scheduled("the last day of the month", "0 0 L * *", "the day of month 'L'", "1 to 31"),
    scheduled("month 0", "0 0 1 0 *", "the month '0'", "1 to 12, or JAN to DEC"),
    scheduled("a month in full", "0 0 1 January *", "the month 'January'", "JAN to DEC"),
    scheduled("day of week 8", "0 0 * * 8", "the day of week '8'", "0 to 7 (0 and 7 are Sunday), or SUN to SAT"),
    scheduled("the second Monday", "0 0 * * MON#2", "the day of week 'MON#2'", "SUN to SAT"),
    scheduled("30 February", "0 0 30 2 *", "never fires", _EXAMPLE),
]


def option(sentence: str, name: str, value: object, *said: str) -> Any:
    """An option of a schedule that is wrong at a creation."""
    return case(sentence, lambda w: create(w, **{name: value}), 400, f"{name}: ", *said)


_INSTANT = 'an instant with its offset, for example "2026-12-24T18:00:00Z"'
OPTIONS = [
    option("a time zone that is misspelt", "schedule_time_zone", "Europe/Pari", "'Europe/Pari' is not a time zone",
           "Europe/Paris"),
    option("a time zone that is a place nowhere", "schedule_time_zone", "Narnia", "IANA", "America/New_York"),
    option("a time zone that is an offset", "schedule_time_zone", "+01:00", "is not a time zone", "IANA"),
    option("a time zone that is a path", "schedule_time_zone", "../../etc/passwd", "is not a time zone"),
    option("a time zone that is a folder", "schedule_time_zone", "America", "is not a time zone"),
    option("a time zone that is what the machine is set to", "schedule_time_zone", "localtime", "is not a time zone"),
    option("a time zone that says it is none", "schedule_time_zone", "Factory", "is not a time zone"),
    option("a time zone that is empty", "schedule_time_zone", "", "is not a time zone"),
    option("a time zone with a NUL", "schedule_time_zone", "UTC\0", "is not a time zone", "UTC"),
    option("a time zone that is a number", "schedule_time_zone", 1, "must be text"),
    option("a time zone of a million letters", "schedule_time_zone", "x" * 1_000_000, "is not a time zone"),
    option("jitter in words", "schedule_jitter_s", "60", "whole seconds from 0 to 86400"),
    option("jitter that is a fraction", "schedule_jitter_s", 1.5, "whole seconds from 0 to 86400"),
    option("jitter that is true", "schedule_jitter_s", True, "whole seconds"),
    option("jitter below zero", "schedule_jitter_s", -1, "-1 is not usable"),
    option("jitter of more than a day", "schedule_jitter_s", 86_401, "0 to 86400"),
    option("a pause without an offset", "schedule_paused_until", "2027-01-01T00:00:00", "does not say its offset",
           _INSTANT),
    option("a pause of one day", "schedule_paused_until", "tomorrow", "'tomorrow' is not an instant", _INSTANT),
    option("a pause that is a number", "schedule_paused_until", 1_800_000_000, "must be text"),
    option("a pause before the calendar", "schedule_paused_until", "0001-01-01T00:00:00+14:00", "is not an instant"),
    option("a pause beyond the calendar", "schedule_paused_until", "9999-12-31T23:59:59-14:00", "is not an instant"),
    option("a pause for thousands of years", "schedule_paused_until", "9000-01-01T00:00:00Z", "too far away", "2200"),
    option("a policy that does not exist", "schedule_overlap", "queue", "'queue' is not a policy",
           "allow, skip, buffer_one"),
    option("a policy that is a list", "schedule_overlap", ["skip"], "is not a policy", "allow, skip, buffer_one"),
    option("a window of nothing", "schedule_catch_up_s", 0, "0 is not usable", "whole seconds from 10 to"),
    option("a window without an end", "schedule_catch_up_s", 10**12, "whole seconds from 10 to 31622400"),
    option("a window that is text", "schedule_catch_up_s", "1h", "whole seconds"),
]  # fmt: skip

MAPPINGS = [
    case("nothing mapped", lambda w: create(w, inputs_mapping=None, outputs_mapping=None), 400, "inputs_mapping",
         "not mapped: text, number, flag, thing, items, upload", "is_null"),
    case("one input not mapped", lambda w: create(w, inputs_mapping=INPUTS[:-1]), 400, "inputs_mapping",
         "not mapped: upload", "is_null"),
    case("outputs not mapped", lambda w: create(w, outputs_mapping=[]), 400, "outputs_mapping",
         "not mapped: result, report", "a data store path or is_null"),
    case("an input of a periodic deployment from an endpoint", lambda w: inputs(
        w, {"pipeline_input_name": "text", "endpoint_input_name": "text"}), 400,
        "inputs_mapping[0].endpoint_input_name", "a periodic deployment has no endpoint"),
    case("an output of a periodic deployment to an endpoint", lambda w: create(w, outputs_mapping=[
        {"pipeline_output_name": "result", "endpoint_output_name": "result"}, OUTPUTS[1]]), 400,
        "outputs_mapping[0].endpoint_output_name", "a periodic deployment has no endpoint"),
    case("a constant of another type at a creation", lambda w: inputs(
        w, {"pipeline_input_name": "number", "constant_value": "1"}), 400, "inputs_mapping[1].constant_value",
        "type number"),
    case("an endpoint path for a periodic deployment", lambda w: create(w, endpoint_url_path="p"), 400,
         "endpoint_url_path", "it has no endpoint"),
    case("an endpoint token for a periodic deployment", lambda w: create(w, endpoint_token="abcdefgh12"), 400,
         "endpoint_token", "it has no endpoint"),
    case("the rule endpoint for a periodic deployment", lambda w: create(w, execution_rule="endpoint"), 400,
         "execution_rule", "periodic"),
    case("a misspelt field of a periodic deployment", lambda w: create(w, shedule="* * * * *"), 400, "shedule",
         "schedule"),
    case("a misspelt time zone field", lambda w: create(w, timezone="Europe/Paris"), 400, "timezone",
         "is not a known field", "schedule_time_zone"),
    case("memory for elastic ticks", lambda w: create(w, ram_request="1GiB"), 400, "ram_request", "low_latency"),
    case("a periodic deployment with a name that is taken", lambda w: create(w, name=w.deployment["name"]), 409,
         "exists already"),
    case("a periodic deployment of a pipeline that does not exist", lambda w: create(w, pipeline_name="nope"), 404,
         'no pipeline named "nope"'),
    case("a periodic deployment of a pipeline that could not be built", lambda w: create(
        w, pipeline_name=w.broken_pipeline, inputs_mapping=None, outputs_mapping=None), 409, "could not be built"),
    case("a periodic deployment from inside nowhere", lambda w: Bad(
        "POST", PERIODIC, create(w).options, authorization=None), 401, "no access token"),
    case("a periodic deployment that is a list", lambda w: Bad("POST", PERIODIC, {"json": []}), 400, "body",
         "JSON object"),
]  # fmt: skip


def fire_times(world: World, query: str = "", name: str | None = None) -> Bad:
    """A preview."""
    return Bad("GET", f"{API}/deployments/{name or periodic(world)}/fire-times{query}")


PREVIEWS = [
    case("a preview of nothing", lambda w: fire_times(w, "?limit=0"), 400, "limit", "a whole number from 1 to 100"),
    case("a preview of too much", lambda w: fire_times(w, "?limit=101"), 400, "limit", "from 1 to 100"),
    case("a preview of some", lambda w: fire_times(w, "?limit=some"), 400, "limit", "'some' is not usable"),
    case("a preview with a misspelt limit", lambda w: fire_times(w, "?limits=5"), 400, "limits", "limit"),
    case("a preview of an endpoint", lambda w: fire_times(w, name=w.deployment["name"]), 400, "deployment",
         "triggered by calls, it has no schedule"),
    case("a preview of a deployment that does not exist", lambda w: fire_times(w, name="nope"), 404,
         'no deployment named "nope"'),
    case("a preview by a stranger", lambda w: Bad("GET", fire_times(w).path, {}, authorization=None), 401,
         "no access token"),
]  # fmt: skip

UPDATES = [
    case("an update to a wrong time zone", lambda w: update(w, schedule_time_zone="Paris"), 400, "schedule_time_zone",
         "'Paris' is not a time zone"),
    case("a right schedule with a wrong option", lambda w: update(w, schedule=YEARLY, schedule_overlap="no"), 400,
         "schedule_overlap", "allow, skip, buffer_one"),
    case("an update of an option and of a switch", lambda w: update(w, schedule_jitter_s=1, is_enabled=True), 400,
         "update", "2 properties sent", "with schedule, or instead, schedule_time_zone"),
    case("an option of a schedule for an endpoint deployment", lambda w: w.update(schedule_overlap="skip"), 400,
         "schedule_overlap", "triggered by calls"),
    case("an update to a wrong schedule", lambda w: update(w, schedule="0 24 * * *"), 400, "schedule", "the hour '24'",
         "0 to 23", _EXAMPLE),
    case("an update to a schedule that is a list", lambda w: update(w, schedule=[]), 400, "schedule", "must be text"),
    case("a schedule for an endpoint deployment", lambda w: w.update(schedule="* * * * *"), 400, "schedule",
         "triggered by calls"),
    case("an update of a schedule and a mapping", lambda w: update(w, schedule="* * * * *", inputs_mapping=[]), 400,
         "update", "2 properties sent", "exactly one of is_enabled, schedule, inputs_mapping, outputs_mapping"),
    case("an update to mappings that are an object", lambda w: update(w, inputs_mapping={"text": "b"}), 400,
         "inputs_mapping", "must be a list"),
    case("an update to a mapping that is text", lambda w: update(w, inputs_mapping=["text"]), 400, "inputs_mapping[0]",
         "must be an object"),
    case("an update of an input that is not there", lambda w: update_input(w, "whale", constant_value=1), 400,
         "inputs_mapping[0].pipeline_input_name", "no input 'whale'", "text, number, flag, thing, items, upload"),
    case("an update of an input twice", lambda w: update(w, inputs_mapping=[INPUTS[0], INPUTS[0]]), 400,
         "inputs_mapping[1].pipeline_input_name", "mapped twice"),
    case("an update without a value", lambda w: update_input(w, "text"), 400, "inputs_mapping[0]",
         "names no source"),
    case("an update to a constant of another type", lambda w: update_input(w, "text", constant_value=1), 400,
         "inputs_mapping[0].constant_value", "type string"),
    case("an update of a constant to null", lambda w: update_input(w, "text", is_null=True), 400, "inputs_mapping[0]",
         'the input "text" has a mapping of type constant', "another value of that type"),
    case("an update of a constant to a variable", lambda w: update_input(w, "text", environment_variable_name="A"), 400,
         "inputs_mapping[0]", 'the input "text" has a mapping of type constant', "cannot make environment_variable"),
    case("an update of a constant to an endpoint input", lambda w: update_input(w, "text", endpoint_input_name="t"),
         400, "inputs_mapping[0]", 'the input "text" has a mapping of type constant', "cannot make endpoint"),
    case("an update of null to a constant", lambda w: update_input(w, "number", constant_value=1), 400,
         "inputs_mapping[0]", 'the input "number" has a mapping of type is_null', "leave it out"),
    case("an update of an output from null to an endpoint", lambda w: update(
        w, outputs_mapping=[{"pipeline_output_name": "result", "endpoint_output_name": "result"}]), 400,
        "outputs_mapping[0]", 'the output "result" has a mapping of type is_null', "leave it out"),
    case("an update of an output that is not there", lambda w: update(
        w, outputs_mapping=[{"pipeline_output_name": "whale", "is_null": True}]), 400,
        "outputs_mapping[0].pipeline_output_name", "no output 'whale'", "result, report"),
    case("another name for an endpoint input", lambda w: w.update(inputs_mapping=[
        {"pipeline_input_name": "text", "endpoint_input_name": "other"}]), 400, "inputs_mapping[0]",
        'the input "text" has a mapping of type endpoint', "constant and datastore can be updated"),
    case("an update by a stranger", lambda w: Bad(
        "PATCH", update(w).path, {"json": {"is_enabled": False}}, authorization=None), 401, "no access token"),
    case("a call of a periodic deployment", lambda w: Bad(
        "POST", f"{API}/deployments/{periodic(w)}/executions", {"json": {}}), 400, "deployment",
        "its schedule triggers it", "/run-now"),
    case("a token for a periodic deployment", lambda w: Bad(
        "POST", f"{API}/endpoints/{periodic(w)}/generate-new-token"), 400, "deployment", "has no endpoint token"),
    case("a call of a path like a periodic deployment's name", lambda w: Bad(
        "POST", f"/endpoints/{periodic(w)}", {"json": {}}), 404, "no endpoint named"),
]  # fmt: skip

CASES = [*SCHEDULES, *OPTIONS, *MAPPINGS, *PREVIEWS, *UPDATES]
