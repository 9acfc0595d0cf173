"""What OpenAPI says of mappings: as they are sent, and as they are shown."""

from __future__ import annotations

from pipeyard.api.operations import ANY, FLAG, NAME, TEXT, TRUE, VARIABLE, Json, array, choice, maybe, record
from pipeyard.domain.mappings import DESTINATION_KEYS, SOURCE_KEYS, Destination, Source
from pipeyard.domain.values import DataType

DATA_TYPE = choice(*DataType)
_RULES: Json = {"is_required": FLAG, "default_value": ANY}
_SHOWN_SOURCES: Json = {
    SOURCE_KEYS[Source.CONSTANT]: ANY,
    SOURCE_KEYS[Source.ENVIRONMENT_VARIABLE]: VARIABLE,
    SOURCE_KEYS[Source.ENDPOINT]: NAME,
    SOURCE_KEYS[Source.DATASTORE]: TEXT,
    SOURCE_KEYS[Source.IS_NULL]: TRUE,
    SOURCE_KEYS[Source.RUN]: NAME,
}
_SHOWN_DESTINATIONS: Json = {
    DESTINATION_KEYS[Destination.ENDPOINT]: NAME,
    DESTINATION_KEYS[Destination.DATASTORE]: TEXT,
    DESTINATION_KEYS[Destination.IS_NULL]: TRUE,
    DESTINATION_KEYS[Destination.RUN]: NAME,
}
_COMMON: Json = {"data_type": DATA_TYPE, "description": maybe(TEXT)}

INPUT_MAPPINGS = array(record({"pipeline_input_name": NAME, **_COMMON}, {**_SHOWN_SOURCES, **_RULES}))
OUTPUT_MAPPINGS = array(record({"pipeline_output_name": NAME, **_COMMON}, _SHOWN_DESTINATIONS))


def _sent(kind: str, keys: Json, run_key: str) -> Json:
    """Exactly one key of `keys` counts; one that is null, or `is_null: false`, counts as absent."""
    given = {key: maybe(schema) for key, schema in keys.items() if key != run_key} | {"is_null": maybe(FLAG)}
    ignored: Json = {"data_type": ANY, "description": ANY}  # as they are shown; the pipeline's own count
    return record({f"pipeline_{kind}_name": NAME}, {f"step_{kind}_name": ANY, **given, **ignored})


_SENT_INPUT = _sent("input", _SHOWN_SOURCES, SOURCE_KEYS[Source.RUN])
_SENT_INPUT["properties"] |= {"is_required": maybe(FLAG), "default_value": ANY}
SENT_INPUT_MAPPINGS = maybe(array(_SENT_INPUT))
SENT_OUTPUT_MAPPINGS = maybe(array(_sent("output", _SHOWN_DESTINATIONS, DESTINATION_KEYS[Destination.RUN])))

EXECUTION_INPUTS = array(
    record(
        {
            "pipeline_input_name": NAME,
            "data_type": DATA_TYPE,
            "mapping_type": choice(*Source),
            "mapping_value": record({}, {**_SHOWN_SOURCES, **_RULES}),
        },
        {"value": ANY},
    )
)
EXECUTION_OUTPUTS = array(
    record(
        {
            "pipeline_output_name": NAME,
            "data_type": DATA_TYPE,
            "mapping_type": choice(*Destination),
            "mapping_value": record({}, _SHOWN_DESTINATIONS),
        },
        {"value": ANY},
    )
)
