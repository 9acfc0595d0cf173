"""Environment variables: set, listed, seen by executions, deleted."""

from tests.compat.clients.values import Input, InputSource, Output
from tests.compat.scenarios.marks import proves
from tests.compat.scenarios.usage import create, fresh, refused

READ = "import os\ndef main(name, mapped): return {'value': os.environ.get(name), 'mapped': mapped}\n"


@proves(
    "create_or_update_environment_variable",
    "list_environment_variables",
    "delete_environment_variable",
    "run_pipeline",
)
def test_a_variable_is_set_seen_updated_and_deleted(client, tmp_path):
    name = fresh("SALT").replace("-", "_")
    inputs = [Input("name", "string"), Input("mapped", "string")]
    pipeline = create(client, tmp_path, READ, inputs, [Output("value", "string"), Output("mapped", "string")])
    mapping = [InputSource("mapped", environment_variable_name=name)]

    def listed():
        return {one["name"]: one["value"] for one in client.list_environment_variables()}

    for value in ("a lot", "é = ; \n 🐋"):
        assert client.create_or_update_environment_variable(name, value) is None
        assert listed()[name] == value
        outputs = client.run_pipeline(pipeline, {"name": name}, inputs_mapping=mapping)["outputs"]
        assert outputs == {"value": value, "mapped": value}
    assert client.delete_environment_variable(name) == {"name": name, "value": "é = ; \n 🐋"}
    assert name not in listed()
    assert refused(client.delete_environment_variable, name).status_code == 404


@proves("create_or_update_environment_variable")
def test_the_platforms_own_names_are_refused(client):
    error = refused(client.create_or_update_environment_variable, "CRAFT_AI_SDK_TOKEN", "mine")
    assert (error.status_code, error.name) == (400, "InvalidInput")
