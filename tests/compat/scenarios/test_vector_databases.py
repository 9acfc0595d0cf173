"""The vector database: a Weaviate that the platform knows the address and the token of."""

import random
import subprocess

import pytest

from tests.compat.clients.environments import CLIENTS, HERE
from tests.compat.scenarios.conftest import options_for
from tests.compat.scenarios.marks import proves
from tests.compat.scenarios.usage import refused
from tests.platforms import Platform


@pytest.fixture(scope="module")
def weaviate():
    """The address of one. Clients insist on its ports, so it has a loopback address of its own."""
    host = "127." + ".".join(str(random.randint(1, 254)) for _ in range(3))
    python = next(spec.python for spec in CLIENTS if spec.version == "0.74.7")
    command = [str(python), str(HERE / "weaviate_stub.py"), host]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stub:
        assert stub.stdout is not None
        assert stub.stdout.readline() == b"serving\n"
        yield f"http://{host}"
        stub.communicate()


@pytest.fixture(scope="module")
def vectorial(weaviate, tmp_path_factory):
    """A platform that knows it."""
    folder = tmp_path_factory.mktemp("vectorial")
    running = Platform(folder, vector_database_url=weaviate, vector_database_token="vector-token").start()
    yield running
    running.stop()


@proves("get_vector_database_credentials", "get_weaviate_client", "get_async_weaviate_client")
def test_the_vector_database_is_found_and_connected_to(client, weaviate, vectorial):
    with client.again(**options_for(vectorial)) as other:
        assert other.get_vector_database_credentials() == {
            "vector_database_url": weaviate,
            "vector_database_token": "vector-token",
        }
        assert other.get_weaviate_client() == "WeaviateClient"
        assert other.get_async_weaviate_client() == "WeaviateAsyncClient"


@proves("get_vector_database_credentials", "get_weaviate_client", "get_async_weaviate_client")
def test_where_there_is_none_the_platform_says_so(client):
    for ask in (
        client.get_vector_database_credentials,
        client.get_weaviate_client,
        client.get_async_weaviate_client,
    ):
        error = refused(ask)
        assert (error.status_code, error.name) == (404, "NotFound")
        assert "vector database" in error.message
