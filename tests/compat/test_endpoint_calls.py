"""Triggering endpoints through the public client, by SDK token and by endpoint token."""

import io

import pytest
from craft_ai_sdk import Input, Output, SdkException

by_either_token = pytest.mark.parametrize("by", ["SDK token", "endpoint token"])
in_either_mode = pytest.mark.parametrize("mode", ["elastic", "low_latency"])


def _token(deployment, by):
    return deployment["endpoint_token"] if by == "endpoint token" else None


@by_either_token
@in_either_mode
def test_values_survive_the_way_through_an_endpoint(platform, sdk, echo, mode, by):
    deployment = platform.deploy(echo, mode)
    for values in (
        {"string": "é 🐋 \"'&=", "number": 1.5, "boolean": True, "json": {"value": 1, "url": "http://x"}, "array": [1]},
        {"string": "", "number": 0, "boolean": False, "json": {"url": None}, "array": [[], {}]},
    ):
        answer = sdk.trigger_endpoint(deployment["name"], _token(deployment, by), values)
        assert answer["outputs"] == values
        assert sdk.get_pipeline_execution(answer["execution_id"])["deployment_name"] == deployment["name"]


@by_either_token
@in_either_mode
def test_files_alone_go_in_and_come_out_as_bytes(platform, sdk, files, mode, by):
    deployment = platform.deploy(files, mode)
    answer = sdk.trigger_endpoint(deployment["name"], _token(deployment, by), {"f": b"\x00\xffabc"})
    assert answer["outputs"] == {"copy": b"cba\xff\x00", "size": 5, "said": None}


@by_either_token
@pytest.mark.parametrize("said", ["txt", "12", "null", '"quoted"', "é\n"])
def test_files_and_values_go_together(platform, sdk, files, by, said):
    deployment = platform.deploy(files)
    for given in (b"abc", io.BytesIO(b"abc")):
        inputs = {"f": given, "s": said}
        answer = sdk.trigger_endpoint(deployment["name"], _token(deployment, by), inputs)
        assert answer["outputs"] == {"copy": b"cba", "size": 3, "said": said}


@by_either_token
def test_values_beside_a_file_keep_their_types(platform, sdk, by):
    types = {"n": "number", "b": "boolean", "j": "json", "a": "array", "z": "json"}
    name = platform.create_pipeline(
        "def main(f, **inputs): return inputs",
        [Input("f", "file"), *(Input(key, kind) for key, kind in types.items())],
        [Output(key, kind) for key, kind in types.items()],
    )
    deployment = platform.deploy(name)
    values = {"n": 1.5, "b": True, "j": {"a": [1, "1"]}, "a": ["x", None], "z": None}
    answer = sdk.trigger_endpoint(deployment["name"], _token(deployment, by), {"f": b"", **values})
    assert answer["outputs"] == values


@by_either_token
@in_either_mode
def test_a_failing_execution_raises_the_users_error(platform, sdk, failing, mode, by):
    deployment = platform.deploy(failing, mode)
    with pytest.raises(SdkException) as caught:
        sdk.trigger_endpoint(deployment["name"], _token(deployment, by))
    assert caught.value.status_code == 500
    assert caught.value.name == "ExecutionFailed"
    assert "the sea is too salty" in caught.value.message
    execution = sdk.get_pipeline_execution(caught.value.additional_data["execution_id"])
    assert execution["status"] == "Failed"


@by_either_token
def test_a_file_output_that_is_none_is_none(platform, sdk, by):
    name = platform.create_pipeline(
        "def main(): return {'of': None, 'o': 1}", outputs=[Output("of", "file"), Output("o", "number")]
    )
    deployment = platform.deploy(name)
    assert sdk.trigger_endpoint(deployment["name"], _token(deployment, by))["outputs"] == {"of": None, "o": 1}


@by_either_token
def test_several_file_outputs_come_as_bytes(platform, sdk, by):
    name = platform.create_pipeline(
        """
        def main():
            for name in "ab":
                with open(name, "w") as file:
                    file.write(name * 3)
            return {"a": {"path": "a"}, "b": {"path": "b"}}
        """,
        outputs=[Output("a", "file"), Output("b", "file")],
    )
    deployment = platform.deploy(name)
    outputs = sdk.trigger_endpoint(deployment["name"], _token(deployment, by))["outputs"]
    assert outputs == {"a": b"aaa", "b": b"bbb"}


@by_either_token
def test_a_function_without_outputs_answers_with_none(platform, sdk, by):
    deployment = platform.deploy(platform.create_pipeline("def main(): pass"))
    assert sdk.trigger_endpoint(deployment["name"], _token(deployment, by))["outputs"] == {}


@by_either_token
def test_unknown_inputs_are_ignored_with_a_line_in_the_log(platform, sdk, echo, by):
    deployment = platform.deploy(echo)
    answer = sdk.trigger_endpoint(deployment["name"], _token(deployment, by), {"number": 1, "whale": 2})
    assert answer["outputs"]["number"] == 1
    (line,) = sdk.get_pipeline_execution_logs(answer["execution_id"])
    assert "whale" in line["message"]


@by_either_token
@pytest.mark.parametrize(
    ("inputs", "field"),
    [({"s": "x"}, "f"), ({"f": "not a file"}, "f"), ({"f": b"x", "s": b"a file"}, "s"), ({"f": 12}, "f")],
    ids=["missing", "a text for a file", "a file for a text", "a number for a file"],
)
def test_inputs_that_do_not_fit_are_refused_before_anything_is_queued(platform, sdk, files, by, inputs, field):
    deployment = platform.deploy(files)
    with pytest.raises(SdkException) as caught:
        sdk.trigger_endpoint(deployment["name"], _token(deployment, by), inputs)
    assert caught.value.status_code == 400
    assert caught.value.additional_data == {"field": field}
    assert sdk.get_deployment(deployment["name"])["last_execution_id"] is None


@by_either_token
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", "1"),
        ("number", True),
        ("string", 1),
        ("boolean", 1),
        ("boolean", "true"),
        ("array", {}),
        ("array", "[]"),
    ],
)
def test_a_value_of_another_type_is_refused(platform, sdk, echo, by, name, value):
    deployment = platform.deploy(echo)
    with pytest.raises(SdkException) as caught:
        sdk.trigger_endpoint(deployment["name"], _token(deployment, by), {name: value})
    assert caught.value.status_code == 400
    assert caught.value.additional_data == {"field": name}
    assert sdk.get_deployment(deployment["name"])["last_execution_id"] is None


def test_an_execution_that_does_not_exist_is_not_found(platform, sdk, echo):
    deployment = platform.deploy(echo)
    for by in ("SDK token", "endpoint token"):
        with pytest.raises(SdkException) as caught:
            sdk.retrieve_endpoint_results(deployment["name"], "no-such-execution", _token(deployment, by))
        assert caught.value.status_code == 404
