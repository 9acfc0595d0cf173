"""Bad requests about the data store: paths, lists, uploads in parts, mappings."""

from __future__ import annotations

import base64
from typing import Any

from tests.api.bad_requests import API, Bad, World, case

STORE = f"{API}/data-store"
PATHS = "names joined by single slashes"
CHUNK = 16


def ask(path: object, route: str = "information") -> Bad:
    """JSON with a path."""
    return Bad("POST", f"{STORE}/{route}", {"json": {"path_to_object": path}})


def listing(**query: str) -> Bad:
    return Bad("GET", f"{STORE}/list", {"params": query})


def begin(w: World, path: str = "never") -> Any:
    """The configuration of an upload that was begun."""
    return w.send(ask(path, "upload/multipart")).json()


def announce(w: World, path: str = "never", upload: object = None, **fields: object) -> Bad:
    """The request for one part's URL."""
    content = {
        "path_to_object": path,
        "multipart_upload_configuration": begin(w) if upload is None else upload,
        "part_number": 1,
        "chunk_size": CHUNK,
    }
    given = {key: value for key, value in (content | fields).items() if value is not None}
    return Bad("POST", f"{STORE}/upload/multipart/part", {"json": given})


def end(w: World, parts: object, *sent: bytes, **options: Any) -> Bad:
    """The end of an upload to which these parts were sent, the last with the size of the whole."""
    upload = begin(w)
    for number, content in enumerate(sent, 1):
        size = sum(map(len, sent)) if number == len(sent) else None
        signed = w.send(announce(w, upload=upload, part_number=number, size=size)).json()
        assert w.client.put(signed["signed_url"], content=content).status_code == 200
    content = {"path_to_object": "never", "multipart_upload_configuration": upload, "parts": parts}
    return Bad("POST", f"{STORE}/upload/multipart/end", {"json": content} | options)


def mapped(w: World, kind: str, name: str, path: object) -> Bad:
    """A deployment with one mapping to the data store."""
    item = {f"pipeline_{kind}_name": name, "datastore_path": path}
    return w.deploy(**{f"{kind}s_mapping": [item]})


def token(path: str) -> str:
    return base64.urlsafe_b64encode(path.encode()).decode()


def lost_byte(w: World) -> Bad:
    """What craft-ai-sdk 0.74.7 sends for 33 bytes in parts of 16: two full parts, and never a size."""
    upload = begin(w)
    for number in (1, 2):
        signed = w.send(announce(w, upload=upload, part_number=number)).json()
        assert w.client.put(signed["signed_url"], content=bytes(CHUNK)).status_code == 200
    content = {
        "path_to_object": "never",
        "multipart_upload_configuration": upload,
        "parts": [{"number": 1}, {"number": 2}],
    }
    headers = {"craft-ai-client": "craft-ai-sdk@0.74.7"}
    return Bad("POST", f"{STORE}/upload/multipart/end", {"json": content, "headers": headers})


