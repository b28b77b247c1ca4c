"""Try the user's metrics before anything is trained: on logits and labels that are drawn, like those of a network.

A metric is computed after the training, so that a fault in it would be seen hours later.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from smallmix.errors import SmallmixError
from smallmix.own_code import names_own_code, own_file
from smallmix.statistics.own_metrics import compute_metric, find_metric, require_equal
from smallmix.study.study import Study

MOST_LOGITS = 2_000_000  # 8 MB; of more test images fewer are drawn
RIGHT = 2.0  # what the logit of an image's own class has on top: about half of the images are right


def find_metric_faults(study: Study, files: Iterable[str], images: int, classes: int) -> list[str]:
    """Return what is wrong with the metrics that lie in some of the user's files, each fault once.

    Each gets drawn logits of so many test images and classes, twice, and must return the same finite number.
    """
    wanted = set(files)
    own = {name: named for name, named in study.metrics.items() if names_own_code(named) and own_file(named) in wanted}
    logits, labels = drawn_predictions(images, classes)
    given = f"drawn logits of {len(labels):,} images and {classes} classes"
    faults = []
    for name, named in own.items():
        try:
            metric = find_metric(name, named)
            require_equal(metric, logits, labels, given, compute_metric(metric, logits, labels, given))
        except SmallmixError as error:
            faults.append(str(error))
    return list(dict.fromkeys(faults))


def drawn_predictions(images: int, classes: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return logits float32 [images, classes] and labels int64 [images], the same every time.

    Every class has images as far as they reach. Some images are right and some wrong, with large and small
    probabilities. Logits are rounded as predictions.npz rounds them.
    """
    count = max(min(images, MOST_LOGITS // classes), classes, 2)
    generator = np.random.Generator(np.random.PCG64(0))
    labels = generator.permutation(np.arange(count, dtype=np.int64) % classes)
    logits = 2 * generator.standard_normal((count, classes))
    logits[np.arange(count), labels] += RIGHT
    return logits.astype(np.float16).astype(np.float32), labels
