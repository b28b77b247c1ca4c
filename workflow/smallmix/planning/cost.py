"""What a cell costs: floating-point operations and bytes, from its value alone. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from smallmix.datasets.description import DatasetDescription
from smallmix.science.network import forward_flops, parameter_count
from smallmix.study.cell import Cell
from smallmix.study.study import Study

BYTES_A_HISTORY_ROW = 90


@dataclass(frozen=True)
class ImagesInNumbers:
    """What the cost depends on: side in pixels, channels, classes, and the numbers of images."""

    side: int
    channels: int
    classes: int
    train_count: int
    test_count: int

    @classmethod
    def of(cls, study: Study, description: DatasetDescription | None) -> ImagesInNumbers:
        """From the fetched data set, else from what is known of it (of one's own images: an assumption)."""
        if description is not None:
            height, _, channels = description.image_shape
            return cls(height, channels, len(description.classes), description.train_count, description.test_count)
        settings = study.configuration["dataset"]
        if settings["name"] == "digits":
            return cls(8, 1, 10, 1297, 500)
        if settings["name"] == "cifar10":
            return cls(32, 3, 10, 50_000, 10_000)
        own = settings["image-list"]
        return cls(own["image_size"], 3 if own["color"] == "rgb" else 1, 10, max(study.sizes), 10_000)


def evaluations(cell: Cell) -> int:
    """How often the test images are read; the end counts even where it falls between two readings."""
    return cell.reading_moments.count


def training_flops(cell: Cell, images: ImagesInNumbers) -> int:
    """Operations of all training steps: three forward passes for each image seen."""
    return 3 * cell.images_seen * forward_flops(cell.model, images.side, images.channels, images.classes)


def evaluation_flops(cell: Cell, images: ImagesInNumbers) -> int:
    """Operations of all readings of the test images and of the clean training images."""
    read = images.test_count + min(cell.size, cell.evaluation.clean_train_limit)
    return evaluations(cell) * read * forward_flops(cell.model, images.side, images.channels, images.classes)


def result_bytes(cell: Cell, images: ImagesInNumbers) -> int:
    """Bytes that a finished cell keeps: predictions and history, in the store and in the study's folder."""
    return 2 * (images.test_count * images.classes * 2 + evaluations(cell) * BYTES_A_HISTORY_ROW + 8_000)


def checkpoint_bytes(cell: Cell, images: ImagesInNumbers) -> int:
    """Bytes of a running cell's checkpoints: weights and momentum in float32, the newest, the previous, the next."""
    return 3 * 2 * 4 * parameter_count(cell.model, images.channels, images.classes)


def dataset_bytes(images: ImagesInNumbers) -> int:
    """Bytes of the data set's arrays."""
    return (images.train_count + images.test_count) * (images.side**2 * images.channels + 8)
