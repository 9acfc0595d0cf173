"""Who the user is, and who is refused."""

import uuid

import pytest

from tests.compat.clients.proxies import ClientError
from tests.compat.scenarios.marks import proves
from tests.compat.scenarios.usage import refused


@proves("who_am_i")
def test_who_am_i_names_the_user_of_the_token(client):
    me = client.who_am_i()
    assert set(me) == {"id", "name", "email"}
    assert all(isinstance(value, str) and value for value in me.values())


@proves("get_user", "who_am_i")
def test_a_user_is_found_by_id_and_a_stranger_is_not(client):
    me = client.who_am_i()
    assert client.get_user(me["id"]) == me
    stranger = refused(client.get_user, str(uuid.uuid4()))
    assert (stranger.status_code, stranger.name) == (404, "NotFound")
    assert stranger.request_id


@proves("who_am_i")
def test_a_wrong_sdk_token_is_refused_with_a_reason(client):
    with client.again(sdk_token="not-the-token") as stranger:
        error = refused(stranger.who_am_i)
    assert error.status_code == 401
    assert "token" in error.message


@proves("who_am_i")
def test_token_and_addresses_may_come_from_the_environment_with_slashes_behind_them(client):
    url = client.options["environment_url"]
    variables = {
        "CRAFT_AI_SDK_TOKEN": client.options["sdk_token"],
        "CRAFT_AI_ENVIRONMENT_URL": f"{url}/",
        "CRAFT_AI_CONTROL_URL": f"{url}//",
    }
    with client.again(variables, sdk_token=None, environment_url=None, control_url=None) as other:
        assert other.who_am_i() == client.who_am_i()


@proves("who_am_i")
def test_without_a_token_there_is_no_client(client):
    client.who_am_i()
    with pytest.raises(ClientError) as caught:
        client.again(sdk_token=None)
    assert caught.value.kind == "ValueError"
