"""Training: a model of handwritten digits, and the images that it never saw."""

import joblib
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC


def fit(held_out_images):
    """A model of scikit-learn's bundled digits, and the images and digits kept from it."""
    images, digits = load_digits(return_X_y=True)
    seen_images, unseen_images, seen_digits, unseen_digits = train_test_split(
        images, digits, test_size=held_out_images, random_state=0, stratify=digits
    )
    return SVC(gamma=0.001).fit(seen_images, seen_digits), unseen_images, unseen_digits


def train(held_out_images: int):
    """Fit, judge by what was kept back, and give back all three."""
    model, images, digits = fit(held_out_images)
    accuracy = model.score(images, digits)
    print(f"trained: {accuracy:.1%} of {len(images)} unseen images right")
    joblib.dump(model, "model.joblib")
    return {
        "model": {"path": "model.joblib"},
        "accuracy": accuracy,
        "held_out": {"images": images.tolist(), "digits": digits.tolist()},
    }
