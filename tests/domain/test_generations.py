"""Which answers the version in the header of the public client was made for."""

import pytest

from pipeyard.domain.generations import Generation, generation_of


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.46.0", Generation(True, True, True, False)),
        ("0.51.0", Generation(True, True, True, False)),
        ("0.52.0", Generation(True, True, False, False)),
        ("0.53.0", Generation(True, True, False, False)),
        ("0.54.0", Generation(True, False, False, False)),
        ("0.54.1", Generation(True, False, False, True)),
        ("0.55.2", Generation(True, False, False, True)),
        ("0.56.0", Generation(False, False, False, True)),
        ("0.74.7", Generation(False, False, False, True)),
        ("0.100.0", Generation(False, False, False, True)),
        ("1.0.0", Generation(False, False, False, True)),
    ],
)
def test_a_version_tells_what_its_client_reads(version, expected):
    assert generation_of(f"craft-ai-sdk@{version}") == expected


@pytest.mark.parametrize("version", ["0.51", "0.51.0rc1", "0.51.0.dev3+local"])
def test_a_version_may_be_longer_or_shorter(version):
    assert generation_of(f"craft-ai-sdk@{version}").reads_flat_pipelines


@pytest.mark.parametrize(
    "client",
    [
        None,
        "",
        "craft-ai-sdk",
        "craft-ai-sdk@",
        "craft-ai-sdk@x.y",
        "craft-ai-sdk@0",
        "craft-ai-sdk@-1.2.3",
        "craft-ai-sdk@0.51.0\n",
        "craft-ai-sdk@" + "9" * 5000 + ".1.0",
        "craft-ai-sdk@٠.٥١.٠",
        "pipeyard@0.1.0",
        "curl/8.0",
    ],
)
def test_whoever_is_not_understood_is_of_the_present(client):
    assert generation_of(client) == Generation()
