"""Where the code of a new pipeline comes from: an archive that was sent, a git repository, a template."""

from __future__ import annotations

import asyncio
import shutil
import tarfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeyard.domain.names import check_keys, check_name, check_text
from pipeyard.domain.pipeline_declarations import read_declaration
from pipeyard.domain.pipelines import Origin, PipelineDeclaration, TemplateReference
from pipeyard.domain.projects import Project, choose_repository
from pipeyard.domain.repositories import Repository
from pipeyard.errors import ConflictError, InvalidInputError, TooLargeError
from pipeyard.ports import Repositories
from pipeyard.services.code_folders import CodeFolders
from pipeyard.services.projects import ProjectService
from pipeyard.services.templates import TemplateService

UPLOAD, URL = "step_file", "container_config.repository_url"
TEMPLATE_FIELDS = ("pipeline_name", "pipeline_template_name")


@dataclass(frozen=True)
class Brought:
    """What is known once the code is there. `said`: the first lines of the pipeline's log."""

    commit_id: str | None = None
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class NewPipeline:
    """A pipeline to be created. `bring` puts its code where the pipeline of that id has it, or raises."""

    declaration: PipelineDeclaration
    origin: Origin
    bring: Callable[[str], Awaitable[Brought]]
    template: TemplateReference | None = None


@dataclass(frozen=True)
class Origins:
    """Reads what a user sends to create a pipeline."""

    projects: ProjectService
    templates: TemplateService
    repositories: Repositories
    folders: CodeFolders
    keep_code: Callable[[Path, Path, Path, PipelineDeclaration], None]
    workplaces: Path  # for what is on its way; emptied at the start

    async def read_form(self, environment_id: str, fields: Mapping[str, Any], archive: Path | None) -> NewPipeline:
        """A pipeline from the archive, or from a git repository without one. Raises InvalidInputError."""
        project = await self.projects.get(environment_id)
        if archive is not None:
            return self._from_archive(fields, archive, project)
        declaration = read_declaration(fields, project.config)
        repository = choose_repository(fields.get("container_config"), declaration.container_config, project)
        if repository is None:
            raise InvalidInputError(
                URL, "is missing, and no code was sent", "the url of a git repository, or a local_folder (step_file)"
            )
        return self._from_repository(declaration, repository)

    def _from_archive(self, fields: Mapping[str, Any], archive: Path, project: Project) -> NewPipeline:
        declaration = read_declaration(fields, project.without_repository)
        if declaration.container_config.repository_url is not None:
            raise InvalidInputError(URL, "cannot be combined with a local folder", "one of the two")

        async def bring(pipeline_id: str) -> Brought:
            await self._keep(archive, pipeline_id, declaration)
            return Brought()

        return NewPipeline(declaration, Origin.LOCAL, bring)

    def _from_repository(self, declaration: PipelineDeclaration, repository: Repository) -> NewPipeline:
        async def bring(pipeline_id: str) -> Brought:
            async with self._workplace() as folder:
                fetched = await self.repositories.fetch(repository, declaration, folder)
                try:
                    await self._keep(fetched.archive, pipeline_id, declaration)
                except InvalidInputError as error:
                    raise InvalidInputError(_of_repository(error.field), error.problem, error.allowed) from None
                except TooLargeError as error:
                    raise TooLargeError(error.message.replace(UPLOAD, URL, 1)) from None
            # Nobody downloads it: the code is in the repository.
            await asyncio.to_thread(self.folders.archive(pipeline_id).unlink)
            return Brought(fetched.commit_id, fetched.said)

        return NewPipeline(declaration, Origin.GIT_REPOSITORY, bring)

    async def read_template(self, environment_id: str, fields: Mapping[str, Any]) -> NewPipeline:
        """A pipeline from a template. Raises InvalidInputError, NotFoundError, ConflictError when it is not enabled."""
        check_keys("", fields, TEMPLATE_FIELDS)
        name = check_name("pipeline_name", fields.get("pipeline_name"))
        if fields.get("pipeline_template_name") is None:
            raise InvalidInputError(
                "pipeline_template_name",
                "is missing: JSON creates from a template",
                "its name, or a form with a function",
            )
        template = self.templates.get(check_text("pipeline_template_name", fields["pipeline_template_name"]))
        if not template.is_enabled:
            raise ConflictError(
                f'the pipeline template "{template.name}" is not enabled; its operator has to enable it'
            )
        project = await self.projects.get(environment_id)
        config = replace(template.declaration.container_config, language=template.language or project.config.language)
        declaration = replace(template.declaration, name=name, container_config=config)

        async def bring(pipeline_id: str) -> Brought:
            async with self._workplace() as folder:
                archive = await asyncio.to_thread(_pack, template.code, folder / "code.tgz")
                await self._keep(archive, pipeline_id, declaration)
            return Brought(said=(f"From the template {template.name} {template.reference.version}.",))

        return NewPipeline(declaration, Origin.LOCAL, bring, template.reference)

    async def _keep(self, archive: Path, pipeline_id: str, declaration: PipelineDeclaration) -> None:
        kept, code = self.folders.archive(pipeline_id), self.folders.code(pipeline_id)
        await asyncio.to_thread(self.keep_code, archive, kept, code, declaration)

    @asynccontextmanager
    async def _workplace(self) -> AsyncIterator[Path]:
        folder = self.workplaces / uuid.uuid4().hex
        folder.mkdir(parents=True, mode=0o700)
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _of_repository(field: str) -> str:
    """A field of the archive is one of the repository that it was made of."""
    return URL if field == UPLOAD else field


def _pack(code: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(code, arcname="", filter=lambda member: None if "__pycache__" in member.name else member)
    return archive
