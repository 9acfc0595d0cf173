"""Pipeline templates, read once at the start: those of the operator's folder, and those that come with Pipeyard."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tomllib

from pipeyard.domain.templates import Template, read_template
from pipeyard.errors import InvalidInputError, NotFoundError

logger = logging.getLogger(__name__)

SHIPPED = Path(__file__).parents[1] / "templates"
DESCRIPTION, CODE = "template.toml", "code"


@dataclass(frozen=True)
class TemplateService:
    """What a user can ask of templates."""

    templates: dict[str, Template]

    def list(self) -> Sequence[Template]:
        """By name."""
        return sorted(self.templates.values(), key=lambda template: template.name)

    def get(self, name: str) -> Template:
        """Raises NotFoundError."""
        template = self.templates.get(name)
        if template is None:
            raise NotFoundError("pipeline template", name)
        return template


def load_templates(folders: Iterable[Path]) -> TemplateService:
    """The templates in these folders; of two with one name, the first. A broken one is logged and left out."""
    templates: dict[str, Template] = {}
    for folder in folders:
        for template in _read_all(folder):
            kept = templates.setdefault(template.name, template)
            if kept is not template:
                logger.warning(
                    "template %s in %s is hidden by %s", template.name, template.code.parent, kept.code.parent
                )
    return TemplateService(templates)


def _read_all(folder: Path) -> Iterator[Template]:
    try:
        places = sorted(entry for entry in folder.iterdir() if (entry / DESCRIPTION).is_file())
    except OSError as error:
        logger.error("templates_dir: %s cannot be read (%s); its templates are left out", folder, error.strerror)
        return
    for place in places:
        try:
            yield _read(place)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, InvalidInputError) as error:
            logger.error("the template in %s is left out: %s", place, getattr(error, "message", error))


def _read(place: Path) -> Template:
    template = read_template(tomllib.loads((place / DESCRIPTION).read_text(encoding="utf-8")), place / CODE)
    config = template.declaration.container_config
    for path in filter(None, (template.declaration.function_path, config.requirements_path)):
        if not (template.code / path).is_file():
            raise InvalidInputError(path, f"is not in the folder {CODE} of the template")
    return template
