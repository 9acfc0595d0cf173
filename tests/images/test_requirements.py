"""Requirements files: variables in, local references found; masking: values out of the log again."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from pipeyard.errors import BuildError
from pipeyard.images.masking import masking
from pipeyard.images.requirements import Requirements, read_requirements
from pipeyard.images.uv import explain_failure

VARIABLES = {"TOKEN": "s3cr/et", "version": "1.2.3", "LINES": "a\nb"}


def _read(folder: Path, text: str | bytes, path: str = "requirements.txt") -> Requirements:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_requirements(folder, path, VARIABLES)


def test_variables_are_replaced_and_remembered(tmp_path: Path) -> None:
    read = _read(tmp_path, "--index-url https://u:${TOKEN}@host/simple  # ${IN_A_COMMENT}\nsix==${version}\n$HOME\n")
    assert read.text == "--index-url https://u:s3cr/et@host/simple\nsix==1.2.3\n$HOME\n"
    assert read.secrets == {"TOKEN": "s3cr/et", "version": "1.2.3"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("six\nsix==${NOPE}", "requirements.txt, line 2: ${NOPE} is not an environment variable"),
        ("six==${LINES}", "more than one line"),
        ("-r nothing.txt", "there is no file nothing.txt in the archive"),
        ("-c ../constraints.txt", "not a file in the pipeline's folder"),
        ("-r/etc/passwd", "not a file in the pipeline's folder"),
        ("--requirement=/etc/passwd", "not a file in the pipeline's folder"),
        ("--constraint  /etc/passwd", "not a file in the pipeline's folder"),
        ("-r ${TOKEN}", "not a file in the pipeline's folder"),
        ("-r https://host/r.txt", "is a URL"),
        (b"caf\xe9", "UTF-8"),
        (b"#" * 2_000_000, "1,048,576 bytes"),
    ],
)
def test_what_cannot_work_is_refused_by_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(BuildError) as caught:
        _read(tmp_path, text)
    assert said in caught.value.message


def test_a_link_out_of_the_code_is_not_read(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (tmp_path / "secret").write_text("secret")
    (code / "requirements.txt").symlink_to("../secret")
    with pytest.raises(BuildError, match="leads out"):
        read_requirements(code, "requirements.txt", {})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_encodings_of_windows_are_read(tmp_path: Path, encoding: str) -> None:
    assert _read(tmp_path, "six\r\nnumpy\r\n".encode(encoding)).text == "six\nnumpy\n"


def test_nothing_but_comments_is_empty(tmp_path: Path) -> None:
    assert _read(tmp_path, "# six\n\n   \n").is_empty


@pytest.mark.parametrize(
    "line",
    [
        "six",
        "scikit-learn==1.5.0",
        "pandas[excel,parquet] >=2,<3 ; python_version >= '3.9'",
        "a~=1.0",
        "a (>=1.0)",
        "six @ https://host/six.tar.gz",
        "git+https://host/x.git@main#egg=x",
        "--extra-index-url https://host/simple",
        "-i https://host/simple",
        "six==1.0 \\",
        "    --hash=sha256:00ff \\",
        "--no-index",
        "--only-binary :all:",
    ],
)
def test_ordinary_lines_do_not_depend_on_the_code(tmp_path: Path, line: str) -> None:
    assert not _read(tmp_path, line).is_local


@pytest.mark.parametrize(
    "line",
    [
        "./pkg",
        "-e .",
        "--editable=./pkg",
        "pkg/",
        "wheels/six-1.0.whl",
        "six-1.0-py3-none-any.whl",
        "file:///x/y",
        "six @ file:wheels/six.whl",
        "-f wheels",
        "--find-links ./wheels",
        "../out",
        "~/pkg",
    ],
)
def test_lines_that_name_files_depend_on_the_code(tmp_path: Path, line: str) -> None:
    assert _read(tmp_path, line).is_local


def test_editable_packages_become_normal_ones_and_it_says_so(tmp_path: Path) -> None:
    read = _read(tmp_path, "-e ./pkg[extra]\n")
    assert read.text == "./pkg[extra]\n"
    assert read.notes == ("requirements.txt, line 1: installed as a normal package, since images never change",)


def test_nested_files_start_at_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "reqs").mkdir()
    (tmp_path / "reqs" / "base.txt").write_text("-c ../limits.txt\nsix @ https://${TOKEN}@host/six\n")
    (tmp_path / "limits.txt").write_text("-r reqs/base.txt\n")  # a circle
    read = _read(tmp_path, "-r base.txt\n--constraint ../limits.txt\n", "reqs/prod.txt")
    assert read.text == "-r reqs/base.txt\n--constraint limits.txt\n"
    assert read.is_local
    assert read.variables == read.secrets == {"TOKEN": "s3cr/et"}


def test_a_nested_file_cannot_change_the_process_of_uv(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("six==${LD_PRELOAD}\n")
    (tmp_path / "requirements.txt").write_text("-r base.txt\n")
    with pytest.raises(BuildError, match="can only be used in the file requirements_path names"):
        read_requirements(tmp_path, "requirements.txt", {"LD_PRELOAD": "/evil.so"})


def test_a_long_chain_of_files_ends(tmp_path: Path) -> None:
    for index in range(200):
        (tmp_path / f"r{index}.txt").write_text(f"-r r{index + 1}.txt\n")
    with pytest.raises(BuildError, match="more than 100 files"):
        _read(tmp_path, "-r r0.txt\n")


SECRET = "p@ss w/ö:%rd"


@pytest.mark.parametrize(
    "spelling",
    [SECRET, quote(SECRET), quote(SECRET, safe=""), quote_plus(SECRET), quote(SECRET).lower(), "p%40ss w/ö:%rd"],
)
def test_values_are_masked_in_every_spelling_of_a_url(spelling: str) -> None:
    mask = masking({"TOKEN": SECRET}, {})
    assert mask(f"error: https://u:{spelling}@host/x failed") == "error: https://u:${TOKEN}@host/x failed"


def test_the_longest_value_is_masked_first() -> None:
    mask = masking({"A": "secret", "B": "secret-and-more", "EMPTY": ""}, {"/data/secret/images": "the image"})
    assert mask("secret secret-and-more") == "${A} ${B}"
    assert mask("at /data/x") == "at /data/x"


def test_short_values_are_masked_where_they_stand_alone() -> None:
    mask = masking({"N": "1", "U": "ci"}, {})
    assert mask("scikit 1 of 11, ci:x@host 1.5") == "scikit ${N} of 11, ${U}:x@host ${N}.5"


def test_without_values_lines_stay_as_they_are() -> None:
    assert masking({}, {})("a ${B}") == "a ${B}"


def test_masking_long_lines_takes_linear_time() -> None:
    mask = masking({f"V{index}": f"{index:03}" + "a%" * 500 for index in range(20)}, {})
    started_s = time.monotonic()
    mask("a%" * 30_000)
    assert time.monotonic() - started_s < 2


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("  cause: Because nope was not found in the package registry and you require", "check the spelling"),
        ("  cause: Because there is no version of six==99 and you require six==99", "a version that exists"),
        ("  cause: tf has no wheels with a matching Python ABI tag (e.g., `cp311`)", "choose another"),
        ("  cause: error sending request for url (https://h/s)", "cannot be reached"),
        ("  cause: HTTP status client error (401 Unauthorized) for url", "credentials"),
        ("  cause: The build backend returned an error", "built from source"),
        ("  something new", "see the lines above"),
    ],
)
def test_a_failure_ends_with_what_to_do(said: str, remedy: str) -> None:
    text = explain_failure(["Using Python 3.11", "Resolved 3", "error: No solution found", said])
    assert text.startswith("the packages cannot be installed:\nerror: No solution found\n")
    assert remedy in text.splitlines()[-1]


def test_a_long_failure_keeps_its_first_and_last_lines() -> None:
    text = explain_failure(["error: it failed", *(f"line {index}" for index in range(100))])
    assert "error: it failed\n...\nline 90" in text
    assert "line 99" in text
