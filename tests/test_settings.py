"""Settings are checked when they are read: the start ends with one line that names what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeyard.errors import SettingsError
from pipeyard.settings import Settings, load_settings


@pytest.mark.parametrize("url", ["https://vectors.example.org", "http://10.0.0.7", "https://localhost/"])
def test_a_vector_database_is_named_by_its_host_alone(url: str) -> None:
    assert load_settings({}, {"PIPEYARD_VECTOR_DATABASE_URL": url}).vector_database_url == url


@pytest.mark.parametrize(
    "url",
    [
        "vectors",
        "https://v:8080",
        "https://v/path",
        "https://v?x",
        "https://u:p@v",
        "ftp://v",
        "https://",
        "https://v\n",
    ],
)
def test_any_other_address_of_a_vector_database_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"vector_database_url.*without port and path"):
        Settings(vector_database_url=url)


def test_a_secret_setting_is_not_shown_with_the_others() -> None:
    assert "sesame" not in repr(Settings(vector_database_token="sesame"))


def test_paths_may_begin_with_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = load_settings({}, {"PIPEYARD_GIT_KNOWN_HOSTS_FILE": "~/hosts", "PIPEYARD_TEMPLATES_DIR": "~/templates"})
    assert settings.known_hosts_file == tmp_path / "hosts"
    assert settings.template_folders == [tmp_path / "templates"]
    assert load_settings({}, {}).known_hosts_file == tmp_path / ".pipeyard" / "known_hosts"
    assert load_settings({}, {}).template_folders == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("git_timeout_s", "0"),
        ("git_timeout_s", "-1"),
        ("git_timeout_s", "soon"),
        ("git_timeout_s", "inf"),
        ("port", "65536"),
        ("port", "-1"),
        ("isolation_minimum", "none"),
        ("access_token_ttl_s", "120"),
        ("signed_url_ttl_s", "604801"),
        ("archive_max_bytes", "0"),
        ("stop_grace_s", "-0.5"),
        ("stop_grace_s", "nan"),
        ("resource_keep_days", "3651"),
        ("data_store_url", "s3://B"),
    ],
)
def test_a_value_that_is_not_usable_names_the_setting_and_what_is_allowed(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}: .* is not usable; allowed: \w"):
        load_settings({}, {f"PIPEYARD_{name.upper()}": value})


@pytest.mark.parametrize(
    ("text", "meant"), [("true", True), ("True", True), ("1", True), ("false", False), ("0", False)]
)
def test_a_flag_is_true_or_false(text: str, meant: bool) -> None:
    assert load_settings({}, {"PIPEYARD_ACCESS_LOG": text}).access_log is meant
    with pytest.raises(SettingsError, match="access_log: 'maybe' is not usable; allowed: true, false"):
        load_settings({}, {"PIPEYARD_ACCESS_LOG": "maybe"})


def test_every_default_is_usable() -> None:
    assert Settings()
