"""Training: a model of handwritten digits, and the images that it never saw."""

import joblib
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC


def train(held_out_images):
    """Fit on scikit-learn's bundled digits; keep some back to predict."""
    images, digits = load_digits(return_X_y=True)
    seen_images, unseen_images, seen_digits, unseen_digits = train_test_split(
        images, digits, test_size=held_out_images, random_state=0, stratify=digits
    )
    model = SVC(gamma=0.001).fit(seen_images, seen_digits)
    accuracy = model.score(unseen_images, unseen_digits)
    print(f"trained on {len(seen_images)} images, {accuracy:.1%} of {len(unseen_images)} unseen ones right")
    joblib.dump(model, "model.joblib")
    return {
        "model": {"path": "model.joblib"},
        "accuracy": accuracy,
        "held_out": {"images": unseen_images.tolist(), "digits": unseen_digits.tolist()},
    }
