"""An S3 on loopback, in a process of its own, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import botocore.session

BUCKET = "pipeyard-tests"
_REGION = "eu-west-3"
_PROGRAM = """
import signal, sys
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
print(server.port, flush=True)
server.serve_forever()
"""


@contextmanager
def running_s3() -> Iterator[dict[str, str]]:
    """moto's server with one bucket; the variables by which clients find it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"S3_UPLOAD_PART_MIN_SIZE": "1"},  # parts of a few bytes are enough for tests
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        variables = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "not a secret",
            "AWS_REGION": _REGION,
            "AWS_DEFAULT_REGION": _REGION,
        }
        _create_bucket(variables)
        yield variables
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def _create_bucket(variables: dict[str, str]) -> None:
    client = botocore.session.get_session().create_client(
        "s3",
        region_name=_REGION,
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": _REGION})
    client.close()
