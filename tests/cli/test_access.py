"""Where the address and the token come from, which source wins, and that no token goes where it does not belong."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pipeyard.cli.access import find_access, profile_path
from pipeyard.errors import SettingsError
from pipeyard.wire import CONTROL_URL_VARIABLE, ENVIRONMENT_URL_VARIABLE, TOKEN_VARIABLE
from tests.cli.shells import Shell


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    return Sources(tmp_path, monkeypatch)


class Sources:
    """The four places, written by a test."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._home, self._monkeypatch = home, monkeypatch
        for name in [name for name in os.environ if name.startswith(("PIPEYARD_", "CRAFT_"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        monkeypatch.chdir(home)

    def profile(self, **values: str) -> None:
        self._write(profile_path(), values)

    def folder(self, **values: str) -> None:
        self._write(self._home / ".pipeyard" / "credentials.env", values)

    def variables(self, **values: str) -> None:
        for name, value in _named(values).items():
            self._monkeypatch.setenv(name, value)

    def found(self, **flags: str) -> tuple[str, str, str]:
        access = find_access(_named(flags))
        return access.environment_url, access.sdk_token, access.control_url

    def _write(self, place: Path, values: dict[str, str]) -> None:
        place.parent.mkdir(parents=True)
        place.write_text("".join(f"{name}={value}\n" for name, value in _named(values).items()))


def _named(values: dict[str, str]) -> dict[str, str]:
    names = {"url": ENVIRONMENT_URL_VARIABLE, "token": TOKEN_VARIABLE, "control": CONTROL_URL_VARIABLE}
    return {names[key]: value for key, value in values.items()}


def test_a_later_source_wins(sources: Sources) -> None:
    sources.profile(url="http://profile", token="of-profile", control="http://profile-control")
    assert sources.found() == ("http://profile", "of-profile", "http://profile-control")
    sources.folder(url="http://folder", token="of-folder", control="http://folder")
    assert sources.found() == ("http://folder", "of-folder", "http://folder")
    sources.variables(url="http://variable", token="of-variable")
    assert sources.found() == ("http://variable", "of-variable", "http://variable")
    assert sources.found(url="http://flag", token="of-flag") == ("http://flag", "of-flag", "http://flag")


def test_a_token_alone_goes_to_the_address_known_so_far(sources: Sources) -> None:
    sources.profile(url="http://profile", token="of-profile", control="http://profile-control")
    assert sources.found(token="other") == ("http://profile", "other", "http://profile-control")
    assert sources.found(url="http://profile/") == ("http://profile/", "of-profile", "http://profile-control")


def test_no_token_goes_to_another_address(sources: Sources) -> None:
    sources.profile(url="http://profile", token="of-profile", control="http://profile-control")
    with pytest.raises(SettingsError, match="no token for http://elsewhere"):
        sources.found(url="http://elsewhere")
    sources.variables(url="http://elsewhere")
    with pytest.raises(SettingsError, match="no token for http://elsewhere"):
        sources.found()


def test_the_data_folder_is_the_one_that_up_would_use(sources: Sources, tmp_path: Path) -> None:
    sources.folder(url="http://default", token="x")
    (tmp_path / "pipeyard.toml").write_text(f'data_dir = "{tmp_path}/chosen"\n')
    with pytest.raises(SettingsError, match="no platform is known"):
        sources.found()
    (tmp_path / "chosen").mkdir()
    (tmp_path / "chosen" / "credentials.env").write_text(f"{ENVIRONMENT_URL_VARIABLE}=http://c\n{TOKEN_VARIABLE}=y\n")
    assert sources.found() == ("http://c", "y", "http://c")


def test_login_remembers_what_the_platform_accepted(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = dict(shell.platform.credentials)
    for name in credentials:
        monkeypatch.delenv(name)
    done = shell("login", "--environment-url", shell.platform.url, "--token-stdin", stdin=credentials[TOKEN_VARIABLE])
    assert f"logged in to {shell.platform.url} as pipeyard" in done.out
    assert credentials[TOKEN_VARIABLE] not in done.out
    assert stat.S_IMODE(profile_path().stat().st_mode) == 0o600
    assert stat.S_IMODE(profile_path().parent.stat().st_mode) == 0o700
    shell("pipeline", "list")
    # A wrong token changes nothing.
    before = profile_path().read_text()
    shell("login", "--environment-url", shell.platform.url, "--token-stdin", stdin="wrong", status=1)
    assert profile_path().read_text() == before


def test_login_alone_finds_the_platform_of_this_machine(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in shell.platform.credentials:
        monkeypatch.delenv(name)
    (shell.home / ".pipeyard").symlink_to(shell.platform.data_dir)
    assert shell("login", "--json").json["environment_url"] == shell.platform.url
    (shell.home / ".pipeyard").unlink()
    shell("pipeline", "list")
