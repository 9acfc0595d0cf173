# Generated from src/pipeyard/sdk/_async/pipelines.py by `make generate`: change that file, not this one.
"""Pipelines: create, watch, list, delete."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeyard.sdk._sync.downloads import download
from pipeyard.sdk._sync.logs import Logs
from pipeyard.sdk.archives import build_archive, included_paths
from pipeyard.sdk.calls import Call
from pipeyard.sdk.deadlines import Deadline
from pipeyard.sdk.declarations import Input, Output
from pipeyard.sdk.errors import NotFoundError
from pipeyard.sdk.forms import check_config, pipeline_form
from pipeyard.sdk.log_ranges import log_range
from pipeyard.sdk.results import record, records
from pipeyard.sdk.shapes import DeletedPipeline, LogLine, Pipeline, PipelineRow


class Pipelines(Logs):
    """What a user can ask of pipelines."""

    def create_pipeline(
        self,
        pipeline_name: str,
        function_path: str | None = None,
        function_name: str | None = None,
        description: str | None = None,
        container_config: dict[str, Any] | None = None,
        inputs: Sequence[Input] | None = None,
        outputs: Sequence[Output] | None = None,
        wait_for_completion: bool = True,
        timeout_s: float | None = None,
        *,
        pipeline_template_name: str | None = None,
    ) -> Pipeline:
        """Create a pipeline from a function in a local folder or a git repository, or from a template.

        Args:
            pipeline_name: Its name, unique in the environment.
            function_path: The file of the function, relative to the folder or repository.
            function_name: The function in that file. Its parameters are the inputs.
            description: Free text.
            container_config: What the function runs in. All keys are optional: `local_folder`, or `repository_url`
                with `repository_branch` and `repository_deploy_key`; `language`, such as "python:3.11-slim";
                `requirements_path`; `included_folders`, a list of the files and folders to take along;
                `system_dependencies`, a list; `dockerfile_path`; `ram_request`, the memory of a pod that runs it, such
                as "2GiB" (a low latency deployment may have its own). What is absent is the project's setting; so is
                `CREATION_PARAMETER_VALUE.FALLBACK_PROJECT`, while `CREATION_PARAMETER_VALUE.NULL` is none at all.
            inputs: Every parameter of the function.
            outputs: The keys of the dictionary that the function returns.
            wait_for_completion: Whether to wait until it is built.
            timeout_s: The longest wait in seconds; None waits until the build ends.
            pipeline_template_name: The template to create it from. Nothing else but the name goes with it.

        Returns:
            The pipeline, as `get_pipeline` gives it.

        Raises:
            ValueError: an argument that cannot be right; FileNotFoundError: a file that is not in the local folder.
            CreationFailedError: the build failed; the text ends with the last lines of its log.
            WaitTimeoutError: it was not built in time; the build goes on.
            SdkException: any other refusal, for instance ConflictError for a name that is taken.
        """
        deadline = Deadline.after(timeout_s)
        function_arguments = (function_path, function_name, description, container_config, inputs, outputs)
        if pipeline_template_name is not None:
            if any(argument is not None for argument in function_arguments):
                raise ValueError("'pipeline_template_name' goes with 'pipeline_name' alone: the template has the rest")
            named = {"pipeline_name": pipeline_name, "pipeline_template_name": pipeline_template_name}
            self._http.ask(Call("POST", self._url("pipelines"), json=named))
        else:
            config = check_config(container_config)
            local_folder = config.pop("local_folder", None)
            form = pipeline_form(
                {
                    "pipeline_name": pipeline_name,
                    "function_path": function_path,
                    "function_name": function_name,
                    "description": description,
                },
                config,
                inputs,
                outputs,
            )
            if local_folder is None:
                self._http.ask(Call("POST", self._url("pipelines"), form=form))
            else:
                self._send_folder(form, Path(local_folder), self._included(config, function_path))
        return self._get_pipeline(pipeline_name, wait_for_completion, deadline)

    def _included(self, config: dict[str, Any], function_path: str | None) -> list[str]:
        """The paths that go into the archive: what the configuration says, else the project."""
        project = self._http.ask(Call("GET", self._url("project-information")))
        return included_paths(config, project, function_path)

    def _send_folder(self, form: dict[str, str], folder: Path, paths: list[str]) -> None:
        what = f"Uploading the code of {form['pipeline_name']}"
        with build_archive(folder, paths) as archive, self._display.reading(what, archive) as watched:
            files = [("step_file", ("step_file", watched))]
            self._http.ask(Call("POST", self._url("pipelines"), form=form, files=files))

    def get_pipeline(
        self, pipeline_name: str, wait_for_completion: bool = False, timeout_s: float | None = None
    ) -> Pipeline:
        """One pipeline.

        Args:
            pipeline_name: Its name.
            wait_for_completion: Whether to wait until it is built.
            timeout_s: The longest wait in seconds; None waits until the build ends.

        Returns:
            `parameters` is what it was created from. `creation_info` has `status` (creation_pending, ready,
            creation_failed), `created_at`, `created_by`, `origin`, `commit_id`, `pipeline_template` and
            `last_execution_id`.

        Raises:
            NotFoundError, CreationFailedError, WaitTimeoutError, SdkException.
        """
        return self._get_pipeline(pipeline_name, wait_for_completion, Deadline.after(timeout_s))

    def _get_pipeline(self, name: str, waits: bool, deadline: Deadline) -> Pipeline:
        if waits:
            pipeline = self._wait_until_built(name, deadline)
        else:
            pipeline = self._http.ask(Call("GET", self._url("pipelines", name)))
        pipeline["creation_info"]["last_execution_id"] = self._latest_execution("pipelines", name)
        for internal in ("id", "is_archived"):
            pipeline["creation_info"].pop(internal, None)
        return record(Pipeline, pipeline)

    def _wait_until_built(self, name: str, deadline: Deadline) -> dict[str, Any]:
        """Held by the server; its log is shown meanwhile, where somebody sees it."""
        deadline = deadline.of(f'pipeline "{name}" was not built', "the build goes on: see get_pipeline")
        with self._display.task(f"Building {name}") as task:
            if self._display.is_on:
                self._show_log(task, self._url("pipelines", name, "logs"), deadline)
            call = Call("GET", self._url("pipelines", name), {"wait_for_completion": "true"}, deadline=deadline)
            pipeline = self._http.hold(call, lambda answer: _status(answer) == "creation_pending")
        if _status(pipeline) == "creation_failed":
            raise self._creation_failed(f'the creation of pipeline "{name}" failed', "pipelines", name)
        return dict(pipeline)

    def list_pipelines(self) -> list[PipelineRow]:
        """All pipelines, oldest first: `pipeline_name`, `created_at`, `status`. Raises SdkException."""
        return records(PipelineRow, self._http.ask(Call("GET", self._url("pipelines"))))

    def delete_pipeline(self, pipeline_name: str, force_deployments_deletion: bool = False) -> DeletedPipeline:
        """Delete a pipeline with all its executions.

        Args:
            pipeline_name: Its name.
            force_deployments_deletion: Whether its deployments go with it; otherwise they make it refuse.

        Returns:
            `pipeline`, with its `name`, and `deployments`, each with `name` and `execution_rule`.

        Raises:
            NotFoundError: no such pipeline. ConflictError: it has deployments. SdkException.
        """
        query = {"force_deployments_deletion": str(bool(force_deployments_deletion)).lower()}
        return record(DeletedPipeline, self._http.ask(Call("DELETE", self._url("pipelines", pipeline_name), query)))

    def download_pipeline_local_folder(self, pipeline_name: str, folder: str) -> None:
        """Save the code that a pipeline was created from, as `{folder}/{pipeline_name}.tgz`.

        Only for pipelines that came from a local folder. Raises NotFoundError, ValueError, OSError, SdkException.
        """
        if not isinstance(folder, str):
            raise ValueError(f"'folder' must be a path as text, got {type(folder).__name__}")
        answer = self._http.ask(Call("GET", self._url("pipelines", pipeline_name, "download")))
        place = Path(folder).absolute() / f"{pipeline_name}.tgz"
        with self._display.task(f"Downloading {place.name}") as task:
            download(self._http, answer["signed_url"], place, task)

    def get_pipeline_logs(
        self,
        pipeline_name: str,
        from_datetime: datetime | None = None,
        to_datetime: datetime | None = None,
        limit: int | None = None,
    ) -> list[LogLine]:
        """The log of a pipeline's build, oldest first.

        Args:
            pipeline_name: Its name.
            from_datetime: The first instant; without a time zone it is local time.
            to_datetime: The instant before which it ends.
            limit: The largest number of lines.

        Returns:
            Lines with `timestamp`, `message` and `stream`.

        Raises:
            NotFoundError, SdkException.
        """
        wanted = log_range(from_datetime, to_datetime, limit)
        return records(LogLine, self._read_log("pipelines", pipeline_name, wanted))

    def _latest_execution(self, kind: str, name: str) -> str | None:
        try:
            latest = self._http.ask(Call("GET", self._url(kind, name, "executions", "latest")))
        except NotFoundError:  # none yet, as some servers say it
            return None
        return latest.get("execution_id") if isinstance(latest, dict) else None


def _status(pipeline: Any) -> Any:
    return pipeline["creation_info"]["status"]
