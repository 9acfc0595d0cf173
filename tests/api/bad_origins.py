"""Bad requests about where a pipeline comes from: git repositories, project settings, templates."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from tests.api.bad_requests import API, Bad, World, case

_KEY = Ed25519PrivateKey.generate()
GOOD_KEY = _KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
LOCKED_KEY = _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame")).decode()
URL, BRANCH, KEY = (f"container_config.repository_{name}" for name in ("url", "branch", "deploy_key"))
NOBODY = "ssh://git@127.0.0.1:1/team/code.git"  # no host listens on the port 1
_URLS = "git@host:path"


def clone(w: World, url: str | None = NOBODY, **config: str) -> Bad:
    """A creation from a repository."""
    fields = {"pipeline_name": "never", "function_path": "main.py", "function_name": "main"}
    given = {"repository_url": url} | config
    form = fields | {f"container_config[{key}]": value for key, value in given.items() if value is not None}
    return Bad("POST", f"{API}/pipelines", {"data": form})


def settings(**fields: Any) -> Bad:
    """A change of the project settings."""
    return Bad("PUT", f"{API}/project-information", {"json": fields})


def template(**fields: Any) -> Bad:
    """A creation from a template."""
    return Bad("POST", f"{API}/pipelines", {"json": fields})


def from_pod(w: World, bad: Bad) -> Bad:
    """The same, from the code of an execution."""
    return Bad(bad.method, bad.path, bad.options, f"Bearer {w.pod_token(w.environment_id())}")


URLS = [
    case("a repository on the server's disk", lambda w: clone(w, "/srv/git/code.git"), 400, URL, "a path", _URLS),
    case("a repository beside the server", lambda w: clone(w, "../code"), 400, URL, "a path", _URLS),
    case("a repository by file://", lambda w: clone(w, "file:///srv/git/code.git"), 400, URL, "a path", _URLS),
    case("a repository by plain HTTP", lambda w: clone(w, "http://example.org/x.git"), 400, URL, "'http'", "https://"),
    case("a repository by the protocol git", lambda w: clone(w, "git://example.org/x.git"), 400, URL, "'git'"),
    case("a repository by a helper of git", lambda w: clone(w, "ext::sh -c touch% x"), 400, URL, _URLS),
    case("a repository that is an option", lambda w: clone(w, "--upload-pack=touch x"), 400, URL, _URLS),
    case("a host that is an option of ssh", lambda w: clone(w, "git@-oProxyCommand=x:code"), 400, URL, _URLS),
    case("a path that is an option", lambda w: clone(w, "ssh://git@example.org/-x"), 400, URL, _URLS),
    case("a url with a password", lambda w: clone(w, "https://ada:sesame@example.org/x"), 400, URL, "credentials"),
    case("a url with a token", lambda w: clone(w, "https://sesame@example.org/x"), 400, URL, "credentials"),
    case("an SSH url without a user", lambda w: clone(w, "ssh://example.org/x"), 400, URL, "ssh://git@host:port/path"),
    case("an SSH url with a port that is none", lambda w: clone(w, "ssh://git@example.org:99999/x"), 400, URL, _URLS),
    case("a url with a query", lambda w: clone(w, "https://example.org/x?y=z"), 400, URL, _URLS),
    case("a url of two lines", lambda w: clone(w, "git@example.org:x\ny"), 400, URL, "one line"),
    case("a url of 2,001 characters", lambda w: clone(w, "git@example.org:" + "x" * 2_000), 400, URL, "one line"),
    case("a list of urls", lambda w: clone(w, None, **{"repository_url][0": NOBODY}), 400, URL, "must be text"),
    case("an empty url", lambda w: clone(w, ""), 400, URL, "is missing", "local_folder"),
    case("a repository beside an archive", lambda w: w.create(container_config__repository_url=NOBODY), 400,
         URL, "cannot be combined"),
    case("a host that nobody answers at", clone, 400, URL, "cannot be reached"),
    case("a host that has no address", lambda w: clone(w, "git@nowhere.invalid:code.git"), 400, URL, "reached"),
]  # fmt: skip

BRANCHES_AND_KEYS = [
    case("a branch that is an option", lambda w: clone(w, repository_branch="--upload-pack=x"), 400, BRANCH),
    case("a branch with two dots", lambda w: clone(w, repository_branch="a..b"), 400, BRANCH, "as git allows it"),
    case("a branch with a colon", lambda w: clone(w, repository_branch="main:main"), 400, BRANCH, "as git allows it"),
    case("a branch with a star", lambda w: clone(w, repository_branch="*"), 400, BRANCH, "as git allows it"),
    case("a branch of two lines", lambda w: clone(w, repository_branch="a\nb"), 400, BRANCH, "one line"),
    case("a deploy key that is rubbish", lambda w: clone(w, repository_deploy_key="rub\nbish"), 400, KEY,
         "is not a private key", "PEM or OpenSSH"),
    case("a deploy key on one line", lambda w: clone(w, repository_deploy_key=GOOD_KEY.replace("\n", "\\n")), 400,
         KEY, "no line breaks"),
    case("a deploy key without its end", lambda w: clone(w, repository_deploy_key=GOOD_KEY[:-40]), 400, KEY,
         "is not a private key"),
    case("a deploy key that is damaged", lambda w: clone(w, repository_deploy_key=GOOD_KEY.replace("b3Blb", "b3Bla")),
         400, KEY, "is damaged"),
    case("a deploy key with a passphrase", lambda w: clone(w, repository_deploy_key=LOCKED_KEY), 400, KEY,
         "passphrase"),
    case("a public key", lambda w: clone(w, repository_deploy_key="ssh-ed25519 AAAAC3Nz ada"), 400, KEY, "public key"),
    case("a deploy key of 30,000 characters", lambda w: clone(w, repository_deploy_key=GOOD_KEY + "x" * 30_000), 400,
         KEY, "is not a private key"),
    case("a folder out of the repository", lambda w: clone(w, **{"included_folders][0": "../x"}), 400,
         "container_config.included_folders[0]", '".."'),
]  # fmt: skip

SETTINGS = [
    case("no settings", lambda w: settings(), 400, "body", "names no setting", "included_folders"),
    case("settings that are a list", lambda w: Bad("PUT", f"{API}/project-information", {"json": ["/src"]}), 400,
         "body", "object"),
    case("settings that are no JSON", lambda w: Bad("PUT", f"{API}/project-information", {"content": b"{"}), 400,
         "body", "JSON"),
    case("a setting with a typing error", lambda w: settings(include_folders=["/"]), 400, "include_folders",
         "included_folders"),
    case("a local folder as a setting", lambda w: settings(local_folder="/x"), 400, "local_folder"),
    case("a Dockerfile as a setting", lambda w: settings(dockerfile_path="Dockerfile"), 400, "dockerfile_path"),
    case("a right setting beside a wrong one", lambda w: settings(requirements_path="r.txt", language="ruby"), 400,
         "language", "python:3.X-slim"),
    case("a language that is a number", lambda w: settings(language=3.11), 400, "language", "text"),
    case("folders that are text", lambda w: settings(included_folders="/src"), 400, "included_folders", "list"),
    case("folders out of the code", lambda w: settings(included_folders=["../x"]), 400, "included_folders[0]"),
    case("requirements that are a list", lambda w: settings(requirements_path=["r.txt"]), 400, "requirements_path"),
    case("system packages with a version", lambda w: settings(system_dependencies=["git=2"]), 400,
         "system_dependencies[0]"),
    case("a path as the project's repository", lambda w: settings(repository_url="/srv/x"), 400, "repository_url"),
    case("an empty url of the project", lambda w: settings(repository_url=""), 400, "repository_url", "one line"),
    case("an option as the project's branch", lambda w: settings(repository_branch="-x"), 400, "repository_branch"),
    case("a wrong key of the project", lambda w: settings(repository_deploy_key="x"), 400, "repository_deploy_key"),
    case("a key of the project that is an object", lambda w: settings(repository_deploy_key={}), 400,
         "repository_deploy_key", "text"),
    case("settings from a pod", lambda w: from_pod(w, settings(language=None)), 403, "not for the code in a pod"),
    case("settings without a token", lambda w: Bad(
        "PUT", f"{API}/project-information", {"json": {"language": None}}, None), 401, "access token"),
]  # fmt: skip

TEMPLATES = [
    case("a template that does not exist to be read", lambda w: Bad("GET", f"{API}/pipeline-templates/nope"), 404,
         'no pipeline template named "nope"'),
    case("a template without a name", lambda w: template(pipeline_name="never"), 400, "pipeline_template_name",
         "is missing"),
    case("a template with an empty name", lambda w: template(pipeline_name="never", pipeline_template_name=""), 404,
         "no pipeline template"),
    case("a template whose name is a number", lambda w: template(pipeline_name="never", pipeline_template_name=7), 400,
         "pipeline_template_name", "text"),
    case("a pipeline of a template without a name", lambda w: template(pipeline_template_name="text-classifier"), 400,
         "pipeline_name", "missing"),
    case("a pipeline of a template with a wrong name", lambda w: template(
        pipeline_name="a/b", pipeline_template_name="text-classifier"), 400, "pipeline_name", "is not a name"),
    case("a pipeline of a template whose name is taken", lambda w: template(
        pipeline_name=w.pipeline, pipeline_template_name="text-classifier"), 409, "exists already"),
    case("a template with a function beside it", lambda w: template(
        pipeline_name="never", pipeline_template_name="text-classifier", function_path="main.py"), 400,
        "function_path", "pipeline_template_name"),
    case("a template in a form", lambda w: Bad("POST", f"{API}/pipelines", {
        "data": {"pipeline_name": "never", "pipeline_template_name": "text-classifier"}}), 400,
        "pipeline_template_name", "JSON"),
    case("a list of templates", lambda w: Bad("POST", f"{API}/pipelines", {"json": [1]}), 400, "body", "object"),
    case("a template from a pod", lambda w: from_pod(w, template(
        pipeline_name="never", pipeline_template_name="text-classifier")), 403, "not for the code in a pod"),
    case("the templates without a token", lambda w: Bad("GET", f"{API}/pipeline-templates", {}, None), 401, "token"),
]  # fmt: skip

CASES = [*URLS, *BRANCHES_AND_KEYS, *SETTINGS, *TEMPLATES]
