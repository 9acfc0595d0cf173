"""A pipeline from a git repository is built at the commit of its creation, whatever happens to server and branch."""

from __future__ import annotations

from pathlib import Path

from craft_ai_sdk import Output

from tests.git_hosts import GitHost
from tests.platforms import Platform

MAIN = "def entry(): return {'said': '%s'}\n"


def test_the_commit_of_the_creation_is_built_after_a_kill(git_host: GitHost, tmp_path: Path) -> None:
    repository = git_host.repository("restarted.git", {"main.py": MAIN % "first"})
    first = repository.head
    (tmp_path / "hosts").write_text(git_host.known_hosts())
    platform = Platform(tmp_path, git_known_hosts_file=tmp_path / "hosts").start()
    try:
        config = {"repository_url": git_host.url("restarted.git"), "repository_deploy_key": git_host.key}
        platform.sdk.create_pipeline(
            "p",
            "main.py",
            "entry",
            container_config=config,
            outputs=[Output("said", "string")],
            wait_for_completion=False,
        )
        platform.kill()
        repository.commit({"main.py": MAIN % "second"})
        (tmp_path / "hosts").unlink()  # nothing is fetched again
        platform.start()
        created = platform.sdk.get_pipeline("p", wait_for_completion=True)
        assert created["creation_info"]["commit_id"] == first
        assert platform.sdk.run_pipeline("p")["outputs"] == {"said": "first"}
    finally:
        platform.stop()
    assert platform.processes() == []
