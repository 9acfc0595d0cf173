"""The data store: objects put, listed, described, got and deleted, in one part or in many."""

from tests.compat.clients.values import Sink, Stream
from tests.compat.scenarios.marks import new_alone, proves
from tests.compat.scenarios.usage import INSTANT, fresh, refused


@proves("upload_data_store_object", "download_data_store_object")
def test_an_object_goes_in_and_comes_out_as_it_was(client, tmp_path):
    content = bytes(range(256)) * 4 + b"\r\n--"
    (tmp_path / "sent.bin").write_bytes(content)
    for given, path in (
        (str(tmp_path / "sent.bin"), f"{fresh('o')}.bin"),
        (Stream(content), f"{fresh('a b')}/é.bin"),
    ):
        assert client.upload_data_store_object(given, path) is None
        client.download_data_store_object(path, str(tmp_path / "got.bin"))
        assert (tmp_path / "got.bin").read_bytes() == content
        sink = Sink()
        client.download_data_store_object(path, sink)
        assert sink.content == content


@proves("upload_data_store_object", "download_data_store_object")
def test_an_empty_object_is_an_object_and_a_second_upload_replaces_it(client):
    path = fresh("empty")
    for content in (b"", b"full", b""):
        client.upload_data_store_object(Stream(content), path)
        sink = Sink(b"untouched")
        client.download_data_store_object(path, sink)
        assert sink.content == content


@proves("upload_data_store_object", "get_data_store_object_information")
def test_an_object_is_described(client):
    path = f"{fresh('described')}.bin"
    client.upload_data_store_object(Stream(b"x" * 1536), path)
    information = client.get_data_store_object_information(path)
    assert (information["path"], information["size"]) == (path, "1.50 KB")
    assert INSTANT.fullmatch(information["last_modified"])
    assert refused(client.get_data_store_object_information, "no/such.bin").status_code == 404


@proves("upload_data_store_object", "list_data_store_objects")
def test_objects_are_listed(client):
    folder = fresh("listed")
    for name in ("a", "b/c"):
        client.upload_data_store_object(Stream(b"xy"), f"{folder}/{name}")
    mine = [one for one in client.list_data_store_objects() if one["path"].startswith(folder)]
    assert [one["path"] for one in mine] == [f"{folder}/a", f"{folder}/b/c"]
    assert {one["size"] for one in mine} == {"2.00 B"}


@new_alone
@proves("upload_data_store_object", "list_data_store_objects", "iter_data_store_objects")
def test_the_objects_of_a_folder_are_listed(client):
    folder = fresh("folder")
    for name in (f"{folder}/a", f"{folder}/b/c", f"{folder}-not/d"):
        client.upload_data_store_object(Stream(b""), name)
    for given in (folder, f"{folder}/"):
        expected = [f"{folder}/a", f"{folder}/b/c"]
        assert [one["path"] for one in client.list_data_store_objects(given)] == expected
        assert [one["path"] for one in client.iter_data_store_objects(given)] == expected


@proves("upload_data_store_object", "delete_data_store_object", "download_data_store_object")
def test_a_deleted_object_is_gone(client):
    path = f"{fresh('gone')}.bin"
    client.upload_data_store_object(Stream(b"x"), path)
    assert client.delete_data_store_object(path) == {"path": path}
    assert refused(client.download_data_store_object, path, Sink()).status_code == 404
    assert refused(client.delete_data_store_object, path).status_code == 404


@proves("upload_data_store_object", "download_data_store_object", "get_data_store_object_information")
def test_a_large_object_travels_in_parts(client):
    variables = {"CRAFT_AI__MULTIPART_THRESHOLD__B": "64", "CRAFT_AI__MULTIPART_PART_SIZE__B": "16"}
    with client.again(variables) as by_parts:
        for size in (63, 64, 66, 70, *([65] if client.is_old else [])):
            path, content = f"{fresh('parts')}.bin", bytes(range(size))
            by_parts.upload_data_store_object(Stream(content), path)
            sink = Sink()
            by_parts.download_data_store_object(path, sink)
            assert sink.content == content
            assert by_parts.get_data_store_object_information(path)["size"] == f"{size}.00 B"
