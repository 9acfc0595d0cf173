"""A pod sees the GPUs that are its own. The machines of the tests have none: other device files stand in for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Pods
from pipeyard.domain.pods import IsolationLevel
from pipeyard.runtimes.process import PodOptions, ProcessRuntime

SEEN = """
    import os
    def f():
        names = ("/dev/kmsg", "/dev/rtc0", "/dev/hwrng", "/dev/nvram", "/dev/mem", "/dev/port")
        return {"chosen": os.environ["CUDA_VISIBLE_DEVICES"], "devices": [n for n in names if os.path.exists(n)]}
"""
OUTPUTS = (("chosen", "string"), ("devices", "array"))
DEVICES = [name for name in ("/dev/kmsg", "/dev/rtc0", "/dev/hwrng", "/dev/nvram", "/dev/mem") if Path(name).exists()]


@pytest.fixture
def gpu_pods(tmp_path: Path, image: Path) -> Iterator[Pods]:
    """On a machine with two GPUs."""
    if len(DEVICES) < 2:
        pytest.skip("this machine has no two device files that no pod sees")
    options = PodOptions(gpu_devices={"GPU-a": DEVICES[0], "GPU-b": DEVICES[1]})
    with asyncio.Runner() as runner:
        opened = Pods(runner, runner.run(ProcessRuntime.open(tmp_path / "data", options)), image, tmp_path)
        yield opened
        opened.close()


def test_a_pod_sees_its_own_gpu_alone_whatever_its_variables_say(gpu_pods: Pods) -> None:
    if gpu_pods.runtime.isolation is not IsolationLevel.NAMESPACES:
        pytest.skip("without namespaces the device files of all GPUs can be seen")
    variables = {"CUDA_VISIBLE_DEVICES": "0,1"}
    ref, connection = gpu_pods.start(SEEN, gpu_request=1, gpus=("GPU-b",), outputs=OUTPUTS, variables=variables)
    assert connection.run().values == {"chosen": "GPU-b", "devices": [DEVICES[1]]}
    assert gpu_pods.runner.run(gpu_pods.runtime.list()) == [ref]
    assert ref.gpus == ("GPU-b",)


def test_a_pod_that_asked_for_none_sees_none(gpu_pods: Pods) -> None:
    assert gpu_pods.open(SEEN, outputs=OUTPUTS).run().values["chosen"] == ""


def test_what_a_pod_has_for_itself_is_known_of_its_ref(pods: Pods) -> None:
    ref, _ = pods.start(SEEN, ram_request_bytes=64 << 20, is_ram_reserved=True, outputs=OUTPUTS)
    limited, _ = pods.start(SEEN, ram_request_bytes=64 << 20, outputs=OUTPUTS)
    assert (ref.ram_bytes, limited.ram_bytes) == (64 << 20, 0)
    assert set(pods.runner.run(pods.runtime.list())) == {ref, limited}
