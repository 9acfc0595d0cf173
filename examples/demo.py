"""The demo: train a classifier of handwritten digits, deploy it in both modes, call it. `make demo` runs it.

It starts a platform in a temporary folder and drives it with the public client, as a data scientist would.
With KEEP=1 the platform keeps running until Ctrl-C.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from craft_ai_sdk import CraftAiSdk, Input, Output

CODE = Path(__file__).with_name("digits")
CALLS = 7
SHOWN = 12


def main() -> int:
    """Run the demo. The exit status: 0 when every call was answered and most digits are right."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` ends the platform then too
    folder = Path(tempfile.mkdtemp(prefix="pipeyard-demo-"))
    server = start_server(folder / "data")
    try:
        return run_demo(connect(folder / "data"), folder)
    except KeyboardInterrupt:
        return 130
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def start_server(data_dir: Path) -> subprocess.Popen[str]:
    """`pipeyard up` on any free port; returns once it serves."""
    pipeyard = Path(sys.executable).with_name("pipeyard")
    server = subprocess.Popen(
        [pipeyard, "up", "--data-dir", data_dir, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert server.stdout is not None
    for line in server.stdout:
        print(line, end="")
        if "isolation" in line:
            return server
    raise SystemExit("the platform did not start; its reason is above")


def connect(data_dir: Path) -> CraftAiSdk:
    """The public client with the credentials that the first start wrote."""
    lines = (data_dir / "credentials.env").read_text().splitlines()
    os.environ.update(line.split("=", 1) for line in lines)
    return CraftAiSdk(verbose_log=False)


def run_demo(sdk: CraftAiSdk, folder: Path) -> int:
    """Train, deploy, call, compare."""
    print("\n1. Training pipeline: creating it installs scikit-learn, which takes a moment the first time")
    trained = train(sdk)
    images, truth = trained["held_out"]["images"], trained["held_out"]["digits"]
    print(f"   accuracy on unseen images: {trained['accuracy']:.1%}")

    print("\n2. Prediction pipeline, with the trained model beside its code")
    create_prediction(sdk, trained["model"], folder)
    deployments = [deploy(sdk, "digits-elastic", "elastic"), deploy(sdk, "digits-low-latency", "low_latency")]

    print("\n3. Calls")
    right = [call_and_compare(deployment, images, truth) for deployment in deployments]
    show_next_steps(deployments[-1], images[0])
    if os.environ.get("KEEP"):
        print("\nKEEP=1: the platform keeps running. Ctrl-C ends it.", flush=True)
        signal.pause()
    return 0 if min(right) >= 0.9 * CALLS * SHOWN else 1


def train(sdk: CraftAiSdk) -> dict[str, Any]:
    """Create the training pipeline and run it once."""
    sdk.create_pipeline(
        "digits-train",
        "train.py",
        "train",
        container_config={"local_folder": str(CODE), "requirements_path": "requirements.txt"},
        inputs=[Input("held_out_images", "number", is_required=True)],
        outputs=[Output("model", "file"), Output("accuracy", "number"), Output("held_out", "json")],
    )
    outputs: dict[str, Any] = sdk.run_pipeline("digits-train", {"held_out_images": CALLS * SHOWN})["outputs"]
    return outputs


def create_prediction(sdk: CraftAiSdk, model: bytes, folder: Path) -> None:
    """The model travels as a file of the pipeline's folder."""
    code = folder / "code"
    shutil.copytree(CODE, code)
    (code / "model.joblib").write_bytes(model)
    sdk.create_pipeline(
        "digits-predict",
        "predict.py",
        "predict",
        container_config={"local_folder": str(code), "requirements_path": "requirements.txt"},
        inputs=[Input("images", "array", is_required=True)],
        outputs=[Output("digits", "array"), Output("seconds", "number")],
    )


def deploy(sdk: CraftAiSdk, name: str, mode: str) -> dict[str, Any]:
    """An endpoint whose inputs and outputs are mapped automatically."""
    start = time.perf_counter()
    deployment: dict[str, Any] = sdk.create_deployment("digits-predict", name, "endpoint", mode)
    print(f"   {name}: {deployment['status']} after {time.perf_counter() - start:.2f} s")
    deployment["url"] = f"{os.environ['CRAFT_AI_ENVIRONMENT_URL']}/endpoints/{deployment['endpoint_url_path']}"
    return deployment


def call_and_compare(deployment: dict[str, Any], images: list[Any], truth: list[int]) -> int:
    """Call the endpoint over plain HTTP; print predictions, truth and the platform's share of the time."""
    overheads, right = [], 0
    headers = {"Authorization": f"EndpointToken {deployment['endpoint_token']}"}
    with httpx.Client(headers=headers, timeout=60) as client:
        for call in range(CALLS):
            part = slice(call * SHOWN, (call + 1) * SHOWN)
            start = time.perf_counter()
            answer = client.post(deployment["url"], json={"images": images[part]})
            elapsed_s = time.perf_counter() - start
            outputs = answer.raise_for_status().json()["outputs"]
            overheads.append(1000 * (elapsed_s - outputs["seconds"]))
            right += sum(map(int.__eq__, outputs["digits"], truth[part]))
    print(f"   {deployment['name']}")
    print(f"     predicted {' '.join(map(str, outputs['digits']))}")
    print(f"     truth     {' '.join(map(str, truth[part]))}")
    print(f"     {right} of {CALLS * SHOWN} right; overhead per call: median {statistics.median(overheads):.1f} ms")
    return right


def show_next_steps(deployment: dict[str, Any], image: list[float]) -> None:
    """What to try by hand."""
    body = json.dumps({"images": [[int(grey) for grey in image]]})
    print("\n4. The same by curl")
    print(f"   curl -H 'Authorization: EndpointToken {deployment['endpoint_token']}' \\")
    print(f"        -H 'Content-Type: application/json' -d '{body}' \\")
    print(f"        {deployment['url']}")
    print(f"\n   API: {os.environ['CRAFT_AI_ENVIRONMENT_URL']}/api/docs")


if __name__ == "__main__":
    sys.exit(main())