OBJECTS = [
    case("information without a path", lambda w: Bad("POST", f"{STORE}/information", {"json": {}}), 400,
         "path_to_object", "missing", PATHS),
    case("information about nothing", lambda w: Bad("POST", f"{STORE}/information"), 400, "path_to_object", "missing"),
    case("information about an object that is not there", lambda w: ask("gone"), 404, '"gone"'),
    case("information about a number", lambda w: ask(5), 400, "path_to_object", "must be text"),
    case("information about a folder", lambda w: ask("a/"), 400, "path_to_object", PATHS),
    case("a path that climbs", lambda w: ask("a/../../b"), 400, "path_to_object", ".."),
    case("a path from the root", lambda w: ask("/etc/passwd"), 400, "path_to_object", "slash", PATHS),
    case("a path with an empty name", lambda w: ask("a//b"), 400, "path_to_object", "slash", PATHS),
    case("a path that is a dot", lambda w: ask("."), 400, "path_to_object", PATHS),
    case("a path with a NUL", lambda w: ask("a\0b"), 400, "path_to_object", "control character"),
    case("a path with a line end", lambda w: ask("a\nb"), 400, "path_to_object", "control character"),
    case("a path with the variable of S3's forms", lambda w: Bad("GET", f"{STORE}/upload", {
        "params": {"path_to_object": "a/${filename}"}}), 400, "path_to_object", "${filename}", "S3", PATHS),
    case("a path with half a surrogate", lambda w: Bad("POST", f"{STORE}/information", {
        "content": rb'{"path_to_object": "\ud800"}'}), 400, "path_to_object", "surrogate"),
    case("a path of 901 bytes", lambda w: ask("/".join(["a" * 200] * 4 + ["a" * 97])), 400, "path_to_object", "901"),
    case("a name of 251 bytes", lambda w: ask("a" * 251), 400, "path_to_object", "251", "at most 250"),
    case("a misspelt path", lambda w: Bad("POST", f"{STORE}/information", {"json": {"path": "a"}}), 400,
         "path", "path_to_object"),
    case("information as a list", lambda w: Bad("POST", f"{STORE}/information", {"json": ["a"]}), 400, "body",
         "object"),
    case("information as rubbish", lambda w: Bad("POST", f"{STORE}/information", {"content": b"\xff"}), 400,
         "body", "JSON"),
    case("a download without a path", lambda w: Bad("POST", f"{STORE}/download"), 400, "path_to_object", "missing"),
    case("a download that climbs", lambda w: Bad("POST", f"{STORE}/download", {
        "data": {"path_to_object": "../a"}}), 400, "path_to_object", ".."),
    case("a download by a field too many", lambda w: Bad("POST", f"{STORE}/download", {
        "data": {"path_to_object": "a", "version": "1"}}), 400, "version", "path_to_object"),
    case("an upload without a path", lambda w: Bad("GET", f"{STORE}/upload"), 400, "path_to_object", "missing"),
    case("an upload to the platform's own files", lambda w: Bad("GET", f"{STORE}/upload", {
        "params": {"path_to_object": "../../executions/x/outputs/y"}}), 400, "path_to_object", ".."),
    case("a deletion of what is not there", lambda w: Bad("DELETE", f"{STORE}/delete", {
        "data": {"path_to_object": "gone"}}), 404, '"gone"'),
    case("a deletion of nothing", lambda w: Bad("DELETE", f"{STORE}/delete"), 400, "path_to_object", "missing"),
    case("a deletion by a query that climbs", lambda w: Bad("DELETE", f"{STORE}/delete", {
        "params": {"path_to_object": "a/.."}}), 400, "path_to_object", ".."),
    case("a list of a folder that climbs", lambda w: listing(folder_path="../"), 400, "folder_path", ".."),
    case("a list of a folder with two slashes", lambda w: listing(folder_path="a//"), 400, "folder_path", PATHS),
    case("a list of no objects", lambda w: listing(limit="0"), 400, "limit", "1 to 1000"),
    case("a list of too many objects", lambda w: listing(limit="1001"), 400, "limit", "1 to 1000"),
    case("a list of many objects", lambda w: listing(limit="many"), 400, "limit", "1 to 1000"),
    case("a list of a superscript", lambda w: listing(limit="²"), 400, "limit", "1 to 1000"),
    case("a list with a token of our own", lambda w: listing(continuation_token="x y"), 400, "continuation_token"),
    case("a list with a token that climbs", lambda w: listing(continuation_token=token("../x")), 400,
         "continuation_token", "page before"),
    case("a list with a token that is no text", lambda w: listing(continuation_token="_w=="), 400,
         "continuation_token"),
]  # fmt: skip

