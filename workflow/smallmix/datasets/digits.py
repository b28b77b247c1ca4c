"""The digits dataset that scikit-learn carries: 1,797 real hand-written digits, 8 x 8 pixels, no download."""

from __future__ import annotations

import numpy as np

from smallmix.datasets.array_writing import DatasetArrays
from smallmix.errors import DatasetError
from smallmix.study.known_datasets import KNOWN_DATASETS

TRAIN_COUNT = 1297
TEST_COUNT = 500
DARKEST = 16


def digits_dataset() -> DatasetArrays:
    """Return the digits in scikit-learn's order: the first 1,297 for training, the last 500 for testing.

    Grey values 0 to 16 become round(value * 255 / 16); images are uint8 [N, 8, 8, 1]. Source: E. Alpaydin and C.
    Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998 (its test part).
    Raises DatasetError where the installed scikit-learn brings other images.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    values, labels = np.asarray(bunch.images), np.asarray(bunch.target).astype(np.int64)
    whole = values.shape == (TRAIN_COUNT + TEST_COUNT, 8, 8) and labels.shape == values.shape[:1]
    if not whole or values.min() < 0 or values.max() > DARKEST or set(labels.tolist()) != set(range(10)):
        raise DatasetError(
            "the digits of the installed scikit-learn are not the 1,797 images of 8 x 8 that are expected. "
            "Install the version that envs/lock.txt names, then run again."
        )
    images = np.rint(values * 255 / DARKEST).astype(np.uint8)[..., np.newaxis]
    return DatasetArrays(
        train_images=images[:TRAIN_COUNT],
        train_labels=labels[:TRAIN_COUNT],
        test_images=images[-TEST_COUNT:],
        test_labels=labels[-TEST_COUNT:],
        classes=tuple(str(digit) for digit in range(10)),
        name="digits",
        identifier="digits",
        title=KNOWN_DATASETS["digits"].title,
        source={
            "package": "scikit-learn",
            "origin": "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI, 1998",
            "split": f"first {TRAIN_COUNT} images for training, last {TEST_COUNT} for testing",
        },
    )
