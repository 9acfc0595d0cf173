"""Prediction: the model is there before the first call, once for all calls of a low latency deployment."""

import time
from pathlib import Path

import joblib
from train import fit

PLACE = Path(__file__).with_name("model.joblib")
# Without a model beside this file one is trained while the pod starts, which takes a fraction of a second.
MODEL = joblib.load(PLACE) if PLACE.exists() else fit(held_out_images=360)[0]


def predict(images: list[list[float]]):
    """Tell which digits are on images.

    Args:
        images: Each a list of 64 grey values from 0 to 16, row by row.

    Returns:
        digits: One for each image.
        seconds: How long that took here.
    """
    start = time.perf_counter()
    digits = MODEL.predict(images).tolist()
    return {"digits": digits, "seconds": time.perf_counter() - start}