UPLOADS = [
    case("an upload in parts without a path", lambda w: Bad("POST", f"{STORE}/upload/multipart", {"json": {}}), 400,
         "path_to_object", "missing"),
    case("an upload in parts that climbs", lambda w: ask("a/../b", "upload/multipart"), 400, "path_to_object", ".."),
    case("a part of no upload", lambda w: announce(w, upload={"upload_id": "0" * 32}), 404, "no such upload"),
    case("a part of an upload by a path", lambda w: announce(w, upload={"upload_id": "../../pipeyard"}), 404,
         "no such upload"),
    case("a part of an upload that is a list", lambda w: announce(w, upload=[1, 2]), 404, "no such upload"),
    case("a part of an upload of another object", lambda w: announce(w, path="other"), 404, "no such upload"),
    case("a part without a number", lambda w: announce(w, part_number=None), 400, "part_number", "missing"),
    case("a part numbered 0", lambda w: announce(w, part_number=0), 400, "part_number", "1 to 10000"),
    case("a part numbered 10001", lambda w: announce(w, part_number=10_001), 400, "part_number", "1 to 10000"),
    case("a part numbered in text", lambda w: announce(w, part_number="1"), 400, "part_number", "whole number"),
    case("a part numbered true", lambda w: announce(w, part_number=True), 400, "part_number", "whole number"),
    case("a part without a size", lambda w: announce(w, chunk_size=None), 400, "chunk_size", "missing"),
    case("a part of no bytes", lambda w: announce(w, chunk_size=0), 400, "chunk_size", "from 1"),
    case("a part of a huge size", lambda w: announce(w, chunk_size=10**30), 413, "file_max_bytes"),
    case("an object of no bytes in parts", lambda w: announce(w, size=0), 400, "size", "from 1"),
    case("an object of half a byte", lambda w: announce(w, size=0.5), 400, "size", "whole number"),
    case("a part beyond the end", lambda w: announce(w, part_number=3, size=32), 400, "part_number", "1 to 2"),
    case("a part with a field too many", lambda w: announce(w, checksum="x"), 400, "checksum", "part_number"),
    case("an end without parts", lambda w: end(w, []), 400, "parts", "1 to 10000"),
    case("an end with a word for parts", lambda w: end(w, "all"), 400, "parts", "must be a list"),
    case("an end of parts that were never sent", lambda w: end(w, [{"number": 1}]), 400, "part 1 was not stored"),
    case("an end that leaves a part out", lambda w: end(w, [{"number": 1}], bytes(16), b"12"), 400,
         "part 2 is not listed"),
    case("an end with a part twice", lambda w: end(w, [{"number": 1}, {"number": 1}], b"12"), 400, "there twice"),
    case("an end with a part too many", lambda w: end(w, [{"number": 1}, {"number": 2}], b"12"), 400,
         "part 2 is beyond the end"),
    case("an end with another ETag", lambda w: end(w, [{"number": 1, "metadata": '"other"'}], b"12"), 400,
         "parts[0].metadata", "not the ETag"),
    case("an end of another object", lambda w: Bad("POST", f"{STORE}/upload/multipart/end", {
        "json": {"path_to_object": "other", "multipart_upload_configuration": begin(w), "parts": []}}), 404,
        "no such upload"),
    case("an end of an upload whose client lost the last byte", lost_byte, 400, "parts", "last byte", "part size"),
]  # fmt: skip

MAPPINGS = [
    case("a value from the data store", lambda w: mapped(w, "input", "thing", "a.json"), 400,
         "inputs_mapping[0].datastore_path", "json", "constant"),
    case("a value to the data store", lambda w: mapped(w, "output", "result", "a.json"), 400,
         "outputs_mapping[0].datastore_path", "json"),
    case("an input file from a path that climbs", lambda w: mapped(w, "input", "upload", "../a"), 400,
         "inputs_mapping[0].datastore_path", ".."),
    case("an input file from a number", lambda w: mapped(w, "input", "upload", 5), 400,
         "inputs_mapping[0].datastore_path", "must be text"),
    case("an input file from an empty path", lambda w: mapped(w, "input", "upload", ""), 400,
         "inputs_mapping[0].datastore_path", "missing"),
    case("an output file to an unknown placeholder", lambda w: mapped(w, "output", "report", "{when}/a"), 400,
         "outputs_mapping[0].datastore_path", "'{when}'", "{execution_id}, {date}, {date_time}"),
    case("an output file to a lone brace", lambda w: mapped(w, "output", "report", "a}"), 400,
         "outputs_mapping[0].datastore_path", "brace"),
    case("an output file to a path that climbs", lambda w: mapped(w, "output", "report", "{date}/../a"), 400,
         "outputs_mapping[0].datastore_path", ".."),
    case("an output file to a name that gets too long", lambda w: mapped(w, "output", "report", "{execution_id}" * 3),
         400, "outputs_mapping[0].datastore_path", "at most 250"),
    case("a run with a value from the data store", lambda w: w.run(
        inputs_mapping='[{"pipeline_input_name": "number", "datastore_path": "a"}]'), 400,
        "inputs_mapping[0].datastore_path", "number"),
    case("a run with an unknown placeholder", lambda w: w.run(
        outputs_mapping='[{"pipeline_output_name": "report", "datastore_path": "{id}"}]'), 400,
        "outputs_mapping[0].datastore_path", "'{id}'"),
]  # fmt: skip

CASES = [*OBJECTS, *UPLOADS, *MAPPINGS]
