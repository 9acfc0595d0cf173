"""The pod program runs on every interpreter that a pipeline may ask for."""

import asyncio
import os
import subprocess

import pytest
from uv import find_uv_bin

from pipeyard.images.interpreters import Interpreters
from pipeyard.images.uv import Uv

UV = Uv(find_uv_bin(), os.environ)
# Those that the platform itself would offer on this machine: at least the one that runs the tests.
PYTHONS = [str(found.path) for found in asyncio.run(Interpreters(UV.program, UV.environment).by_language()).values()]
CODE = """
    import asyncio, sys, threading
    print("imported")
    async def g():
        await asyncio.sleep(0)
        return sys.version_info[:2]
    def f():
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
        return {"version": list(asyncio.run(g()))}
"""


@pytest.mark.parametrize("python", PYTHONS)
def test_each_mode_works(pods, tmp_path, python):
    image = tmp_path / "image"
    subprocess.run([python, "-m", "venv", "--without-pip", image], check=True)
    said = subprocess.run([python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, check=True)
    version = [int(part) for part in said.stdout.split()]
    for start in (pods.elastic, pods.open, pods.parallel):
        connection = start(CODE, image=image, outputs=(("version", "array"),))
        result = connection.run()
        assert result.values == {"version": version}, connection.log("x", "stderr")
        assert "from a thread\n" in connection.log()
        connection.close()
    coroutine = CODE.replace("def f()", "def unused()").replace("async def g()", "async def f()")
    coroutine = coroutine.replace("return sys.version_info[:2]", "return {'version': list(sys.version_info[:2])}")
    for start in (pods.elastic, pods.open, pods.parallel):
        connection = start(coroutine, image=image, outputs=(("version", "array"),))
        assert connection.run().values == {"version": version}, connection.log("x", "stderr")
