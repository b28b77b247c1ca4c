"""The metrics that a configuration names by a word, computed by scikit-learn.

Each takes logits float32 [N, classes] and labels int64 [N] of the test images, as a user's function does.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from smallmix.errors import ConfigurationError

Metric = Callable[[NDArray[np.float32], NDArray[np.int64]], float]


def balanced_accuracy(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the mean over the classes of the test images of the accuracy on each (Brodersen et al. 2010)."""
    from sklearn.metrics import balanced_accuracy_score

    with warnings.catch_warnings():  # of predicted classes without test images, which count for nothing
        warnings.simplefilter("ignore", UserWarning)
        return float(balanced_accuracy_score(labels, logits.argmax(axis=1)))


def macro_f1(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the mean over classes of the F1 score, 2 P R / (P + R) of precision P and recall R.

    A class that is never right has the score 0. A class without test images counts where it is predicted.
    """
    from sklearn.metrics import f1_score

    return float(f1_score(labels, logits.argmax(axis=1), average="macro", zero_division=0.0))


def top_5(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the share of images whose class has one of the five largest logits (Russakovsky et al. 2015).

    Raises ConfigurationError for five classes or fewer, where every image would count.
    """
    from sklearn.metrics import top_k_accuracy_score

    classes = logits.shape[1]
    if classes <= 5:
        raise ConfigurationError(
            f"metrics: top-5 says nothing of {classes} classes, where it counts every image. Take it out."
        )
    return float(top_k_accuracy_score(labels, logits, k=5, labels=np.arange(classes)))


READY: Mapping[str, Metric] = {"balanced-accuracy": balanced_accuracy, "macro-f1": macro_f1, "top-5": top_5}
