# Generated from src/pipeyard/sdk/_async/environments.py by `make generate`: change that file, not this one.
"""The environment: variables, templates, project settings, vector database, users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeyard.sdk._sync.metrics import Metrics
from pipeyard.sdk.calls import Call
from pipeyard.sdk.results import record, records
from pipeyard.sdk.shapes import (
    EnvironmentVariable,
    PipelineTemplate,
    PipelineTemplateDetails,
    ProjectInformation,
    User,
    VectorDatabaseCredentials,
)
from pipeyard.sdk.vector_databases import import_weaviate, weaviate_arguments

if TYPE_CHECKING:
    import weaviate


class Environment(Metrics):
    """What a user can ask of the environment."""

    # --- variables ---

    def create_or_update_environment_variable(
        self, environment_variable_name: str, environment_variable_value: str
    ) -> None:
        """Set an environment variable of all executions. The next that starts sees it. Raises SdkException."""
        content = {"environment_variables": {environment_variable_name: environment_variable_value}}
        self._http.ask(Call("PUT", self._url("environment-variables"), json=content))

    def list_environment_variables(self) -> list[EnvironmentVariable]:
        """All environment variables: `name` and `value`. Raises SdkException."""
        return records(EnvironmentVariable, self._http.ask(Call("GET", self._url("environment-variables"))))

    def delete_environment_variable(self, environment_variable_name: str) -> EnvironmentVariable:
        """Delete an environment variable. Returns its `name` and the `value` it had. Raises NotFoundError."""
        call = Call("DELETE", self._url("environment-variables", environment_variable_name))
        return record(EnvironmentVariable, self._http.ask(call))

    # --- templates ---

    def list_pipeline_templates(self) -> list[PipelineTemplate]:
        """The templates that pipelines can be created from.

        Returns:
            Templates with `name`, `version`, `enabled`, `display_name`, `description`, `hosting_type` (self-hosted or
            private-api), `model_family`.

        Raises:
            SdkException.
        """
        answer = self._http.ask(Call("GET", self._url("pipeline-templates")))
        return records(PipelineTemplate, answer["pipeline_templates"])

    def get_pipeline_template(self, pipeline_template_name: str) -> PipelineTemplateDetails:
        """One template, with `inputs`, `outputs` and the mappings recommended for them.

        Raises NotFoundError, SdkException.
        """
        answer = self._http.ask(Call("GET", self._url("pipeline-templates", pipeline_template_name)))
        return record(PipelineTemplateDetails, answer)

    # --- project ---

    def get_project_information(self) -> ProjectInformation:
        """The settings of new pipelines where their `container_config` says nothing. Raises SdkException."""
        return record(ProjectInformation, self._http.ask(Call("GET", self._url("project-information"))))

    def update_project_information(self, **settings: Any) -> ProjectInformation:
        """Change settings of new pipelines. Those that are not named stay; pipelines that exist do not change.

        Args:
            settings: `language`, `repository_url`, `repository_branch`, `repository_deploy_key`, `requirements_path`,
                `included_folders`, `system_dependencies`, `ram_request`. None is the built-in default again.

        Returns:
            All settings now. Of the deploy key, only whether there is one.

        Raises:
            SdkException.
        """
        call = Call("PUT", self._url("project-information"), json=settings)
        return record(ProjectInformation, self._http.ask(call))

    def list_languages(self) -> list[str]:
        """What `container_config["language"]` may be, oldest first: `python:3.11-slim`. Raises SdkException."""
        known = self._http.ask(Call("GET", self._url("environment-info")))
        return [f"python:{tag}" for tag in known["supported_base_images"]["python"]]

    # --- users ---

    def who_am_i(self) -> User:
        """The user of the SDK token: `id`, `name`, `email`. Raises AuthenticationError, SdkException."""
        user = self._http.ask(Call("GET", self._control_url("users", "me")))
        return record(User, {key: user[key] for key in ("id", "name", "email") if key in user})

    def get_user(self, user_id: str) -> User:
        """A user by id, such as a `created_by`: `id`, `name`, `email`. Raises NotFoundError, SdkException."""
        return record(User, self._http.ask(Call("GET", self._control_url("users", user_id))))

    # --- vector database ---

    def get_vector_database_credentials(self) -> VectorDatabaseCredentials:
        """How to reach the vector database: `vector_database_url`, `vector_database_token`.

        Raises NotFoundError when the installation has none, SdkException.
        """
        environment = self._http.ask(Call("GET", self._url("environment-info"), authorization=None))
        url = self._control_url("environments", environment["environment_id"], "vector-database")
        return record(VectorDatabaseCredentials, self._http.ask(Call("GET", url)))

    def get_weaviate_client(self) -> weaviate.WeaviateClient:
        """A connected client of the vector database; close it after use.

        Raises ModuleNotFoundError without the package weaviate-client, NotFoundError, SdkException.
        """
        arguments = weaviate_arguments(self.get_vector_database_credentials())
        client: weaviate.WeaviateClient = import_weaviate().connect_to_custom(**arguments)
        return client

    def get_async_weaviate_client(self) -> weaviate.WeaviateAsyncClient:
        """An asynchronous client of the vector database, not connected yet: use it with `async with`.

        Raises ModuleNotFoundError without the package weaviate-client, NotFoundError, SdkException.
        """
        arguments = weaviate_arguments(self.get_vector_database_credentials())
        client: weaviate.WeaviateAsyncClient = import_weaviate().use_async_with_custom(**arguments)
        return client
