"""How long a cell takes: its start, its steps, its readings. One estimate for a run's first line and for the plan.

Where nothing was measured the speeds are assumed. A step costs a fixed time for each layer, however small the network
is, and its operations beyond that. `plan` measures steps on this machine and notes by which factor they differ from the
assumption; later estimates for the same network go by that note, so the two never contradict each other.
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
from smallmix.errors import SmallmixError
from smallmix.fingerprints import canonical_json
from smallmix.planning.cost import ImagesInNumbers, evaluation_flops, evaluations, training_flops
from smallmix.study.cell import Cell

NOTES = Path(".snakemake/smallmix-pace.json")
LARGEST_FACTOR = 1e5  # a note beyond it is damaged
EVALUATION_BATCH = 500  # as in science/evaluation.py, which loads torch
GAIN_OF_BF16 = {True: 2.0, False: 0.3}  # with and without AMX


@dataclass(frozen=True)
class Pace:
    """Speeds of one cell on one device. `measured` tells whether they go by a measurement on this machine."""

    start_seconds: float  # from Snakemake's decision to the first step: processes, libraries, images
    layer_seconds: float  # a step's fixed cost for each convolution, forward and backward
    flops_a_second: float
    measured: bool = False

    def step_seconds(self, cell: Cell, images: ImagesInNumbers) -> float:
        """Seconds of a mean step."""
        work = training_flops(cell, images) / max(1, cell.iterations)
        return _layers(cell) * self.layer_seconds + work / self.flops_a_second

    def training_seconds(self, cell: Cell, images: ImagesInNumbers) -> float:
        """Seconds of all steps."""
        return cell.iterations * self.step_seconds(cell, images)

    def evaluation_seconds(self, cell: Cell, images: ImagesInNumbers) -> float:
        """Seconds of all readings of the test images and of the clean training images: forward passes alone."""
        read = images.test_count, min(cell.size, cell.evaluation.clean_train_limit)
        batches = sum(math.ceil(count / EVALUATION_BATCH) for count in read)
        fixed = evaluations(cell) * batches * _layers(cell) * self.layer_seconds / 3
        return fixed + evaluation_flops(cell, images) / self.flops_a_second

    def cell_seconds(self, cell: Cell, images: ImagesInNumbers) -> float:
        """Seconds of a whole job."""
        return self.start_seconds + self.training_seconds(cell, images) + self.evaluation_seconds(cell, images)

    def times(self, factor: float) -> Pace:
        """This pace with all steps `factor` times as long."""
        return dataclasses.replace(
            self,
            layer_seconds=self.layer_seconds * factor,
            flops_a_second=self.flops_a_second / factor,
            measured=True,
        )


# Seen on free cores of servers (networks of width 8 to 64) and estimated for large cards.
ON_A_CORE = Pace(start_seconds=2.5, layer_seconds=0.4e-3, flops_a_second=6.0e10)
ON_A_CARD = Pace(start_seconds=9.0, layer_seconds=0.15e-3, flops_a_second=5.0e13)


def assumed_pace(cell: Cell, *, on_card: bool) -> Pace:
    """What is assumed where nothing was measured."""
    if on_card:
        return ON_A_CARD
    speed = ON_A_CORE.flops_a_second * cell.recipe.cpu_threads
    if cell.recipe.precision == "bf16":
        speed *= GAIN_OF_BF16[_has_amx()]
    return dataclasses.replace(ON_A_CORE, flops_a_second=speed)


def known_pace(cell: Cell, images: ImagesInNumbers, root: Path, *, on_card: bool) -> Pace:
    """What `plan` measured here for this network and these images, else what is assumed."""
    assumed = assumed_pace(cell, on_card=on_card)
    factor = _read_notes(root).get(_note_name(cell, images, on_card))
    if isinstance(factor, int | float) and 1 / LARGEST_FACTOR < factor < LARGEST_FACTOR:
        return assumed.times(float(factor))
    return assumed


def note_pace(cell: Cell, images: ImagesInNumbers, root: Path, seconds_a_step: float, *, on_card: bool) -> Pace:
    """Keep a measurement for later estimates; return the pace by it. A folder that cannot be written is let pass."""
    assumed = assumed_pace(cell, on_card=on_card)
    factor = seconds_a_step / assumed.step_seconds(cell, images)
    notes = {**_read_notes(root), _note_name(cell, images, on_card): factor}
    with contextlib.suppress(SmallmixError):
        atomic_files.write_text(root / NOTES, json.dumps(notes, indent=1, sort_keys=True) + "\n")
    return assumed.times(factor)


def _read_notes(root: Path) -> dict[str, object]:
    try:
        notes = json.loads((root / NOTES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _note_name(cell: Cell, images: ImagesInNumbers, on_card: bool) -> str:
    """What decides a network's speed on a machine; the size of the subset and the method hardly do."""
    parts = {
        "host": socket.gethostname(),
        "card": on_card,
        "model": dataclasses.asdict(cell.model),
        "recipe": [cell.recipe.precision, cell.recipe.executor, cell.recipe.cpu_threads, cell.recipe.batch_size],
        "image": [images.side, images.channels],
    }
    return canonical_json(parts)


def _layers(cell: Cell) -> int:
    """Convolutions of a network of two-convolution blocks, and its stem and last layer."""
    return 2 * sum(cell.model.blocks) + 2


def _has_amx() -> bool:
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
