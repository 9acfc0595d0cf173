"""Docstrings in Google, NumPy and Sphinx style: what a function does, takes and returns."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field

_PARAMETERS = ("args", "arguments", "parameters", "params", "inputs", "other parameters", "keyword args")
_RESULTS = ("returns", "return", "outputs", "yields")
_OTHERS = ("raises", "example", "examples", "note", "notes", "see also", "warnings", "references", "todo", "attributes")
_HEADING = re.compile(r"^([A-Za-z][A-Za-z ]*?):?\s*$")
_GOOGLE_ENTRY = re.compile(r"^[`*\"']*(\w+)[`\"']*\s*(?:\(([^)]*(?:\([^)]*\)[^)]*)*)\))?\s*:\s*(.*)$")
_NUMPY_ENTRY = re.compile(r"^[*`\"']*(\w+(?:\s*,\s*\w+)*)[`\"']*\s*(?::\s*(.*))?$")
_SPHINX = re.compile(
    r"^:(?P<what>param|parameter|arg|type|key|keyword)\s+(?:(?P<type>[^:]*?)\s+)?(?P<name>\w+):\s*(?P<text>.*)$"
)
_SPHINX_OTHER = re.compile(r"^:(\w+)[^:]*:")

_TYPES = {
    "string": ("str", "string", "text"),
    "number": ("int", "integer", "float", "number"),
    "boolean": ("bool", "boolean"),
    "array": ("list", "array", "array-like", "sequence", "tuple", "ndarray"),
    "json": ("dict", "dictionary", "json", "mapping", "object"),
    "file": ("file", "path", "filepath"),
}
_BY_WORD = {word: data_type for data_type, words in _TYPES.items() for word in words}


@dataclass
class Said:
    """What a docstring says of one name."""

    text: str = ""
    type: str = ""

    @property
    def data_type(self) -> str | None:
        """The data type of its type, if that is one of the usual words."""
        word = re.split(r"[\s,\[({|]", self.type.strip().lower().strip("`:"), maxsplit=1)[0]
        return _BY_WORD.get(word)


@dataclass
class Doc:
    """All of it."""

    description: str = ""
    parameters: dict[str, Said] = field(default_factory=dict)
    results: dict[str, Said] = field(default_factory=dict)


def read_docstring(text: str | None) -> Doc:
    """Never fails: what is not understood is left out."""
    doc = Doc()
    free, sections = _split(inspect.cleandoc(text or "").splitlines())
    for lines, known, is_numpy in sections:
        for name, said in (_numpy(lines) if is_numpy else _google(lines)).items():
            known_names = doc.parameters if known == "parameters" else doc.results
            known_names[name] = said
    doc.description = _prose(_sphinx(free, doc))
    return doc


def _split(lines: list[str]) -> tuple[list[str], list[tuple[list[str], str, bool]]]:
    """The free text before the first section, and the sections of parameters and results."""
    free: list[str] = []
    sections: list[tuple[list[str], str, bool]] = []
    current, index, in_section = free, 0, False
    while index < len(lines):
        heading = _HEADING.match(lines[index])
        word = heading[1].strip().lower() if heading else ""
        is_numpy = index + 1 < len(lines) and bool(re.fullmatch(r"-{3,}|={3,}", lines[index + 1].strip()))
        is_google = lines[index].rstrip().endswith(":") and word in (*_PARAMETERS, *_RESULTS, *_OTHERS)
        if word and (is_numpy or is_google):
            current, in_section = [], True
            if word in (*_PARAMETERS, *_RESULTS):
                sections.append((current, "parameters" if word in _PARAMETERS else "results", is_numpy))
            index += 2 if is_numpy else 1
            continue
        if in_section and lines[index] and not lines[index][0].isspace() and sections and not sections[-1][2]:
            current, in_section = free, False  # a Google section ends where its indentation does
        current.append(lines[index])
        index += 1
    return free, sections


def _google(lines: list[str]) -> dict[str, Said]:
    found: dict[str, Said] = {}
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    last: Said | None = None
    for line in lines:
        text = line[indent:]
        entry = _GOOGLE_ENTRY.match(text) if text and not text[0].isspace() else None
        if entry:
            last = found[entry[1]] = Said(entry[3].strip(), entry[2] or "")
        elif last is not None and text.strip():
            last.text = f"{last.text} {text.strip()}".strip()
    return found


def _numpy(lines: list[str]) -> dict[str, Said]:
    found: dict[str, Said] = {}
    last: list[Said] = []
    for line in lines:
        entry = _NUMPY_ENTRY.match(line) if line and not line[0].isspace() else None
        if entry:
            last = [found.setdefault(name.strip(), Said(type=(entry[2] or "").strip())) for name in entry[1].split(",")]
        elif line.strip():
            for said in last:
                said.text = f"{said.text} {line.strip()}".strip()
    return found


def _sphinx(lines: list[str], doc: Doc) -> list[str]:
    """Takes `:param x:` and the like out of free text."""
    kept: list[str] = []
    last: Said | None = None
    for line in lines:
        entry = _SPHINX.match(line.strip())
        if entry:
            last = doc.parameters.setdefault(entry["name"], Said())
            if entry["what"] == "type":
                last.type, last = entry["text"].strip(), None
            else:
                last.text, last.type = entry["text"].strip(), entry["type"] or last.type
        elif _SPHINX_OTHER.match(line.strip()):
            last = None
        elif last is not None and line.startswith(" "):
            last.text = f"{last.text} {line.strip()}".strip()
        else:
            last = None
            kept.append(line)
    return kept


def _prose(lines: list[str]) -> str:
    """Paragraphs without their line ends."""
    paragraphs = "\n".join(line.strip() for line in lines).strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip())
