"""Archives: what the public client sends, and what an attacker would."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeyard.domain.pipelines import ContainerConfig, PipelineDeclaration
from pipeyard.errors import InvalidInputError, PipeyardError, TooLargeError
from pipeyard.images.archives import ArchiveLimits, check_included, unpack

LIMITS = ArchiveLimits(unpacked_bytes=1_000_000, members=100)
Fill = Callable[[tarfile.TarFile], None]


def _file(tar: tarfile.TarFile, name: str, content: bytes = b"x = 1\n", **attributes: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(content))


def _entry(tar: tarfile.TarFile, name: str, kind: bytes, linkname: str = "", **attributes: object) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    for key, value in attributes.items():
        setattr(info, key, value)
    tar.addfile(info)


def _tar(fill: Fill, tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tar_format) as tar:
        fill(tar)
    return content.getvalue()


class Case:
    """An archive in its folder, and where it is to go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "pipeline"
        self.folder.mkdir()
        self.archive = self.folder / "code.tgz"
        self.code = self.folder / "code"

    def unpack(self, data: bytes | Fill, limits: ArchiveLimits = LIMITS) -> Path:
        self.archive.write_bytes(data if isinstance(data, bytes) else gzip.compress(_tar(data), 1))
        unpack(self.archive, self.code, limits)
        return self.code

    def refuse(self, data: bytes | Fill, kind: type[PipeyardError], limits: ArchiveLimits = LIMITS) -> str:
        with pytest.raises(kind) as caught:
            self.unpack(data, limits)
        assert caught.value.message.startswith("step_file: ")
        assert [path.name for path in self.folder.iterdir()] == ["code.tgz"]  # nothing is left
        assert [path.name for path in self.folder.parent.iterdir()] == ["pipeline"]  # nothing is outside
        return caught.value.message


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_what_the_public_client_makes_is_unpacked(case: Case, tmp_path: Path) -> None:
    source = tmp_path / "pipeline" / "source"
    (source / "src").mkdir(parents=True)
    (source / "src" / "main.py").write_text("import os\n")
    (source / "src" / "run.sh").write_text("#!/bin/sh\n")
    (source / "src" / "run.sh").chmod(0o700)
    (source / "src" / "link.py").symlink_to("main.py")
    (source / "empty").mkdir()

    def fill(tar: tarfile.TarFile) -> None:
        tar.add(source, arcname="")  # included_folders=["/"]
        tar.add(source / "src", arcname="./src")
        tar.add(source / "src" / "main.py", arcname="src/main.py")

    code = case.unpack(fill)
    assert (code / "src" / "main.py").read_text() == "import os\n"
    assert (code / "src" / "link.py").readlink() == Path("main.py")
    assert (code / "empty").is_dir()
    assert stat.S_IMODE((code / "src" / "run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((code / "src" / "main.py").stat().st_mode) == 0o644
    assert int((code / "src" / "main.py").stat().st_mtime) == int((source / "src" / "main.py").stat().st_mtime)


def test_hard_links_become_files(case: Case) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        _file(tar, "a.py", b"a")
        _entry(tar, "b.py", tarfile.LNKTYPE, "a.py")
        _entry(tar, "a.py", tarfile.LNKTYPE, "./a.py")

    code = case.unpack(fill)
    assert (code / "b.py").read_bytes() == b"a"
    assert (code / "b.py").stat().st_nlink == 1


def test_the_last_of_duplicates_wins(case: Case) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        _file(tar, "a.py", b"old")
        _entry(tar, "b.py", tarfile.SYMTYPE, "a.py")
        _file(tar, "./a.py", b"new")
        _file(tar, "b.py", b"file")
        _file(tar, "c.py", b"file")
        _entry(tar, "c.py", tarfile.SYMTYPE, "a.py")

    code = case.unpack(fill)
    assert (code / "a.py").read_bytes() == b"new"
    assert not (code / "b.py").is_symlink()
    assert (code / "b.py").read_bytes() == b"file"
    assert (code / "c.py").is_symlink()


def test_permissions_are_made_ordinary(case: Case) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        _entry(tar, "d", tarfile.DIRTYPE, mode=0o6000)
        _file(tar, "d/suid", mode=0o6777, uid=0)
        _file(tar, "d/secret", mode=0o000)
        _file(tar, "d/old", mtime=-5)
        _file(tar, "d/far", mtime=2**60)

    code = case.unpack(fill)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (code / "d").iterdir()}
    assert modes == {"suid": 0o755, "secret": 0o644, "old": 0o644, "far": 0o644}
    assert stat.S_IMODE((code / "d").stat().st_mode) == 0o755
    assert stat.S_IMODE(code.stat().st_mode) == 0o755


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_tar_is_read(case: Case, tar_format: int) -> None:
    names = [f"{'n' * 90}/{'m' * 90}.py", "short.py"]
    code = case.unpack(gzip.compress(_tar(lambda tar: [_file(tar, name) for name in names] and None, tar_format)))
    assert all((code / name).is_file() for name in names)


def test_an_empty_folder_that_is_there_is_filled(case: Case) -> None:
    case.code.mkdir()
    assert (case.unpack(lambda tar: _file(tar, "a.py")) / "a.py").is_file()


HOSTILE: dict[str, tuple[Fill, str]] = {
    "absolute path": (lambda tar: _file(tar, "/etc/evil.py"), "absolute"),
    "two slashes": (lambda tar: _file(tar, "//etc/evil.py"), "absolute"),
    "parent": (lambda tar: _file(tar, "../evil.py"), '".."'),
    "parent within": (lambda tar: _file(tar, "src/../../evil.py"), '".."'),
    "parent folder": (lambda tar: _entry(tar, "../evil", tarfile.DIRTYPE), '".."'),
    "parent link": (lambda tar: _entry(tar, "../evil", tarfile.SYMTYPE, "x"), '".."'),
    "absolute link": (lambda tar: _entry(tar, "a", tarfile.SYMTYPE, "/etc/passwd"), "leads out"),
    "link out": (lambda tar: _entry(tar, "a", tarfile.SYMTYPE, "../../etc"), "leads out"),
    "link to the parent": (lambda tar: _entry(tar, "a", tarfile.SYMTYPE, ".."), "leads out"),
    "empty link": (lambda tar: _entry(tar, "a", tarfile.SYMTYPE, ""), "leads out"),
    "root as link": (lambda tar: _entry(tar, "", tarfile.SYMTYPE, "/etc"), "root is a link"),
    "root as file": (lambda tar: _file(tar, "./"), "both a folder and a file"),
    "hard link out": (lambda tar: _entry(tar, "a", tarfile.LNKTYPE, "/etc/passwd"), "absolute"),
    "hard link up": (lambda tar: _entry(tar, "a", tarfile.LNKTYPE, "../x"), '".."'),
    "hard link to nothing": (lambda tar: _entry(tar, "a", tarfile.LNKTYPE, "nothing"), "no file before it"),
    "fifo": (lambda tar: _entry(tar, "a", tarfile.FIFOTYPE), "special file"),
    "character device": (lambda tar: _entry(tar, "a", tarfile.CHRTYPE), "a device"),
    "block device": (lambda tar: _entry(tar, "a", tarfile.BLKTYPE), "a device"),
    "long name": (lambda tar: _file(tar, "n" * 300), "too long a name"),
    "long path": (lambda tar: _file(tar, "nnnnnnnnn/" * 101 + "a"), "too long a path"),
    "deep path": (lambda tar: _file(tar, "n/" * 60 + "a"), "too deep"),
    "no members": (lambda tar: None, "holds no files"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(case: Case, name: str) -> None:
    fill, said = HOSTILE[name]
    assert said in case.refuse(fill, InvalidInputError)


def test_nothing_is_written_through_a_link(case: Case, tmp_path: Path) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        _entry(tar, "a", tarfile.SYMTYPE, "b")
        _file(tar, "a/evil.py")

    assert "both a folder and a link" in case.refuse(fill, InvalidInputError)


def test_a_file_is_no_folder(case: Case) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        _file(tar, "a")
        _file(tar, "a/b.py")

    assert "both a folder and a file" in case.refuse(fill, InvalidInputError)


def test_links_that_lead_out_through_each_other_are_refused(case: Case) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        _entry(tar, "a", tarfile.DIRTYPE)
        _entry(tar, "a/here", tarfile.SYMTYPE, ".")
        _entry(tar, "out", tarfile.SYMTYPE, "a/here/../..")  # by its letters it stays inside

    assert "leads out" in case.refuse(fill, InvalidInputError)


def test_links_that_go_round_or_nowhere_are_harmless(case: Case) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        _entry(tar, "a", tarfile.SYMTYPE, "b")
        _entry(tar, "b", tarfile.SYMTYPE, "a")
        _entry(tar, "c", tarfile.SYMTYPE, "nothing.py")
        _entry(tar, "d/root", tarfile.SYMTYPE, "..")

    code = case.unpack(fill)
    assert os.path.realpath(code / "d" / "root") == os.path.realpath(code)


@pytest.mark.parametrize(
    "data",
    [
        b"\x1f",
        b"not an archive at all, just text\n" * 100,
        b"PK\x03\x04" + b"\0" * 1000,
        gzip.compress(b""),
        gzip.compress(b"hello " * 5000),
        gzip.compress(os.urandom(4096)),
        _tar(lambda tar: _file(tar, "a.py")),  # not compressed
        gzip.compress(_tar(lambda tar: _file(tar, "a.py", os.urandom(5000))))[:-20],
        gzip.compress(_tar(lambda tar: _file(tar, "a.py", os.urandom(5000))))[:-1],
        gzip.compress(_tar(lambda tar: _file(tar, "a.py", os.urandom(5000))))[:2000],
        gzip.compress(_tar(lambda tar: _file(tar, "a.py", b"x" * 5000))[:3000]),
        gzip.compress(_tar(lambda tar: _file(tar, "a.py", b"x"))[:300]),
        gzip.compress(_tar(lambda tar: _file(tar, "a.py"))) + b"garbage",
    ],
    ids=range(13),
)
def test_what_is_no_whole_gzip_tar_is_refused(case: Case, data: bytes) -> None:
    assert "damaged" in case.refuse(data, InvalidInputError)


def test_an_empty_upload_is_refused(case: Case) -> None:
    assert "is empty" in case.refuse(b"", InvalidInputError)


def test_any_damaged_byte_is_found(case: Case) -> None:
    good = gzip.compress(_tar(lambda tar: _file(tar, "a.py", os.urandom(2000))))
    for place in range(len(good) - 1, 20, -97):
        case.refuse(good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :], InvalidInputError)


def test_a_bomb_of_content_ends_while_it_is_read(case: Case) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        _file(tar, "a.py")
        _file(tar, "zeros", b"\0" * 5_000_000)

    assert "PIPEYARD_ARCHIVE_MAX_UNPACKED_BYTES" in case.refuse(fill, TooLargeError)


def test_many_files_are_counted_together(case: Case) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        for index in range(11):
            _file(tar, f"f{index}", b"\0" * 100_000)

    assert "1,000,000 bytes" in case.refuse(fill, TooLargeError)


def test_hard_links_count_as_what_they_copy(case: Case) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        _file(tar, "a", b"\0" * 300_000)
        for index in range(4):
            _entry(tar, f"b{index}", tarfile.LNKTYPE, "a")

    case.refuse(fill, TooLargeError)


def test_the_number_of_members_is_limited(case: Case) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        for index in range(101):
            _entry(tar, f"d{index}", tarfile.DIRTYPE)

    assert "PIPEYARD_ARCHIVE_MAX_MEMBERS" in case.refuse(fill, TooLargeError)


def test_exactly_the_limits_are_allowed(case: Case) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        for index in range(100):
            _file(tar, f"f{index}", b"x" * 10_000)

    assert len(list(case.unpack(fill).iterdir())) == 100


def _header(name: bytes, size: bytes, kind: bytes) -> bytes:
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[124:136] = size.ljust(12, b"\0")
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def test_a_bomb_of_headers_ends_while_it_is_read(case: Case) -> None:
    # A PAX header that claims to be 8 GiB of description.
    case.refuse(gzip.compress(_header(b"pax", b"77777777777", b"x") + b"\0" * 5_000_000, 1), InvalidInputError)


def test_a_size_beyond_the_data_is_refused_before_it_is_read(case: Case) -> None:
    case.refuse(gzip.compress(_header(b"a.py", b"77777777777", b"0") + b"\0" * 5_000_000, 1), TooLargeError)


def test_a_negative_size_is_refused(case: Case) -> None:
    size = b"\xff" + struct.pack(">q", -512).rjust(11, b"\xff")
    case.refuse(gzip.compress(_header(b"a.py", size, b"0") * 20), InvalidInputError)
    case.refuse(gzip.compress(_header(b"a.py", size, b"x") * 20), InvalidInputError)


def test_an_endless_chain_of_headers_is_refused(case: Case) -> None:
    case.refuse(gzip.compress(_header(b"x", b"00000000000", b"g") * 50_000, 1), InvalidInputError)
    case.refuse(gzip.compress((_header(b"x", b"00000000001", b"L") + b"a" * 512) * 2_000, 1), InvalidInputError)


def test_a_sparse_file_is_refused(case: Case) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        _file(tar, "a.py", b"", pax_headers={"GNU.sparse.map": "0,0", "GNU.sparse.size": str(2**50)})

    case.refuse(fill, InvalidInputError)


def _declaration(function_path: str, requirements_path: str | None = None) -> PipelineDeclaration:
    config = ContainerConfig(requirements_path=requirements_path)
    return PipelineDeclaration("p", function_path, "f", None, (), (), config)


def test_files_of_the_declaration_must_be_in_the_archive(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for name in ("src/main.py", "src/b.py", "requirements.txt"):
        (tmp_path / name).write_text("")
    check_included(tmp_path, _declaration("src/main.py", "requirements.txt"))
    with pytest.raises(InvalidInputError, match=r'"main.py" is not in the code.*src/b.py, src/main.py') as caught:
        check_included(tmp_path, _declaration("main.py"))
    assert caught.value.field == "function_path"
    with pytest.raises(InvalidInputError, match=r"not in the code.*: requirements.txt") as caught:
        check_included(tmp_path, _declaration("src/b.py", "src/requirements.txt"))
    assert caught.value.field == "container_config.requirements_path"


def test_only_a_few_files_are_suggested(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"no \.py file at all"):
        check_included(tmp_path, _declaration("main.py"))
    for index in range(30):
        (tmp_path / f"f{index:02}.py").write_text("")
    with pytest.raises(InvalidInputError, match=r"f00\.py, f01\.py, f02\.py, f03\.py, f04\.py\.\.\.$"):
        check_included(tmp_path, _declaration("main.py"))
