"""What a cell costs: floating-point operations, bytes, and seconds. No torch.

Seconds are one estimate for a run's first line and for the plan. Where nothing was measured, speeds are assumed: a step
costs a fixed time for each layer, however small the network is, and its operations beyond that. `plan` measures steps
here and notes by which factor they differ from the assumption. Later estimates for the same network use that note, so
the two never contradict each other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import socket
from dataclasses import dataclass
from pathlib import Path

from smallmix import atomic_files
from smallmix.datasets.description import DatasetDescription
from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.fingerprints import canonical_json
from smallmix.science.network import forward_flops, parameter_count
from smallmix.study.cell import Cell
from smallmix.study.config_rules import KNOWN_DATASETS
from smallmix.study.study import Study

BYTES_A_HISTORY_ROW = 90
NOTES = Path(".snakemake/smallmix-pace.json")
LARGEST_FACTOR = 1e5  # a note beyond it is damaged
EVALUATION_BATCH = 500  # as in science/evaluation.py, which loads torch; large images outweigh what batches cost
GAIN_OF_BF16 = {True: 2.0, False: 0.3}  # with and without AMX


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
        if name != "image-list":
            raise ConfigurationError(f"dataset.name is {name!r}; it must be {', '.join(KNOWN_DATASETS)} or image-list")
        custom = settings["image-list"]
        return cls(custom["image_size"], 3 if custom["color"] == "rgb" else 1, 10, max(study.sizes), 10_000)


def evaluations(cell: Cell) -> int:
    """Return the number of evaluations; the end counts even where it falls between two of them."""
    return cell.evaluation_moments.count


def training_flops(cell: Cell, images: ImagesInNumbers) -> int:
    """Return the operations of all training steps: three forward passes for each image seen."""
    return 3 * cell.images_seen * forward_flops(cell.model, images.side, images.channels, images.classes)


def evaluation_flops(cell: Cell, images: ImagesInNumbers) -> int:
    """Return the operations of all evaluations on the test images and on the clean training images."""
    evaluated = images.test_count + min(cell.size, cell.evaluation.clean_train_limit)
    return evaluations(cell) * evaluated * forward_flops(cell.model, images.side, images.channels, images.classes)


def result_bytes(cell: Cell, images: ImagesInNumbers) -> int:
    """Return the bytes that a finished cell keeps: predictions and history, in the store and in the study's folder."""
    return 2 * (images.test_count * images.classes * 2 + evaluations(cell) * BYTES_A_HISTORY_ROW + 8_000)


def checkpoint_bytes(cell: Cell, images: ImagesInNumbers) -> int:
    """Return the bytes of a running cell's checkpoints: weights and momentum (float32) of newest, previous and next."""
    return 3 * 2 * 4 * parameter_count(cell.model, images.channels, images.classes)


def dataset_bytes(images: ImagesInNumbers) -> int:
    """Return the bytes of the data set's arrays."""
    return (images.train_count + images.test_count) * (images.side**2 * images.channels + 8)


@dataclass(frozen=True)
class Pace:
    """Speeds of one cell on one device. `measured`: whether they were measured on this machine."""

    start_seconds: float  # from Snakemake's decision to the first step: processes, libraries, images
    layer_seconds: float  # a step's fixed cost for each convolution, forward and backward
    flops_a_second: float
    measured: bool = False

    def step_seconds(self, cell: Cell, images: ImagesInNumbers) -> float:
        """Return the seconds of a mean step."""
        work = training_flops(cell, images) / max(1, cell.iterations)
        return _layers(cell) * self.layer_seconds + work / self.flops_a_second

    def training_seconds(self, cell: Cell, images: ImagesInNumbers) -> float:
        """Return the seconds of all steps."""
        return cell.iterations * self.step_seconds(cell, images)

    def evaluation_seconds(self, cell: Cell, images: ImagesInNumbers) -> float:
        """Return the seconds of all evaluations: forward passes alone."""
        counts = images.test_count, min(cell.size, cell.evaluation.clean_train_limit)
        batches = sum(math.ceil(count / EVALUATION_BATCH) for count in counts)
        fixed = evaluations(cell) * batches * _layers(cell) * self.layer_seconds / 3
        return fixed + evaluation_flops(cell, images) / self.flops_a_second

    def cell_seconds(self, cell: Cell, images: ImagesInNumbers) -> float:
        """Return the seconds of a whole job."""
        return self.start_seconds + self.training_seconds(cell, images) + self.evaluation_seconds(cell, images)

    def times(self, factor: float) -> Pace:
        """Return this pace with all steps `factor` times as long."""
        return dataclasses.replace(
            self,
            layer_seconds=self.layer_seconds * factor,
            flops_a_second=self.flops_a_second / factor,
            measured=True,
        )


# Seen on free cores of servers (networks of width 8 to 64) and estimated for large GPUs.
ON_A_CORE = Pace(start_seconds=2.5, layer_seconds=0.4e-3, flops_a_second=6.0e10)
ON_A_GPU = Pace(start_seconds=9.0, layer_seconds=0.15e-3, flops_a_second=5.0e13)


def assumed_pace(cell: Cell, *, on_gpu: bool) -> Pace:
    """Return the pace that is assumed where nothing was measured."""
    if on_gpu:
        return ON_A_GPU
    speed = ON_A_CORE.flops_a_second * cell.recipe.cpu_threads
    if cell.recipe.precision == "bf16":
        speed *= GAIN_OF_BF16[_has_amx()]
    return dataclasses.replace(ON_A_CORE, flops_a_second=speed)


def known_pace(cell: Cell, images: ImagesInNumbers, root: Path, *, on_gpu: bool) -> Pace:
    """Return the pace that `plan` measured here for this network and these images, else the assumed one."""
    assumed = assumed_pace(cell, on_gpu=on_gpu)
    factor = _read_notes(root).get(_note_name(cell, images, on_gpu))
    if isinstance(factor, int | float) and 1 / LARGEST_FACTOR < factor < LARGEST_FACTOR:
        return assumed.times(float(factor))
    return assumed


def note_pace(cell: Cell, images: ImagesInNumbers, root: Path, seconds_a_step: float, *, on_gpu: bool) -> Pace:
    """Keep a measurement for later estimates; return the pace by it. A folder that cannot be written is ignored."""
    assumed = assumed_pace(cell, on_gpu=on_gpu)
    factor = seconds_a_step / assumed.step_seconds(cell, images)
    notes = {**_read_notes(root), _note_name(cell, images, on_gpu): factor}
    with contextlib.suppress(SmallmixError):
        atomic_files.write_text(root / NOTES, json.dumps(notes, indent=1, sort_keys=True) + "\n")
    return assumed.times(factor)


def _read_notes(root: Path) -> dict[str, object]:
    try:
        notes = json.loads((root / NOTES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _note_name(cell: Cell, images: ImagesInNumbers, on_gpu: bool) -> str:
    """Return a key of all that decides a network's speed here; subset size and method hardly matter."""
    parts = {
        "host": socket.gethostname(),
        "gpu": on_gpu,
        "model": dataclasses.asdict(cell.model),
        "recipe": [cell.recipe.precision, cell.recipe.executor, cell.recipe.cpu_threads, cell.recipe.batch_size],
        "image": [images.side, images.channels],
    }
    return canonical_json(parts)


def _layers(cell: Cell) -> int:
    """Return the number of convolutions in two-convolution blocks, plus stem and last layer."""
    return 2 * sum(cell.model.blocks) + 2


def _has_amx() -> bool:
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
