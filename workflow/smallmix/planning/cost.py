"""What a cell costs: steps, evaluations, floating-point operations, and bytes. No seconds, and seldom torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from smallmix.datasets.description import DatasetDescription
from smallmix.datasets.folder_layout import count_images
from smallmix.datasets.originals import LISTS
from smallmix.errors import ConfigurationError
from smallmix.science.network import NetworkCost
from smallmix.study.cell import Cell
from smallmix.study.known_datasets import KNOWN_DATASETS
from smallmix.study.own_images import OWN_IMAGES, own_images
from smallmix.study.study import Study
from smallmix.training.network_costs import network_cost

BYTES_A_HISTORY_ROW = 90
# As in science/evaluation.py, which loads torch: images a batch, and fewer of large images on a CPU.
EVALUATION_BATCH, LARGE_IMAGES_BATCH, LARGE_SIDE = 500, 250, 32


@dataclass(frozen=True)
class ImagesInNumbers:
    """The numbers that the cost depends on: side in pixels, channels, classes, and counts of images."""

    side: int
    channels: int
    classes: int
    train_count: int
    test_count: int

    @classmethod
    def of(cls, study: Study, description: DatasetDescription | None) -> ImagesInNumbers:
        """Return the numbers of the fetched data set, else those known of it (for a custom dataset, an assumption).

        Raises ConfigurationError for a data set that there is not.
        """
        if description is not None:
            height, _, channels = description.image_shape
            return cls(height, channels, len(description.classes), description.train_count, description.test_count)
        settings = study.configuration["dataset"]
        name = settings["name"]
        if name in KNOWN_DATASETS:
            known = KNOWN_DATASETS[name]
            return cls(known.image_size, known.channels, known.classes, known.train_count, known.test_count)
        custom = own_images(settings)
        if custom is None:
            names = ", ".join((*KNOWN_DATASETS, *OWN_IMAGES))
            raise ConfigurationError(f"dataset.name is {name!r}; it must be one of {names}")
        if name == "image-list":
            train, test = (_count_rows(custom["folder"], name) for name in LISTS)
            classes = 0
        else:
            train, test, classes = count_images(Path(str(custom["folder"])), custom["test_share"])
        channels = 3 if custom["color"] == "rgb" else 1
        return cls(custom["image_size"], channels, classes or 10, train or max(study.sizes), test or 10_000)


def _count_rows(folder: str | None, name: str) -> int:
    """Return how many images a list names, by its lines; 0 where it cannot be read. Fetching it reads it strictly."""
    try:
        with open(Path(folder or "") / name, "rb") as stream:
            return max(0, sum(not line.isspace() for line in stream) - 1)
    except OSError:
        return 0


def evaluations(cell: Cell) -> int:
    """Return the number of evaluations; the end counts even where it falls between two of them."""
    return cell.evaluation_moments.count


def training_flops(cell: Cell, images: ImagesInNumbers) -> int:
    """Return the operations of all training steps: three forward passes for each image seen."""
    return 3 * cell.images_seen * cost_of_network(cell, images).flops


def evaluation_flops(cell: Cell, images: ImagesInNumbers) -> int:
    """Return the operations of all evaluations on test, clean training and validation images."""
    evaluated = sum(_evaluated_at_once(cell, images))
    return evaluations(cell) * evaluated * cost_of_network(cell, images).flops


def _evaluated_at_once(cell: Cell, images: ImagesInNumbers) -> tuple[int, int, int]:
    """Return how many test, clean training and validation images are evaluated at each moment."""
    rule = cell.evaluation
    return images.test_count, min(cell.size, rule.clean_train_limit), rule.validation_images


def result_bytes(cell: Cell, images: ImagesInNumbers) -> int:
    """Return the bytes that a finished cell keeps: predictions and history, in the store and in the study's folder."""
    return 2 * (images.test_count * images.classes * 2 + evaluations(cell) * BYTES_A_HISTORY_ROW + 8_000)


def weights_bytes(cell: Cell, images: ImagesInNumbers) -> int:
    """Return the bytes of a cell's trained network (float32), in the store and in the study's folder.

    Running statistics and the file's header are left out: a thousandth of the article's network.
    """
    return 2 * 4 * cost_of_network(cell, images).parameters


def checkpoint_bytes(cell: Cell, images: ImagesInNumbers) -> int:
    """Return the bytes of a running cell's checkpoints: weights and momentum (float32) of newest, previous and next."""
    return 3 * 2 * 4 * cost_of_network(cell, images).parameters


def dataset_bytes(images: ImagesInNumbers) -> int:
    """Return the bytes of the data set's arrays."""
    return (images.train_count + images.test_count) * (images.side**2 * images.channels + 8)


def operations(cell: Cell, images: ImagesInNumbers) -> int:
    """Return the operations of a cell, training and evaluation."""
    return training_flops(cell, images) + evaluation_flops(cell, images)


@dataclass(frozen=True)
class CellWork:
    """What is left to do of one cell, in numbers that seconds follow from.

    `layer_steps` counts one for each layer of each step, `layer_evaluations` one for each layer and evaluated batch.
    """

    layer_steps: int
    training_flops: float
    layer_evaluations: int
    evaluation_flops: float

    @classmethod
    def of(cls, cell: Cell, images: ImagesInNumbers, done: int = 0) -> CellWork:
        """Return the work that is left after `done` iterations (those of a checkpoint)."""
        done = min(max(0, done), cell.iterations)
        steps = cell.iterations - done
        left = evaluations(cell) - len(cell.evaluation_moments.until(done))
        small = images.side < LARGE_SIDE
        batch = EVALUATION_BATCH if small else LARGE_IMAGES_BATCH
        counts = _evaluated_at_once(cell, images)
        layers = cost_of_network(cell, images).layers
        return cls(
            layers * steps,
            training_flops(cell, images) * steps / max(1, cell.iterations),
            layers * left * sum(math.ceil(count / batch) for count in counts),
            evaluation_flops(cell, images) * left / max(1, evaluations(cell)),
        )


def cost_of_network(cell: Cell, images: ImagesInNumbers) -> NetworkCost:
    """Return what the cell's network costs for such images. Raises ConfigurationError as `network_cost` does."""
    return network_cost(cell.model, images.side, images.channels, images.classes)
