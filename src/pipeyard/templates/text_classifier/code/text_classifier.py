"""Sorts texts into categories that are learnt from examples."""

import functools
import json

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union


def classify(examples, texts):
    """The most probable category of each text."""
    check_texts("texts", texts)
    check_examples(examples)
    classifier = train(json.dumps(examples, sort_keys=True))
    labels = [str(label) for label in classifier.classes_]
    rows = classifier.predict_proba(texts).tolist() if texts else []
    return {"predictions": [describe(dict(zip(labels, row, strict=True))) for row in rows]}


@functools.lru_cache(maxsize=8)
def train(examples_json):
    """A classifier for these examples; in low latency mode it is kept between calls."""
    examples = json.loads(examples_json)
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
    # Parts of words too: endings, misspellings, languages that write without spaces.
    parts = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 4))
    classifier = make_pipeline(make_union(words, parts), LogisticRegression(C=10, max_iter=1000))
    return classifier.fit([example["text"] for example in examples], [example["label"] for example in examples])


def describe(probabilities):
    """One prediction, with probabilities of four digits."""
    label = max(probabilities, key=probabilities.get)
    rounded = {name: round(probability, 4) for name, probability in probabilities.items()}
    return {"label": label, "probability": rounded[label], "probabilities": rounded}


def check_examples(examples):
    """Raises ValueError."""
    for index, example in enumerate(examples):
        if not isinstance(example, dict) or not all(isinstance(example.get(key), str) for key in ("text", "label")):
            raise ValueError(f'examples[{index}] must be an object with the texts "text" and "label"')
    categories = {example["label"] for example in examples}
    if len(categories) < 2:
        raise ValueError(f"examples have {len(categories)} category, at least two are needed")


def check_texts(name, texts):
    """Raises ValueError."""
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"{name}[{index}] must be text, got {type(text).__name__}")
