"""Tokens in URLs are accepted and stay out of the server's log, whatever becomes of the request."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography.fernet import Fernet
from sqlalchemy.exc import DBAPIError

from pipeyard.store.sqlite import SqliteStore
from tests.platforms import Platform

MARK = "tell-nobody-0f1e2d3c"


def test_no_token_of_a_url_is_in_the_log(platform: Platform) -> None:
    name = platform.create_pipeline("def main():\n    pass\n")
    deployment = platform.deploy(name)
    token = deployment["endpoint_token"]
    url = f"{platform.url}/endpoints/{deployment['endpoint_url_path']}"
    assert httpx.post(url, params={"token": token}, timeout=90).status_code == 200
    for method, path in (
        ("POST", url),
        ("GET", f"{url}/executions/{MARK}"),
        ("PUT", url),
        ("GET", f"{platform.url}/nowhere"),
        ("GET", f"{platform.api}/data-store/content"),
        ("GET", f"{platform.api}/pipelines/{name}/archive"),
    ):
        assert httpx.request(method, path, params={"token": MARK}).status_code in (401, 403, 404, 405)
    address = urlsplit(platform.url)
    for line in (f"GET /?token={MARK} HTTP/9.9", f"GET /?token={MARK} HTTP/1.1\r\nupgrade: x\r\nconnection: upgrade"):
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.sendall(f"{line}\r\nhost: here\r\nconnection: close\r\n\r\n".encode())
            connection.recv(4096)
    for secret in (token, MARK, platform.credentials["CRAFT_AI_SDK_TOKEN"]):
        assert secret not in platform.log()


@pytest.mark.anyio
async def test_an_error_of_the_database_says_nothing_of_what_was_to_be_stored(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "store.sqlite", Fernet.generate_key())
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection:
        connection.execute("DROP TABLE variables")
    with pytest.raises(DBAPIError) as raised:
        await store.delete_variable("e", MARK)
    assert MARK not in str(raised.value)
    await store.close()
