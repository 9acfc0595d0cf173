"""The main job in one test: a function becomes a called endpoint."""

from craft_ai_sdk import Input, Output

from tests.platforms import Platform


def test_a_function_becomes_a_called_endpoint_in_both_modes(platform: Platform) -> None:
    name = platform.create_pipeline(
        """
        def main(number):
            return {"double": 2 * number}
        """,
        [Input("number", "number", is_required=True)],
        [Output("double", "number")],
    )
    for mode in ("elastic", "low_latency"):
        deployment = platform.deploy(name, mode)
        assert platform.call(deployment, {"number": 21}).json()["outputs"] == {"double": 42}
