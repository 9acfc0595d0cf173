"""Links within the repository lead somewhere."""

from __future__ import annotations

import pytest

from tests.docs.pages import DOCS, ROOT, Page, pages

OUTSIDE = ("http://", "https://", "mailto:")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_relative_link_resolves(page: Page) -> None:
    for link in page.links:
        if link.startswith(OUTSIDE):
            continue
        target, _, anchor = link.partition("#")
        place = (page.path.parent / target).resolve() if target else page.path
        assert place.exists(), f"{page.name}: {link}"
        assert place.is_relative_to(ROOT), f"{page.name}: {link}"
        if anchor:
            assert anchor in Page(place).anchors, f"{page.name}: {link}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, waiting = set(), [Page(ROOT / "README.md")]
    while waiting:
        page = waiting.pop()
        if page.path in seen:
            continue
        seen.add(page.path)
        targets = {(page.path.parent / link.partition("#")[0]).resolve() for link in page.links if "://" not in link}
        for target in targets:
            if target.is_dir():
                waiting += [Page(path) for path in target.glob("*.md")]
            elif target.suffix == ".md":
                waiting.append(Page(target))
    lost = {str(path.relative_to(ROOT)) for path in DOCS.rglob("*.md")} - {str(path.relative_to(ROOT)) for path in seen}
    assert lost == set()
