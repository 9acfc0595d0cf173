"""The template that the how-to guide shows is one that the server takes."""

from __future__ import annotations

from pathlib import Path

from pipeyard.services.templates import load_templates
from tests.docs.pages import DOCS, Page

BLOCKS = Page(DOCS / "how-to" / "use-templates.md").blocks


def test_the_template_of_the_page_is_read(tmp_path: Path) -> None:
    code = next(block for block in BLOCKS if block.file is not None)
    assert code.file is not None
    (tmp_path / code.file).parent.mkdir(parents=True)
    (tmp_path / code.file).write_text(code.text)
    description = next(block for block in BLOCKS if block.language == "toml")
    (tmp_path / "discount" / "template.toml").write_text(description.text)
    (template,) = load_templates([tmp_path]).list()
    assert template.name == "discount"
    assert [(mapping.input_name, mapping.source.value) for mapping in template.inputs_mapping] == [
        ("price", "endpoint"),
        ("share", "constant"),
    ]
