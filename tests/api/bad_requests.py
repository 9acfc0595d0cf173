"""Bad requests, and the world that they are sent to. Each says in a sentence what is wrong with it."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

from tests.platforms import Platform

API = "/api/v1"
MAIN = b"def main(text, number=None, flag=None, thing=None, items=None, upload=None):\n    return {}\n"
VALUES_LIMIT = 5_000_000


@dataclass(frozen=True)
class Bad:
    """A request. `token` None sends none, "" the access token."""

    method: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    authorization: str | None = ""


@dataclass(frozen=True)
class World:
    """A pipeline with an input of each type, its deployments, and whatever else a request can name."""

    platform: Platform
    client: httpx.Client
    pipeline: str
    broken_pipeline: str
    deployment: Mapping[str, Any]
    other_deployment: Mapping[str, Any]
    disabled_deployment: Mapping[str, Any]
    execution_id: str
    access_token: str

    # --- what a case is made of ---

    def create(self, archive: bytes | None = None, **fields: str | None) -> Bad:
        """A creation of a pipeline; a field that is None is left out. `inputs__0__name` is `inputs[0][name]`."""
        given = {"pipeline_name": "never", "function_path": "main.py", "function_name": "main"} | fields
        form = {_bracketed(key): value for key, value in given.items() if value is not None}
        files = {"step_file": ("step_file", tar({"main.py": MAIN}) if archive is None else archive)}
        return Bad("POST", f"{API}/pipelines", {"data": form, "files": files})

    def deploy(self, **fields: Any) -> Bad:
        """A creation of an endpoint deployment."""
        return Bad("POST", f"{API}/endpoints", {"json": {"pipeline_name": self.pipeline, "name": "never"} | fields})

    def map(self, *inputs: Mapping[str, Any], **fields: Any) -> Bad:
        """A creation of an endpoint deployment with these input mappings."""
        return self.deploy(inputs_mapping=list(inputs), **fields)

    def run(self, values: object = None, **fields: Any) -> Bad:
        """A run of the pipeline."""
        text = values if isinstance(values, str) else json.dumps({"text": "a"} if values is None else values)
        return Bad("POST", f"{API}/pipelines/{self.pipeline}/run", {"data": {"json_inputs": text} | fields})

    def call(self, content: object = None, token: str | None = None, **options: Any) -> Bad:
        """A call of the endpoint with JSON text or a value."""
        body = (
            content
            if isinstance(content, bytes | Iterator)
            else json.dumps({} if content is None else content).encode()
        )
        path = f"/endpoints/{self.deployment['endpoint_url_path']}"
        authorization = f"EndpointToken {self.deployment['endpoint_token'] if token is None else token}"
        return Bad("POST", path, {"content": body} | options, authorization)

    def call_form(self, body: bytes, content_type: str = "multipart/form-data; boundary=cut") -> Bad:
        """A call of the endpoint with a body as it stands."""
        return self.call(body, headers={"Content-Type": content_type})

    def update(self, **fields: Any) -> Bad:
        """An update of the deployment."""
        return Bad("PATCH", f"{API}/deployments/{self.deployment['name']}", {"json": fields})

    def exchange(self, **fields: Any) -> Bad:
        """An exchange of the deployment."""
        return Bad("POST", f"{API}/deployments/{self.deployment['name']}/exchange", {"json": fields})

    def renew(self, **options: Any) -> Bad:
        """Another token for the deployment."""
        return Bad("POST", f"{API}/endpoints/{self.deployment['name']}/generate-new-token", options)

    def set_variables(self, variables: object) -> Bad:
        """Environment variables."""
        body = json.dumps({"environment_variables": variables})
        return Bad("PUT", f"{API}/environment-variables", {"content": body})

    def logs(self, **fields: Any) -> Bad:
        """The log of the execution."""
        return Bad("POST", f"{API}/executions/{self.execution_id}/logs", {"json": fields})

    def signed(self, **claims: Any) -> str:
        """An access token that only this server could have signed."""
        key = (self.platform.data_dir / "keys" / "signing.key").read_text().strip()
        return jwt.encode({"sub": "u", "iat": 1, "exp": 4_000_000_000, "type": "access"} | claims, key, "HS256")

    def environment_id(self) -> str:
        """Of the environment that everything is in."""
        found: str = self.client.get(f"{API}/environment-info").json()["environment_id"]
        return found

    def pod_token(self, environment_id: str, kind: str = "execution") -> str:
        """An access token of the code of an execution, or of a deployment."""
        return self.signed(pod_of={"environment_id": environment_id, "kind": kind, "id": "x"})

    def download_token(self) -> str:
        """What opens the pipeline's archive."""
        url: str = self.send(Bad("GET", f"{API}/pipelines/{self.pipeline}/download")).json()["signed_url"]
        return url.partition("token=")[2]

    # --- what a case is checked with ---

    def send(self, bad: Bad) -> httpx.Response:
        """Send it."""
        options = dict(bad.options)
        authorization = f"Bearer {self.access_token}" if bad.authorization == "" else bad.authorization
        headers = {} if authorization is None else {"Authorization": authorization}
        return self.client.request(bad.method, bad.path, headers=headers | options.pop("headers", {}), **options)

    def snapshot(self) -> dict[str, Any]:
        """All that a refused request must leave as it was."""
        seen: dict[str, Any] = {path: self.send(Bad("GET", f"{API}/{path}")).json() for path in self._readable()}
        seen["files"] = sorted(
            path for path in _files(str(self.platform.data_dir)) if ".db" not in path and "/pods/" not in path
        )
        return seen

    def _readable(self) -> Iterator[str]:
        yield from ("pipelines", "deployments", "environment-variables", "project-information")
        yield f"pipelines/{self.pipeline}/executions"
        yield from ("metrics/single-value", "metrics/list-values")
        for deployment in (self.deployment, self.disabled_deployment):
            yield f"deployments/{deployment['name']}"


def _bracketed(key: str) -> str:
    first, *rest = key.split("__")
    return first + "".join(f"[{part}]" for part in rest)


def _files(root: str) -> Iterator[str]:
    for folder, _, names in os.walk(root):
        yield f"{folder}/"
        yield from (f"{folder}/{name}" for name in names)


@dataclass(frozen=True)
class Case:
    """`said` are parts of the message: the field first, then what is allowed."""

    sentence: str
    build: Callable[[World], Bad]
    status: int
    said: tuple[str, ...]


def case(sentence: str, build: Callable[[World], Bad], status: int, *said: str) -> Case:
    return Case(sentence, build, status, said)


