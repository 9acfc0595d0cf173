"""The pages of the documentation: their blocks, links and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_FILE_LINE = re.compile(r"# file: (\S+)\n")


@dataclass(frozen=True)
class Block:
    """A fenced block. `place` is where a reader finds it."""

    place: str
    language: str
    text: str
    is_next: bool  # nothing but blank lines stands between the block before and this one

    @property
    def file(self) -> str | None:
        """The file whose content it shows: its first line is `# file: PATH`."""
        match = _FILE_LINE.match(self.text)
        return match[1] if match else None


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """Its path in the repository."""
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @property
    def blocks(self) -> list[Block]:
        """In order."""
        text, found, end = self.text, [], 0
        for match in _FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            is_next = not text[end : match.start()].strip()
            indent = len(match["indent"])
            content = "".join(row[indent:] for row in match["text"].splitlines(keepends=True))
            found.append(Block(f"{self.name}:{line}", match["language"], content, is_next))
            end = match.end()
        return found

    @property
    def prose(self) -> str:
        """Without the blocks."""
        return _FENCE.sub("", self.text)

    @property
    def links(self) -> list[str]:
        """The targets of its links and pictures."""
        return _LINK.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """What a link to one of its headings ends in, as GitHub spells it."""
        return {_anchor(heading) for heading in _HEADING.findall(self.prose)}

    def table(self, heading: str) -> list[list[str]]:
        """The rows of the first table below a heading, header and rule left out; a cell without its backquotes."""
        _, _, below = self.text.partition(f"\n{heading}\n")
        assert below, f"{self.name} has no heading {heading!r}"
        return list(_rows(below))


def _rows(text: str) -> Iterator[list[str]]:
    seen = 0
    for line in text.splitlines():
        if line.startswith("|"):
            seen += 1
            if seen > 2:
                yield [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        elif seen:
            return


def _anchor(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower().strip()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def pages() -> list[Page]:
    """Every page of the documentation."""
    names = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    return [Page(path) for path in (*names, *sorted(DOCS.rglob("*.md")))]
