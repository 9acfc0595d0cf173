"""Requirements files: `${NAME}` replaced, local references found, paths kept inside the code."""

from __future__ import annotations

import codecs
import os
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeyard.errors import BuildError

FILE_BYTES_LIMIT = 1024 * 1024
FILES_LIMIT = 100

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_COMMENT = re.compile(r"(^|\s)#.*$")
# Another file of requirements or constraints.
_FILE_OPTION = re.compile(r"\s*(-r|-c|--requirements?|--constraints?)(?:\s*=\s*|\s+|(?<=-[rc]))(\S.*?)\s*")
_EDITABLE = re.compile(r"\s*(?:-e|--editable)(?:\s*=\s*|\s+)")
# What depends on nothing in the code folder. All else counts as local; where that is wrong, an image is not shared.
_PLAIN = re.compile(
    r"""\s*(?:
        [A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?\s*
        (?: (?:[=<>!~]=?=?[^/\\;@]*)? | \(.*\) | @\s*(?:https?://|git\+(?:https?|ssh)://)\S+ )
        \s*(?:;.*)?
      | (?:-i|--index-url|--extra-index-url|-f|--find-links)(?:\s+|=)https?://\S+
      | --(?:hash|no-index|pre|prefer-binary|trusted-host|no-binary|only-binary|require-hashes)\b[^/]*
      | (?:https?|git\+https?|git\+ssh)://\S+
    )?\s*""",
    re.VERBOSE,
)
_ARCHIVE = re.compile(r"\.(whl|zip|tar\.gz|tgz|tar\.bz2|tar\.xz)\b")
# Names that would change uv itself rather than what a file of requirements says.
_PROCESS_VARIABLE = re.compile(r"(PATH|HOME|TMPDIR|SHELL|LD_.*|DYLD_.*|UV_.*|PYTHON.*|SSL_.*|GIT_.*)")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),  # what `pip freeze > file` writes in PowerShell
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Requirements:
    """What uv gets on its stdin, from the folder of the code. `secrets`: the values that stand in it, by variable.

    `variables` are for the files that it refers to: uv replaces those itself. `is_local`: the result depends on files
    of the code.
    """

    text: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    is_local: bool = False
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to install."""
        return not self.text.strip()


def read_requirements(code: Path, path: str, variables: Mapping[str, str]) -> Requirements:
    """Read the file at `path` in the code folder. Raises BuildError with what its author must change."""
    reader = _Reader(code, variables)
    lines = [reader.line(path, number, line) for number, line in enumerate(_read_lines(code, path), start=1)]
    text = "".join(f"{line}\n" for line in lines)
    return Requirements(text, reader.secrets, reader.passed, reader.is_local, tuple(reader.notes))


class _Reader:
    """What is learnt line by line."""

    def __init__(self, code: Path, variables: Mapping[str, str]) -> None:
        self._code = code
        self._variables = variables
        self._files: set[str] = set()
        self.secrets: dict[str, str] = {}
        self.passed: dict[str, str] = {}
        self.is_local = False
        self.notes: list[str] = []

    def line(self, path: str, number: int, line: str) -> str:
        """The line as uv gets it."""
        line = _COMMENT.sub("", line).rstrip()
        option = _FILE_OPTION.fullmatch(line)
        if option is not None:
            self.is_local = True
            target = self._file(path, number, option[2])
            return f"{option[1]} {target}"
        if _EDITABLE.match(line):
            line = _EDITABLE.sub("", line, count=1)
            self.notes.append(f"{path}, line {number}: installed as a normal package, since images never change")
            self.is_local = True
        elif not _PLAIN.fullmatch(line.rstrip("\\")) or ("://" not in line and _ARCHIVE.search(line)):
            self.is_local = True
        return self._substitute(path, number, line)

    def _substitute(self, path: str, number: int, line: str) -> str:
        def value_of(match: re.Match[str]) -> str:
            value = self._value(path, number, match[1])
            self.secrets[match[1]] = value
            return value

        return _VARIABLE.sub(value_of, line)

    def _value(self, path: str, number: int, name: str) -> str:
        value = self._variables.get(name)
        if value is None:
            raise BuildError(
                f"{path}, line {number}: ${{{name}}} is not an environment variable of this environment; create it "
                f'with create_or_update_environment_variable("{name}", ...), then create the pipeline again'
            )
        if "\n" in value or "\r" in value:
            raise BuildError(f"{path}, line {number}: the value of ${{{name}}} has more than one line")
        return value

    def _file(self, path: str, number: int, target: str) -> str:
        """The path of another file from the code folder; it is looked through too."""
        # For pip such a path starts at the file that names it.
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(path), target.strip("\"'")))
        if "://" in target:
            raise BuildError(f"{path}, line {number}: {target} is a URL; put that file into the code")
        if "${" in target or inside.startswith(("/", "../")) or inside == "..":
            raise BuildError(f"{path}, line {number}: {target} is not a file in the pipeline's folder")
        if inside in self._files:
            return inside
        self._files.add(inside)
        if len(self._files) > FILES_LIMIT:
            raise BuildError(f"{path}: refers to more than {FILES_LIMIT} files")
        if not (self._code / inside).is_file():
            raise BuildError(
                f"{path}, line {number}: there is no file {inside} in the archive; add it to included_folders"
            )
        self._look_through(inside)
        return inside

    def _look_through(self, path: str) -> None:
        """Find the variables and files that a nested file names. Recursion is bounded by FILES_LIMIT."""
        for number, line in enumerate(_read_lines(self._code, path), start=1):
            content = _COMMENT.sub("", line)
            if option := _FILE_OPTION.fullmatch(content):
                self._file(path, number, option[2])
            for name in _VARIABLE.findall(content):
                value = self._value(path, number, name)
                if _PROCESS_VARIABLE.fullmatch(name):
                    raise BuildError(
                        f"{path}, line {number}: ${{{name}}} can only be used in the file requirements_path names"
                    )
                self.secrets[name] = self.passed[name] = value


def _read_lines(code: Path, path: str) -> list[str]:
    file = code / path
    # A link may not lead out: the archive was checked, but what it holds may have been changed since.
    if not os.path.realpath(file).startswith(os.path.realpath(code) + os.sep):
        raise BuildError(f"{path}: leads out of the pipeline's folder")
    try:
        with file.open("rb") as content:
            data = content.read(FILE_BYTES_LIMIT + 1)
    except OSError as error:
        raise BuildError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > FILE_BYTES_LIMIT:
        raise BuildError(f"{path}: has more than {FILE_BYTES_LIMIT:,} bytes; is it a requirements file?")
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding).replace("\0", "").splitlines()
    except UnicodeDecodeError:
        raise BuildError(f"{path}: is no text in UTF-8; save it as UTF-8") from None
