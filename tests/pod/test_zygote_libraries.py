"""The large libraries work in workers that are forked from a zygote: `make libraries`."""

from __future__ import annotations

import asyncio
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pod.conftest import Pods

from pipeyard.runtimes.process import ProcessRuntime

LIBRARIES = os.environ.get("PIPEYARD_TEST_LIBRARIES", "")
pytestmark = pytest.mark.skipif(not LIBRARIES, reason="make libraries")

# Each computes with the threads of its library, and says True.
PROGRAMS = {
    "numpy": "a = numpy.ones((500, 500)); return bool((a @ a)[0, 0] == 500)",
    "scipy": """
        import scipy.linalg
        a = scipy.linalg.lu_factor(scipy.eye(300) if hasattr(scipy, "eye") else __import__("numpy").eye(300))
        return len(a) == 2
    """,
    "sklearn": """
        from sklearn.datasets import load_digits
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression
        x, y = load_digits(return_X_y=True)
        fitted = HistGradientBoostingClassifier(max_iter=3).fit(x, y), LogisticRegression(max_iter=20).fit(x / 16, y)
        return bool(min(one.score(x / 16 if one is fitted[1] else x, y) for one in fitted) > 0.8)
    """,
    "pandas": """
        frame = pandas.DataFrame({"a": [1, 2, 2], "b": [1.0, 2.0, 3.0]})
        return bool(frame.groupby("a").b.sum()[2] == 5.0)
    """,
    "torch": """
        layer = torch.nn.Linear(400, 400)
        loss = layer(torch.ones(400, 400)).sum()
        loss.backward()
        return bool(layer.weight.grad is not None)
    """,
    "lightgbm": """
        import numpy
        x = numpy.random.rand(500, 10)
        model = lightgbm.train({"verbose": -1}, lightgbm.Dataset(x, x[:, 0]), num_boost_round=5)
        return model.predict(x).shape == (500,)
    """,
    "xgboost": """
        import numpy
        x = numpy.random.rand(500, 10)
        model = xgboost.train({}, xgboost.DMatrix(x, x[:, 0]), num_boost_round=5)
        return model.predict(xgboost.DMatrix(x)).shape == (500,)
    """,
    "onnxruntime": """
        options = onnxruntime.SessionOptions()
        return "CPUExecutionProvider" in onnxruntime.get_available_providers() and options is not None
    """,
}


@pytest.fixture(scope="module")
def library_pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    folder = tmp_path_factory.mktemp("libraries")
    with asyncio.Runner() as runner:
        opened = Pods(
            runner, runner.run(ProcessRuntime.open(folder / "warm")), Path(LIBRARIES).absolute(), folder, warm=True
        )
        yield opened
        opened.close()


@pytest.mark.parametrize("library", PROGRAMS)
def test_it_works_in_two_workers_of_one_zygote(library_pods, library):
    body = textwrap.indent(textwrap.dedent(PROGRAMS[library]), "    ")
    code = f"""import {library}
def compute():
{body}
def f():
    return {{"works": compute(), "forked": "Seccomp:\\t2" in open("/proc/self/status").read()}}
"""
    for _ in range(2):
        finished = library_pods.elastic(code, outputs=(("works", "boolean"), ("forked", "boolean"))).run()
        assert finished.values == {"works": True, "forked": True}, finished.failure