# --- archives ---


def tar(files: Mapping[str, bytes], *members: tarfile.TarInfo) -> bytes:
    """A gzip tar of these files, then of these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in members:
            archive.addfile(member)
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def bomb() -> bytes:
    """A file that says it has 300 MB."""
    info = tarfile.TarInfo("zeros.bin")
    info.size = 300_000_000
    return gzip.compress(info.tobuf() + b"\0" * 1024 * 1024)


def crowd() -> bytes:
    """More members than allowed."""
    return gzip.compress(member("folder", tarfile.DIRTYPE).tobuf() * 20_001, compresslevel=1)


GOOD_TAR = tar({"main.py": MAIN})
_NAME = "1 to 100 characters"
_TYPES = "string, number, boolean, json, array, file"


def nested(depth: int) -> bytes:
    return b'{"thing":' + b"[" * depth + b"]" * depth + b"}"


def part(name: str, text: bytes, *, file: bool = False) -> bytes:
    extra = b'; filename="x"' if file else b""
    return (
        b'--cut\r\nContent-Disposition: form-data; name="' + name.encode() + b'"' + extra + b"\r\n\r\n" + text + b"\r\n"
    )


END = b"--cut--\r\n"

CREATIONS = [
    case("a pipeline without a name", lambda w: w.create(pipeline_name=None), 400, "pipeline_name", "missing", _NAME),
    case("a pipeline with an empty name", lambda w: w.create(pipeline_name=""), 400, "pipeline_name", _NAME),
    case("a pipeline's name with a space", lambda w: w.create(pipeline_name="a b"), 400, "pipeline_name", _NAME),
    case("a pipeline's name with a slash", lambda w: w.create(pipeline_name="a/b"), 400, "pipeline_name", _NAME),
    case("a pipeline named two dots", lambda w: w.create(pipeline_name=".."), 400, "pipeline_name", _NAME),
    case("a pipeline's name of 101 letters", lambda w: w.create(pipeline_name="a" * 101), 400, "pipeline_name", _NAME),
    case("a pipeline's name in Greek", lambda w: w.create(pipeline_name="αβγ"), 400, "pipeline_name", _NAME),
    case("a pipeline's name with a NUL", lambda w: w.create(pipeline_name="a\0b"), 400, "pipeline_name", _NAME),
    case("a pipeline's name with a line end", lambda w: w.create(pipeline_name="a\n"), 400, "pipeline_name", _NAME),
    case("a pipeline's name that is taken", lambda w: w.create(pipeline_name=w.pipeline), 409, "exists already"),
    case("no function path", lambda w: w.create(function_path=None), 400, "function_path", "src/main.py"),
    case("a function path out of the code", lambda w: w.create(function_path="../main.py"), 400, "function_path"),
    case("a function path that is no Python", lambda w: w.create(function_path="main.sh"), 400, "function_path", ".py"),
    case("a function file that is not in the code", lambda w: w.create(function_path="other.py"), 400,
         "function_path", '"other.py" is not in the code', "main.py"),
    case("no function name", lambda w: w.create(function_name=None), 400, "function_name", "function_path"),
    case("a function name that is no name", lambda w: w.create(function_name="main()"), 400, "function_name"),
    case("a misspelt field", lambda w: w.create(functionname="main"), 400, "functionname", "function_name"),
    case("a description with a NUL", lambda w: w.create(description="a\0b"), 400, "description", "NUL"),
    case("a description of a book's length", lambda w: w.create(description="a" * 10_001), 400, "description", "10000"),
    case("an unknown data type", lambda w: w.create(inputs__0__name="a", inputs__0__data_type="text"), 400,
         "inputs[0].data_type", _TYPES),
    case("an input without a type", lambda w: w.create(inputs__0__name="a"), 400, "inputs[0].data_type", _TYPES),
    case("an input without a name", lambda w: w.create(inputs__0__data_type="json"), 400, "inputs[0].name"),
    case("an input that no parameter can be called", lambda w: w.create(
        inputs__0__name="class", inputs__0__data_type="json"), 400, "inputs[0].name", "Python reserves"),
    case("two inputs of one name", lambda w: w.create(
        inputs__0__name="a", inputs__0__data_type="json", inputs__1__name="a", inputs__1__data_type="json"), 400,
        "inputs[1].name", "inputs[0]"),
    case("two outputs of one name", lambda w: w.create(
        outputs__0__name="a", outputs__0__data_type="json", outputs__1__name="a", outputs__1__data_type="json"), 400,
        "outputs[1].name"),
    case("an output with a default", lambda w: w.create(
        outputs__0__name="a", outputs__0__data_type="json", outputs__0__default_value="1"), 400,
        "outputs[0].default_value", "only applies to an input"),
    case("inputs with a gap", lambda w: w.create(inputs__1__name="a"), 400, "inputs", "list"),
    case("a default of the wrong type", lambda w: w.create(
        inputs__0__name="a", inputs__0__data_type="number", inputs__0__default_value="many"), 400,
        "inputs[0].default_value", "number"),
    case("a default for a file", lambda w: w.create(
        inputs__0__name="a", inputs__0__data_type="file", inputs__0__default_value="x"), 400,
        "inputs[0].default_value", "leave it out"),
    case("is_required that is neither true nor false", lambda w: w.create(
        inputs__0__name="a", inputs__0__data_type="json", inputs__0__is_required="maybe"), 400,
        "inputs[0].is_required", "true or false"),
    case("an unknown key of the container config", lambda w: w.create(container_config__langage="python:3.11-slim"),
         400, "container_config.langage", "language"),
    case("a language that is none", lambda w: w.create(container_config__language="ruby:3"), 400,
         "container_config.language", "python:3.X-slim"),
    case("a requirements file that is not there", lambda w: w.create(container_config__requirements_path="r.txt"), 400,
         "container_config.requirements_path", '"r.txt" is not in the code'),
    case("a system package with a version", lambda w: w.create(container_config__system_dependencies__0="git=2"), 400,
         "container_config.system_dependencies[0]", "no version"),
    case("memory of a pipeline in a unit that is none", lambda w: w.create(container_config__ram_request="2GB"), 400,
         "container_config.ram_request", "KiB, MiB or GiB"),
    case("more memory for a pipeline than there is", lambda w: w.create(container_config__ram_request="900000GiB"), 400,
         "container_config.ram_request", "all pods of this machine together may have", "at most "),
    case("a Dockerfile on a machine without containers", lambda w: w.create(container_config__dockerfile_path="D"),
         400, "container_config.dockerfile_path"),
    case("a pipeline without code", lambda w: Bad("POST", f"{API}/pipelines", {
        "data": {"pipeline_name": "never", "function_path": "m.py", "function_name": "m"}}), 400,
        "container_config.repository_url", "step_file"),
    case("a template that is not there", lambda w: Bad("POST", f"{API}/pipelines", {
        "json": {"pipeline_name": "never", "pipeline_template_name": "t"}}), 404, 'no pipeline template named "t"'),
    case("a pipeline as text/plain", lambda w: Bad("POST", f"{API}/pipelines", {
        "content": b"pipeline_name=never", "headers": {"Content-Type": "text/plain"}}), 400,
        "Content-Type", "multipart/form-data"),
    case("a pipeline form whose brackets do not pair up", lambda w: Bad("POST", f"{API}/pipelines", {
        "data": {"pipeline_name": "never", "inputs[0": "x"}}), 400, "inputs[0", "brackets"),
    case("a pipeline form nested 1,000 levels deep", lambda w: Bad("POST", f"{API}/pipelines", {
        "data": {"inputs" + "[a]" * 300: "x"}}), 400, "inputs", "32 levels"),
]  # fmt: skip

ARCHIVES = [
    case("an empty archive", lambda w: w.create(b""), 400, "step_file", "is empty", "gzip tar"),
    case("an archive that is no gzip", lambda w: w.create(b"PK\3\4 surely a zip"), 400, "step_file", "gzip tar"),
    case("an archive cut in the middle", lambda w: w.create(GOOD_TAR[: len(GOOD_TAR) // 2]), 400, "step_file"),
    case("an archive without its last bytes", lambda w: w.create(GOOD_TAR[:-4]), 400, "step_file", "damaged"),
    case("an archive with a flipped bit", lambda w: w.create(
        GOOD_TAR[:-6] + bytes([GOOD_TAR[-6] ^ 1]) + GOOD_TAR[-5:]), 400, "step_file", "damaged"),
    case("a gzip of rubbish", lambda w: w.create(gzip.compress(os.urandom(5000))), 400, "step_file", "gzip tar"),
    case("an archive of nothing", lambda w: w.create(tar({})), 400, "step_file", "holds no files"),
    case("an archive that climbs out", lambda w: w.create(tar({"../main.py": MAIN})), 400, "step_file", '".."'),
    case("an archive with an absolute path", lambda w: w.create(tar({"/etc/main.py": MAIN})), 400, "step_file",
         "absolute path", "inside the pipeline's folder"),
    case("a symbolic link out", lambda w: w.create(tar(
        {"main.py": MAIN}, member("out", tarfile.SYMTYPE, "../../keys"))), 400, "step_file", "leads out"),
    case("an absolute symbolic link", lambda w: w.create(tar(
        {"main.py": MAIN}, member("out", tarfile.SYMTYPE, "/etc/passwd"))), 400, "step_file", "leads out"),
    case("a link out through another link", lambda w: w.create(tar(
        {"main.py": MAIN}, member("a", tarfile.SYMTYPE, "."), member("b", tarfile.SYMTYPE, "a/.."))), 400,
        "step_file", "leads out"),
    case("a hard link out", lambda w: w.create(tar(
        {"main.py": MAIN}, member("out", tarfile.LNKTYPE, "../../keys/signing.key"))), 400, "step_file", '".."'),
    case("a hard link to nothing", lambda w: w.create(tar(
        {"main.py": MAIN}, member("out", tarfile.LNKTYPE, "nothing"))), 400, "step_file", "no file before it"),
    case("a device file", lambda w: w.create(tar({"main.py": MAIN}, member("null", tarfile.CHRTYPE))), 400,
         "step_file", "a device"),
    case("a fifo", lambda w: w.create(tar({"main.py": MAIN}, member("pipe", tarfile.FIFOTYPE))), 400,
         "step_file", "special file"),
    case("a file that is a folder too", lambda w: w.create(tar({"main.py": MAIN, "main.py/x": b""})), 400,
         "step_file", "both a folder and a file"),
    case("an archive that unpacks to 300 MB", lambda w: w.create(bomb()), 413, "step_file",
         "archive_max_unpacked_bytes"),
    case("an archive of 20,001 members", lambda w: w.create(crowd()), 413, "step_file", "archive_max_members"),
    case("an archive beyond the limit", lambda w: w.create(b"\0" * 50_000_001), 413, "step_file", "archive_max_bytes"),
    case("a second archive beside the first", lambda w: Bad("POST", f"{API}/pipelines", {
        "data": {"pipeline_name": "never"}, "files": [("step_file", ("a", GOOD_TAR)), ("step_file", ("b", GOOD_TAR))]}),
        400, "step_file", "twice"),
]  # fmt: skip

DEPLOYMENTS = [
    case("a deployment without a name", lambda w: w.deploy(name=None), 400, "name", "missing", _NAME),
    case("a deployment whose name is a number", lambda w: w.deploy(name=7), 400, "name", "must be text, got int"),
    case("a deployment whose name is a list", lambda w: w.deploy(name=["d"]), 400, "name", "must be text, got list"),
    case("a deployment's name with a slash", lambda w: w.deploy(name="a/b"), 400, "name", _NAME),
    case("a deployment's name that is taken", lambda w: w.deploy(name=w.deployment["name"]), 409, "exists already"),
    case("an endpoint path that is taken", lambda w: w.deploy(endpoint_url_path=w.deployment["endpoint_url_path"]), 409,
         "endpoint path", "is taken"),
    case("the endpoint path v1", lambda w: w.deploy(endpoint_url_path="v1"), 400, "endpoint_url_path",
         "any other name"),
    case("a deployment named v1 without a path", lambda w: w.deploy(name="v1"), 400, "endpoint_url_path", "v1"),
    case("an endpoint path with a slash", lambda w: w.deploy(endpoint_url_path="a/b"), 400, "endpoint_url_path", _NAME),
    case("no pipeline name", lambda w: w.deploy(pipeline_name=None), 400, "pipeline_name", "missing"),
    case("a pipeline that does not exist", lambda w: w.deploy(pipeline_name="nope"), 404, 'no pipeline named "nope"'),
    case("a pipeline that could not be built", lambda w: w.deploy(pipeline_name=w.broken_pipeline), 409,
         "could not be built", "logs"),
    case("an unknown mode", lambda w: w.deploy(mode="turbo"), 400, "mode", "elastic, low_latency"),
    case("a mode that is a list", lambda w: w.deploy(mode=["elastic"]), 400, "mode", "elastic, low_latency"),
    case("a mode of three million letters", lambda w: w.deploy(mode="x" * 3_000_000), 400, "mode", "elastic"),
    case("an unknown rule", lambda w: w.deploy(execution_rule="weekly"), 400, "execution_rule", "endpoint"),
    case("a schedule with an endpoint", lambda w: w.deploy(schedule="* * * * *"), 400, "schedule", "no schedule"),
    case("timeout_s on the wire", lambda w: w.deploy(timeout_s=180), 400, "timeout_s", "execution_timeout_s"),
    case("a misspelt field of a deployment", lambda w: w.deploy(ram_requested="1GiB"), 400, "ram_requested",
         "ram_request"),
    case("a description that is a number", lambda w: w.deploy(description=5), 400, "description", "text"),
    case("a description with half a surrogate pair", lambda w: Bad("POST", f"{API}/endpoints", {
        "content": b'{"pipeline_name": "p", "name": "never", "description": "\\ud800"}'}), 400, "description",
         "surrogate"),
    case("a short endpoint token", lambda w: w.deploy(endpoint_token="abc"), 400, "endpoint_token", "8 to 200"),
    case("an endpoint token with a plus", lambda w: w.deploy(endpoint_token="abc+defghi"), 400, "endpoint_token",
         "A-Z a-z 0-9"),
    case("parallel executions in elastic mode", lambda w: w.deploy(enable_parallel_executions=True), 400,
         "enable_parallel_executions", "low_latency"),
    case("a parallel maximum in elastic mode", lambda w: w.deploy(max_parallel_executions_per_pod=2), 400,
         "max_parallel_executions_per_pod", "low_latency"),
    case("memory in elastic mode", lambda w: w.deploy(ram_request="1GiB"), 400, "ram_request", "low_latency"),
    case("more memory than there is", lambda w: w.deploy(mode="low_latency", ram_request="900000GiB"), 400,
         "ram_request", "all pods of this machine together may have", "at most "),
    case("a GPU in elastic mode", lambda w: w.deploy(gpu_request=1), 400, "gpu_request", "low_latency"),
    case("a GPU on a machine without", lambda w: w.deploy(mode="low_latency", gpu_request=1024), 400, "gpu_request",
         "this machine has"),
    case("a negative number of GPUs", lambda w: w.deploy(mode="low_latency", gpu_request=-1), 400, "gpu_request",
         "whole number"),
    case("a boolean number of GPUs", lambda w: w.deploy(mode="low_latency", gpu_request=True), 400, "gpu_request",
         "whole number"),
    case("a parallel maximum without parallel executions", lambda w: w.deploy(
        mode="low_latency", max_parallel_executions_per_pod=3), 400, "max_parallel_executions_per_pod",
        "enable_parallel_executions"),
    case("parallel executions that are neither true nor false", lambda w: w.deploy(
        mode="low_latency", enable_parallel_executions="yes"), 400, "enable_parallel_executions", "true or false"),
    *(case(f"a parallel maximum of {value!r}", lambda w, value=value: w.deploy(
        mode="low_latency", enable_parallel_executions=True, max_parallel_executions_per_pod=value), 400,
        "max_parallel_executions_per_pod", "whole number from 1") for value in (0, -1, 2.0, True, "6", 10**9)),
    *(case(f"a {name} of {value!r}", lambda w, name=name, value=value: w.deploy(**{name: value}), 400,
        name, "whole number from 1") for name in ("queue_timeout_s", "start_timeout_s") for value in (0, 1.5, "30")),
    *(case(f"retries of {value!r}", lambda w, value=value: w.deploy(retries=value), 400,
        "retries", "whole number from 0") for value in (-1, 101, 1.5, True, "2")),
    case("retries after a cancellation", lambda w: w.deploy(retry_on=["cancelled"]), 400, "retry_on", "raised, "),
    case("retries after nothing", lambda w: w.deploy(retry_on=[]), 400, "retry_on", "raised, "),
    case("retries beside another change", lambda w: Bad("PATCH", f"{API}/deployments/{w.deployment['name']}",
        {"json": {"retries": 1, "is_enabled": True}}), 400, "exactly one of"),
    *(case(f"the log of attempt {value!r}",
        lambda w, value=value: Bad("POST", f"{API}/executions/{w.execution_id}/logs", {"json": {"attempt": value}}),
        400, "attempt", "whole number from 1") for value in (0, 102, "1")),
    case("the log of an attempt of a deployment",
        lambda w: Bad("POST", f"{API}/deployments/{w.deployment['name']}/logs", {"json": {"attempt": 1}}),
        400, "attempt"),
    *(case(f"an execution timeout of {value!r}", lambda w, value=value: w.deploy(execution_timeout_s=value), 400,
        "execution_timeout_s", "whole number from 1") for value in (0, -5, 1.5, False, "30", 10**12)),
    *(case(f"a memory of {value!r}", lambda w, value=value: w.deploy(mode="low_latency", ram_request=value), 400,
        "ram_request", "KiB, MiB or GiB") for value in (
            "512MB", "1.5GiB", "0MiB", "GiB", 512, "512 MiB", "-1GiB", "1TiB", "512mib", "", "1٢MiB",
            "9" * 14 + "GiB")),
]  # fmt: skip

MAPPINGS = [
    case("mappings that are an object", lambda w: w.deploy(inputs_mapping={}), 400, "inputs_mapping", "list"),
    case("a mapping that is text", lambda w: w.deploy(inputs_mapping=["number"]), 400, "inputs_mapping[0]", "object"),
    case("a mapping of nothing", lambda w: w.map({"constant_value": 1}), 400,
         "inputs_mapping[0].pipeline_input_name", "number"),
    case("a mapping of an unknown input", lambda w: w.map({"pipeline_input_name": "nope", "constant_value": 1}), 400,
         "inputs_mapping[0].pipeline_input_name", "'nope'", "number"),
    case("a mapping of an unknown output", lambda w: w.deploy(
        outputs_mapping=[{"pipeline_output_name": "nope", "is_null": True}]), 400,
        "outputs_mapping[0].pipeline_output_name", "result"),
    case("a mapping without a source", lambda w: w.map({"pipeline_input_name": "number"}), 400, "inputs_mapping[0]",
         "is_null", "exactly one of"),
    case("a mapping that is null and constant", lambda w: w.map(
        {"pipeline_input_name": "number", "is_null": True, "constant_value": 1}), 400, "inputs_mapping[0]",
        "constant_value and is_null", "exactly one of"),
    case("is_null that is a word", lambda w: w.map({"pipeline_input_name": "number", "is_null": "yes"}), 400,
         "inputs_mapping[0].is_null", "true or false"),
    case("an input mapped twice", lambda w: w.map(
        {"pipeline_input_name": "number", "constant_value": 1}, {"pipeline_input_name": "number", "is_null": True}),
        400, "inputs_mapping[1]", "mapped twice"),
    case("two inputs with one endpoint name", lambda w: w.map(
        {"pipeline_input_name": "number", "endpoint_input_name": "x"},
        {"pipeline_input_name": "flag", "endpoint_input_name": "x"}), 400, "endpoint_input_name", "a name of its own"),
    case("two outputs with one endpoint name", lambda w: w.deploy(outputs_mapping=[
        {"pipeline_output_name": "result", "endpoint_output_name": "x"},
        {"pipeline_output_name": "report", "endpoint_output_name": "x"}]), 400, "endpoint_output_name"),
    case("an input named as another one is mapped", lambda w: w.map(
        {"pipeline_input_name": "number", "endpoint_input_name": "flag"}), 400, "endpoint_input_name", "flag"),
    case("a misspelt key of a mapping", lambda w: w.map(
        {"pipeline_input_name": "number", "endpoint_input_name": "n", "required": True}), 400,
        "inputs_mapping[0].required", "is_required"),
    *(case(f"a constant {value!r} for a {kind}", lambda w, kind=kind, value=value: w.map(
        {"pipeline_input_name": kind, "constant_value": value}), 400, "inputs_mapping[0].constant_value", said)
        for kind, value, said in (("number", "many", "type number"), ("number", True, "type number"),
                                  ("text", 1, "type string"), ("flag", 0, "type boolean"), ("items", {},
                                  "type array"))),
    case("a constant for a file", lambda w: w.map({"pipeline_input_name": "upload", "constant_value": "x"}), 400,
         "inputs_mapping[0].constant_value", "file"),
    case("a variable for a file", lambda w: w.map(
        {"pipeline_input_name": "upload", "environment_variable_name": "X"}), 400,
        "inputs_mapping[0].environment_variable_name", "file"),
    case("a reserved variable", lambda w: w.map(
        {"pipeline_input_name": "text", "environment_variable_name": "CRAFT_AI_SDK_TOKEN"}), 400,
        "inputs_mapping[0].environment_variable_name", "CRAFT_AI_"),
    case("a default of a mapping of the wrong type", lambda w: w.map(
        {"pipeline_input_name": "number", "endpoint_input_name": "n", "default_value": "1"}), 400,
        "inputs_mapping[0].default_value", "type number"),
    case("a default beside a constant", lambda w: w.map(
        {"pipeline_input_name": "number", "constant_value": 1, "default_value": 2}), 400,
        "inputs_mapping[0].default_value", "endpoint_input_name"),
    case("a required that is a word", lambda w: w.map(
        {"pipeline_input_name": "number", "endpoint_input_name": "n", "is_required": "yes"}), 400,
        "inputs_mapping[0].is_required", "true or false"),
    case("an endpoint name that is a number", lambda w: w.map(
        {"pipeline_input_name": "number", "endpoint_input_name": 3}), 400,
        "inputs_mapping[0].endpoint_input_name", "text"),
    case("an endpoint name with a slash", lambda w: w.deploy(outputs_mapping=[
        {"pipeline_output_name": "result", "endpoint_output_name": "a/b"}]), 400,
        "outputs_mapping[0].endpoint_output_name", _NAME),
]  # fmt: skip

UPDATES = [
    case("an update of nothing", lambda w: w.update(), 400, "update", "exactly one of"),
    case("an update of two properties", lambda w: w.update(is_enabled=False, schedule="* * * * *"), 400, "update",
         "2 properties", "exactly one of"),
    case("an update of an unknown property", lambda w: w.update(mode="elastic"), 400, "update", "unknown: mode"),
    case("an update with a word", lambda w: w.update(is_enabled="no"), 400, "is_enabled", "true or false"),
    case("an update with a number", lambda w: w.update(is_enabled=0), 400, "is_enabled", "true or false"),
    case("an update of a deployment that does not exist", lambda w: Bad(
        "PATCH", f"{API}/deployments/nope", {"json": {"is_enabled": True}}), 404, 'no deployment named "nope"'),
    case("an exchange with nothing", lambda w: w.exchange(), 400, "with", "is missing"),
    case("an exchange with a number", lambda w: w.exchange(**{"with": 3}), 400, "with", "text"),
    case("an exchange with itself", lambda w: w.exchange(**{"with": w.deployment["name"]}), 400, "with", "itself"),
    case("an exchange with one that does not exist", lambda w: w.exchange(**{"with": "nope"}), 404,
         'no deployment named "nope"'),
    case("an exchange that says more", lambda w: w.exchange(**{"with": w.other_deployment["name"], "token": 1}), 400,
         "token", "not a known field"),
    case("an exchange of one that does not exist", lambda w: Bad(
        "POST", f"{API}/deployments/nope/exchange", {"json": {"with": w.deployment["name"]}}), 404,
        'no deployment named "nope"'),
    case("another token with a space", lambda w: w.renew(data={"endpoint_token": "abc defgh"}), 400, "endpoint_token",
         "A-Z a-z 0-9"),
    case("another token that is empty", lambda w: w.renew(data={"endpoint_token": ""}), 400, "endpoint_token"),
    case("another token as JSON", lambda w: w.renew(json={"endpoint_token": "abcdefghij"}), 400, "Content-Type",
         "application/x-www-form-urlencoded"),
    case("deleting a pipeline that is deployed", lambda w: Bad("DELETE", f"{API}/pipelines/{w.pipeline}"), 409,
         "deployments", "force_deployments_deletion"),
    case("deleting with a flag that is neither true nor false", lambda w: Bad(
        "DELETE", f"{API}/pipelines/{w.pipeline}?force_deployments_deletion=1"), 400, "force_deployments_deletion",
        "true, false"),
    case("deleting a deployment that does not exist", lambda w: Bad("DELETE", f"{API}/deployments/nope"), 404, "nope"),
    case(
        "cancelling an execution that does not exist",
        lambda w: Bad("POST", f"{API}/executions/nope/cancel"),
        404,
        "nope",
    ),
    case(
        "cancelling an execution that has ended",
        lambda w: Bad("POST", f"{API}/executions/{w.execution_id}/cancel"),
        409,
        "it is Succeeded",
    ),
    case("deleting an execution that does not exist", lambda w: Bad("DELETE", f"{API}/executions/nope"), 404, "nope"),
    case("variables that are a list", lambda w: w.set_variables([]), 400, "environment_variables", "object"),
    case("no variables", lambda w: w.set_variables({}), 400, "environment_variables", "at least one"),
    case("a variable with a reserved name", lambda w: w.set_variables({"CRAFT_AI_X": "1"}), 400,
         "environment_variables", "CRAFT_AI_"),
    case("a variable with a dash in its name", lambda w: w.set_variables({"GOOD": "1", "A-B": "1"}), 400,
         "environment_variables", "letters, digits"),
    case("a variable with a NUL", lambda w: w.set_variables({"A": "a\0b"}), 400, "environment_variables.A", "NUL"),
    case("a variable with half a surrogate pair", lambda w: w.set_variables({"A": "\ud800"}), 400,
         "environment_variables.A", "Unicode"),
    case("a variable of 65,537 bytes", lambda w: w.set_variables({"A": "a" * 65_537}), 400, "environment_variables.A",
         "65536"),
    case("deleting a variable that does not exist", lambda w: Bad("DELETE", f"{API}/environment-variables/NOPE"), 404,
         "NOPE"),
]  # fmt: skip

CALLS = [
    case("a call without a required input", lambda w: w.call({"number": 1}), 400, "text", "required", "string"),
    case("a call with null for a required input", lambda w: w.call({"text": None}), 400, "text", "required"),
    *(case(f"a call with {value!r} for {name}", lambda w, name=name, value=value: w.call({"text": "a"} | {name: value}),
        400, f"{name}: must be of type", said)
        for name, value, said in (("text", 1, "string"), ("number", "1", "number"), ("number", True, "number"),
                                  ("number", [1], "number"), ("flag", "true", "boolean"), ("items", {"a": 1},
                                  "array"))),
    case("a call with a value for a file", lambda w: w.call({"text": "a", "upload": "x"}), 400, "upload",
         "multipart/form-data"),
    case("a call with a file for a value", lambda w: w.call_form(
        part("text", b"a") + part("number", b"1", file=True) + END), 400, "number",
         "got a file"),
    case("a call with two files of one name", lambda w: w.call_form(
        part("upload", b"1", file=True) * 2 + END), 400, "upload", "twice"),
    case("a call with broken JSON", lambda w: w.call(b'{"text": '), 400, "body", "not JSON", "a JSON object"),
    case("a call with a JSON array", lambda w: w.call([1]), 400, "body", "JSON object, got list"),
    case("a call with a JSON number", lambda w: w.call(b"7"), 400, "body", "JSON object, got int"),
    case("a call with invalid UTF-8", lambda w: w.call(b'{"text": "\xff"}'), 400, "body", "not JSON"),
    case("a call nested 10,000 levels deep", lambda w: w.call(nested(10_000)), 400, "body", "200 levels"),
    case("a call nested 900 levels deep", lambda w: w.call(nested(900)), 400, "body", "200 levels"),
    case("a call nested 900 levels deep in a form", lambda w: w.call_form(
        part("text", b"a") + part("thing", b"[" * 900 + b"]" * 900) + END), 400, "thing", "200 levels"),
    case("a call with a number of 5,000 digits", lambda w: w.call(b'{"number": %s}' % (b"9" * 5000)), 400, "body"),
    case("a call of values beyond the limit", lambda w: w.call({"text": "a" * VALUES_LIMIT}), 413, "inputs",
         "5000000", "file inputs"),
    case("a call of values whose JSON is beyond the limit", lambda w: w.call(
        json.dumps({"text": "é" * 2_000_000}, ensure_ascii=False).encode()), 413, "inputs", "file inputs"),
    case("a body beyond the limit", lambda w: w.call(b"x" * 6_500_000), 413, "body", "6000000", "file inputs"),
    case("a chunked body beyond the limit", lambda w: w.call(iter([b"x" * 500_000] * 13)), 413, "body",
         "file inputs"),
    case("a text part beyond the limit", lambda w: w.call_form(part("text", b"a" * (VALUES_LIMIT + 1)) + END), 413,
         "body", "5000000", "file inputs"),
    case("a form without a boundary", lambda w: w.call_form(b"x", "multipart/form-data"), 400, "body", "boundary"),
    case("a form of rubbish", lambda w: w.call_form(os.urandom(5000)), 400, "body", "multipart"),
    case("a form without its end", lambda w: w.call_form(part("text", b"a")), 400, "body", "closing boundary"),
    case("a form cut in a file", lambda w: w.call_form(part("text", b"a") + part("upload", b"abc", file=True)[:-4]),
         400, "body", "closing boundary"),
    case("a part without a name", lambda w: w.call_form(
        b"--cut\r\nContent-Disposition: form-data\r\n\r\na\r\n" + END), 400, "body", '"name"'),
    case("a form in a charset that reads nothing", lambda w: w.call_form(
        part("text", b"a") + END, "multipart/form-data; boundary=cut; charset=undefined"), 400, "Content-Type",
        "utf-8"),
    case("a call as a form of the web", lambda w: w.call_form(b"text=a", "application/x-www-form-urlencoded"), 400,
         "application/x-www-form-urlencoded", "a JSON object"),
    case("a call of a disabled deployment", lambda w: Bad(
        "POST", f"/endpoints/{w.disabled_deployment['endpoint_url_path']}", {"json": {"text": "a"}},
        f"EndpointToken {w.disabled_deployment['endpoint_token']}"), 409, "disabled", "enable it"),
    case("a trigger of a disabled deployment", lambda w: Bad(
        "POST", f"{API}/deployments/{w.disabled_deployment['name']}/executions", {"json": {"text": "a"}}), 409,
        "disabled"),
    case("a trigger without a required input", lambda w: Bad(
        "POST", f"{API}/deployments/{w.deployment['name']}/executions", {"json": {}}), 400, "text", "required"),
    case("a trigger of a deployment that does not exist", lambda w: Bad(
        "POST", f"{API}/deployments/nope/executions", {"json": {}}), 404, "nope"),
    case("a call of an endpoint that does not exist", lambda w: Bad("POST", "/endpoints/nope", {"json": {}}), 404,
         "nope"),
]  # fmt: skip

RUNS = [
    case("a run with an unknown input", lambda w: w.run({"text": "a", "nope": 1}), 400, "inputs", "nope", "number"),
    case("a run with 50,000 unknown inputs", lambda w: w.run(dict.fromkeys(map(str, range(50_000)), 1)), 400, "text"),
    case("a run without a required input", lambda w: w.run({}), 400, "text", "required"),
    case("a run with a wrong type", lambda w: w.run({"text": "a", "number": "1"}), 400, "number", "type number"),
    case("a run with a value for a file", lambda w: w.run({"text": "a", "upload": "x"}), 400, "upload", "multipart"),
    case("a run with a file for a value", lambda w: Bad("POST", f"{API}/pipelines/{w.pipeline}/run", {
        "data": {"json_inputs": '{"text": "a"}'}, "files": {"number": ("n", b"1")}}), 400, "number", "got a file"),
    case("a run with broken JSON", lambda w: w.run("{"), 400, "json_inputs", "JSON"),
    case("a run with a JSON array", lambda w: w.run("[]"), 400, "json_inputs", "JSON object, got list"),
    case("a run nested 10,000 levels deep", lambda w: w.run("[" * 10_000), 400, "json_inputs", "200 levels"),
    case("a run with broken mappings", lambda w: w.run(inputs_mapping="["), 400, "inputs_mapping", "JSON"),
    case("a run with an endpoint mapping", lambda w: w.run(
        inputs_mapping='[{"pipeline_input_name": "number", "endpoint_input_name": "n"}]'), 400,
        "inputs_mapping[0].endpoint_input_name", "a run has no endpoint"),
    case("a run with a value for what is mapped", lambda w: w.run(
        {"text": "a", "number": 1}, inputs_mapping='[{"pipeline_input_name": "number", "is_null": true}]'), 400,
        "inputs", "number"),
    case("a run with a misspelt field", lambda w: w.run(json_input="{}"), 400, "json_input", "json_inputs"),
    case("a run in JSON with a misspelt field", lambda w: Bad(
        "POST", f"{API}/pipelines/{w.pipeline}/run", {"json": {"inputs": {"text": "a"}}}), 400, "inputs",
        "json_inputs"),
    case("a run as text/plain", lambda w: Bad("POST", f"{API}/pipelines/{w.pipeline}/run", {
        "content": b'{"json_inputs": {"text": "a"}}', "headers": {"Content-Type": "text/plain"}}), 400,
        "Content-Type", "multipart/form-data"),
    case("a run of values beyond the limit", lambda w: w.run({"text": "a" * VALUES_LIMIT}), 413, "5000000",
         "file inputs"),
    case("a run of a pipeline that could not be built", lambda w: Bad(
        "POST", f"{API}/pipelines/{w.broken_pipeline}/run", {"data": {"json_inputs": "{}"}}), 409,
        "could not be built"),
    case("a run of a pipeline that does not exist", lambda w: Bad("POST", f"{API}/pipelines/nope/run"), 404, "nope"),
]  # fmt: skip


def deep_token() -> str:
    head = base64.urlsafe_b64encode(b"[" * 6000).decode().rstrip("=")
    return f"{head}.e30.e30"


ACCESS = [
    case("no token", lambda w: Bad("GET", f"{API}/pipelines", authorization=None), 401, "access token", "Bearer"),
    case("an empty token", lambda w: Bad("GET", f"{API}/pipelines", authorization="Bearer"), 401, "access token"),
    case("a token that is none", lambda w: Bad("GET", f"{API}/pipelines", authorization="Bearer abc"), 401,
         "access token"),
    case("a token of another scheme", lambda w: Bad("GET", f"{API}/pipelines", authorization="Basic YTpi"), 401,
         "Bearer"),
    case("a token whose head is nested deeply", lambda w: Bad(
        "GET", f"{API}/pipelines", authorization=f"Bearer {deep_token()}"), 401, "access token"),
    case("a token signed with another key", lambda w: Bad("GET", f"{API}/pipelines",
         authorization="Bearer " + jwt.encode(
        {"sub": "u", "type": "access", "exp": 4_000_000_000}, "k" * 64, "HS256")), 401, "access token"),
    case("a token without a signature", lambda w: Bad("GET", f"{API}/pipelines", authorization="Bearer " + jwt.encode(
        {"sub": "u", "type": "access", "exp": 4_000_000_000}, None, "none")), 401, "access token"),
    case("an expired token", lambda w: Bad(
        "GET", f"{API}/pipelines", authorization=f"Bearer {w.signed(exp=1000)}"), 401, "access token", "expired"),
    case("a pod's token as an access token", lambda w: Bad(
        "GET", f"{API}/pipelines", authorization=f"Bearer {w.signed(type='pod')}"), 401, "access token"),
    case("a download token as an access token", lambda w: Bad(
        "GET", f"{API}/pipelines", authorization=f"Bearer {w.download_token()}"), 401, "access token"),
    case("the SDK token as an access token", lambda w: Bad(
        "GET", f"{API}/pipelines", authorization=f"Bearer {w.platform.credentials['CRAFT_AI_SDK_TOKEN']}"), 401,
        "access token"),
    case("an endpoint token as an access token", lambda w: Bad(
        "GET", f"{API}/pipelines", authorization=f"Bearer {w.deployment['endpoint_token']}"), 401, "access token"),
    case("a change by the code of an execution", lambda w: Bad("POST", f"{API}/endpoints", {
        "json": {"pipeline_name": w.pipeline, "name": "never"}}, f"Bearer {w.pod_token(w.environment_id())}"), 403,
        "POST /api/v1/endpoints", "not for the code in a pod"),
    case("a look by the code of an execution of another environment", lambda w: Bad(
        "GET", f"{API}/pipelines", authorization=f"Bearer {w.pod_token('another')}"), 403, "another environment"),
    case("a pod's token of an earlier version", lambda w: Bad(
        "GET", f"{API}/pipelines", authorization=f"Bearer {w.signed(pod_of='execution:x')}"), 401, "earlier version"),
    case("an access token in the place of the SDK token", lambda w: Bad(
        "POST", f"{API}/auth/refresh", {"json": {"refresh_token": w.access_token}}), 401, "SDK token",
        "credentials.env"),
    case("a refresh without a token", lambda w: Bad("POST", f"{API}/auth/refresh", {"json": {}}), 400, "refresh_token"),
    case("a refresh with a list", lambda w: Bad(
        "POST", f"{API}/auth/refresh", {"json": {"refresh_token": ["a"]}}), 400, "refresh_token", "text"),
    case("a refresh with half a surrogate pair", lambda w: Bad(
        "POST", f"{API}/auth/refresh", {"content": b'{"refresh_token": "\\ud800"}'}), 400, "refresh_token"),
    case("a refresh as a form", lambda w: Bad(
        "POST", f"{API}/auth/refresh", {"data": {"refresh_token": "a"}}), 400, "body", "JSON"),
    case("a refresh of seven megabytes that calls itself a form", lambda w: Bad("POST", f"{API}/auth/refresh", {
        "content": b"x" * 7_000_000, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, None), 413,
        "body"),
    case("a call without a token", lambda w: Bad(
        "POST", f"/endpoints/{w.deployment['endpoint_url_path']}", {"json": {}}, None), 401, "EndpointToken"),
    case("a call with a wrong token", lambda w: w.call(token="wrong"), 401, "endpoint token"),
    case("a call with an empty token", lambda w: w.call(token="%20"), 401, "endpoint token"),
    case("a call with a token that is not ASCII", lambda w: Bad(
        "POST", f"/endpoints/{w.deployment['endpoint_url_path']}?token=%C3%A9%00", {"json": {}}, None), 401,
        "endpoint token"),
    case("a call with the token of another deployment", lambda w: w.call(
        {"text": "a"}, token=w.other_deployment["endpoint_token"]), 401, "endpoint token"),
    case("a call with the SDK token as an endpoint token", lambda w: w.call(
        {"text": "a"}, token=w.platform.credentials["CRAFT_AI_SDK_TOKEN"]), 401, "endpoint token"),
    case("a result with the token of another deployment", lambda w: Bad(
        "GET", f"/endpoints/{w.deployment['endpoint_url_path']}/executions/{w.execution_id}"
        f"?token={w.other_deployment['endpoint_token']}", {}, None), 401, "endpoint token"),
    case("a result of another deployment's execution", lambda w: Bad(
        "GET", f"/endpoints/v1/{w.other_deployment['endpoint_url_path']}/executions/{w.execution_id}"
        f"?token={w.other_deployment['endpoint_token']}", {}, None), 404, "no execution named"),
]  # fmt: skip

READS = [
    case("a list of no executions", lambda w: Bad("GET", f"{API}/executions?limit=0"), 400, "limit", "1 to 1000"),
    case("a list of too many executions", lambda w: Bad("GET", f"{API}/executions?limit=1001"), 400, "limit", "1000"),
    case("a list of half an execution", lambda w: Bad("GET", f"{API}/executions?limit=0.5"), 400, "limit"),
    case("executions of a status that is none", lambda w: Bad("GET", f"{API}/executions?status=running"), 400,
         "status", "Running"),
    case("executions of a pipeline that is not there", lambda w: Bad("GET", f"{API}/executions?pipeline_name=x"), 404,
         'no pipeline named "x"'),
    case("executions of a deployment that is not there", lambda w: Bad("GET", f"{API}/executions?deployment_name=x"),
         404, 'no deployment named "x"'),
    case("executions before one that is not there", lambda w: Bad("GET", f"{API}/executions?before=x"), 404,
         'no execution named "x"'),
    case("following with a word that is no truth value", lambda w: Bad(
        "GET", f"{API}/executions/{w.execution_id}/logs?follow=yes"), 400, "follow", "true, false"),
    case("following an execution that is not there", lambda w: Bad("GET", f"{API}/executions/x/logs?follow=true"), 404,
         'no execution named "x"'),
    *(case(f"a log from {value!r}", lambda w, value=value: w.logs(**{"from": value}), 400, "from", "whole number")
      for value in (-1, 1.5, "2026-11-22", True, 10**18, [])),
    case("a log to a negative instant", lambda w: w.logs(to=-1), 400, "to", "whole number"),
    case("a log of -1 lines", lambda w: w.logs(limit=-1), 400, "limit", "whole number"),
    case("a log with a misspelt field", lambda w: w.logs(form=1), 400, "form", "from, to, limit"),
    case("a log asked for with a JSON array", lambda w: Bad(
        "POST", f"{API}/deployments/{w.deployment['name']}/logs", {"json": []}), 400, "body", "object"),
    case("a flag of a pipeline that is a word", lambda w: Bad(
        "GET", f"{API}/pipelines/{w.pipeline}?wait_for_completion=maybe"), 400, "wait_for_completion", "true, false"),
    case("a flag beside another of the same meaning", lambda w: Bad(
        "GET", f"{API}/executions/{w.execution_id}/outputs?wait_for_completion=false&wait_for_results=maybe"), 400,
        "wait_for_results", "true, false"),
    case("a flag of a deployment that is empty", lambda w: Bad(
        "GET", f"{API}/deployments/{w.deployment['name']}?wait_for_completion="), 400, "wait_for_completion",
        "true, false"),
    case("a flag of an execution that is a number", lambda w: Bad(
        "GET", f"{API}/executions/{w.execution_id}?include_io_values=0"), 400, "include_io_values", "true, false"),
    case("a pipeline that does not exist to be read", lambda w: Bad("GET", f"{API}/pipelines/nope"), 404, '"nope"'),
    case("a pipeline named NUL", lambda w: Bad("GET", f"{API}/pipelines/%00"), 404, "no pipeline named"),
    case("a pipeline whose name is no UTF-8", lambda w: Bad("GET", f"{API}/pipelines/%ff%fe"), 404,
         "no pipeline named"),
    case("an output that does not exist", lambda w: Bad(
        "GET", f"{API}/executions/{w.execution_id}/outputs/nope"), 404, 'no output named "nope"'),
    case("an input that does not exist", lambda w: Bad(
        "GET", f"{API}/executions/{w.execution_id}/inputs/nope"), 404, 'no input named "nope"'),
    case("a user that does not exist", lambda w: Bad("GET", f"{API}/users/nope"), 404, "no user"),
    case("an environment that does not exist", lambda w: Bad(
        "GET", f"/environments/nope{API}/pipelines"), 404, 'no environment named "nope"'),
    case("an unknown route", lambda w: Bad("GET", f"{API}/models"), 404, "GET", f"{API}/models"),
    case("an unknown route at the root", lambda w: Bad("POST", "/"), 404, "POST /"),
    case("a method that the route does not have", lambda w: Bad("PUT", f"{API}/pipelines"), 405, "PUT", "not allowed"),
    case("a GET of an endpoint", lambda w: Bad(
        "GET", f"/endpoints/{w.deployment['endpoint_url_path']}"), 405, "GET", "not allowed"),
    case("a method that nobody has", lambda w: Bad("PROPFIND", f"{API}/pipelines"), 405, "PROPFIND",
         "allowed: GET, POST"),
]  # fmt: skip

CASES = [*CREATIONS, *ARCHIVES, *DEPLOYMENTS, *MAPPINGS, *UPDATES, *CALLS, *RUNS, *ACCESS, *READS]
