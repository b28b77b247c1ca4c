"""How fast cells train here: by finished cells of the study, by a probe, or by assumption.

A step takes a fixed time for each layer, however small the network is, and its operations at a rate. An evaluation
takes forward passes alone. A cell takes the start of a process besides. What a probe measured is kept in the user's
cache folder, one file a machine, so that every project on it knows it. A file that is damaged or another machine's is
passed over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import math
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from smallmix import atomic_files
from smallmix.errors import SmallmixError
from smallmix.fingerprints import canonical_json, fingerprint_value
from smallmix.planning.cost import CellWork, ImagesInNumbers, evaluations
from smallmix.study.cell import Cell
from smallmix.training.processor import Bf16Instructions, bf16_instructions, describe_processor

Basis = Literal["assumed", "measured", "finished"]
FORMAT = 1
# Beyond these a kept number is damaged.
LEAST, LARGEST = {"start_seconds": 0.01, "layer_seconds": 1e-7, "training": 1e6, "evaluation": 1e6}, 1e18
LONGEST_START, LONGEST_LAYER = 600.0, 100.0
# Over fp32, by the processor's instructions. AVX-512 BF16 alone gave 0.83 on an Intel Xeon, and 2.3 on an AMD EPYC.
# AVX2 alone gave 0.07 on both.
GAIN_OF_BF16: Mapping[Bf16Instructions, float] = {
    "amx": 2.0,
    "avx512-bf16": 1.4,
    "avx512": 0.3,
    "avx2": 0.07,
    "unknown": 0.3,
}
# All cores busy with trainings share caches and memory: a step takes this much longer than alone. Seen on two cores:
# 0.94 to 1.07 times what a step alone was measured to take (networks of width 8 and 16).
CONTENTION = 0.05


@dataclass(frozen=True)
class Pace:
    """Speeds of one training that runs alone on one device. Rates are floating-point operations a second."""

    start_seconds: float  # from the job's start to the first step, and its end: process, libraries, images
    layer_seconds: float  # a step's fixed cost for each convolution, forward and backward
    training: float
    evaluation: float
    basis: Basis = "assumed"

    def training_seconds(self, work: CellWork) -> float:
        """Return the seconds of all steps."""
        return work.layer_steps * self.layer_seconds + work.training_flops / self.training

    def evaluation_seconds(self, work: CellWork) -> float:
        """Return the seconds of all evaluations."""
        return work.layer_evaluations * self.layer_seconds / 3 + work.evaluation_flops / self.evaluation


# Seen on free cores of servers (networks of width 8 to 64) and estimated for large GPUs.
ON_A_CORE = Pace(start_seconds=1.5, layer_seconds=0.3e-3, training=7.5e10, evaluation=6.0e10)
ON_A_GPU = Pace(start_seconds=9.0, layer_seconds=0.15e-3, training=5.0e13, evaluation=5.0e13)


def assumed_pace(cell: Cell, *, on_gpu: bool) -> Pace:
    """Return the pace that is assumed where nothing was measured."""
    if on_gpu:
        return ON_A_GPU
    gain = float(cell.recipe.cpu_threads)
    if cell.recipe.precision == "bf16":
        gain *= GAIN_OF_BF16[bf16_instructions()]
    return dataclasses.replace(ON_A_CORE, training=ON_A_CORE.training * gain, evaluation=ON_A_CORE.evaluation * gain)


def known_pace(cell: Cell, images: ImagesInNumbers, *, on_gpu: bool) -> Pace:
    """Return the pace that was measured on this machine for this network and these images, else the assumed one.

    A start that was measured for another network holds for this one, too.
    """
    assumed = assumed_pace(cell, on_gpu=on_gpu)
    kept = _read_kept()
    start = _start_seconds(kept, on_gpu)
    if start is not None:
        assumed = dataclasses.replace(assumed, start_seconds=start)
    network = _mapping(_mapping(kept.get("networks")).get(network_key(cell, images, on_gpu)))
    layer = _positive(network.get("layer_seconds"), "layer_seconds", LONGEST_LAYER)
    training, evaluation = (_positive(network.get(name), name) for name in ("training", "evaluation"))
    if layer is None or training is None or evaluation is None:
        return assumed
    return Pace(assumed.start_seconds, layer, training, evaluation, "measured")


def slowness_of_python() -> float:
    """Return by which factor a process loads libraries more slowly here than where seconds were measured."""
    start = _start_seconds(_read_kept(), on_gpu=False)
    return 1.0 if start is None else start / ON_A_CORE.start_seconds


def keep_pace(cell: Cell, images: ImagesInNumbers, pace: Pace, *, on_gpu: bool) -> None:
    """Keep a measurement for later estimates on this machine. A folder that cannot be written is ignored."""
    kept = _read_kept()
    network = {"layer_seconds": pace.layer_seconds, "training": pace.training, "evaluation": pace.evaluation}
    content = {
        "format": FORMAT,
        "machine": machine(),
        "start_seconds": {**_mapping(kept.get("start_seconds")), _device(on_gpu): pace.start_seconds},
        "networks": {**_mapping(kept.get("networks")), network_key(cell, images, on_gpu): network},
    }
    with contextlib.suppress(SmallmixError, OSError, RuntimeError):
        atomic_files.write_text(pace_file(), json.dumps(content, indent=1, sort_keys=True) + "\n")


def pace_file() -> Path:
    """Return the file of this machine's measurements, below XDG_CACHE_HOME or ~/.cache.

    Raises RuntimeError where the user has no home.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(named) if os.path.isabs(named) else Path.home() / ".cache"
    return cache / "smallmix" / f"pace-{fingerprint_value(machine())[:12]}.json"


def machine() -> dict[str, Any]:
    """Return what a machine's speed depends on: host, processor, its count of cores, and PyTorch's version."""
    try:
        torch = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:  # Snakemake alone; its jobs bring their own environment
        torch = "unknown"
    return {
        "host": socket.gethostname(),
        "processor": describe_processor(),
        "cores": os.cpu_count() or 1,
        "torch": torch,
    }


def network_key(cell: Cell, images: ImagesInNumbers, on_gpu: bool) -> str:
    """Return a name of all that decides a network's speed here; subset size and method hardly matter."""
    parts = {
        "gpu": on_gpu,
        "model": cell.to_dict()["model"],
        "recipe": [cell.recipe.precision, cell.recipe.executor, cell.recipe.cpu_threads, cell.recipe.batch_size],
        "image": [images.side, images.channels],
    }
    return canonical_json(parts)


def contention(at_once: int, threads: int, cores: int) -> float:
    """Return by which factor a training on the CPU takes longer than alone, where `at_once` run on `cores` cores."""
    if at_once < 2:
        return 1.0
    others, room = (at_once - 1) * threads, max(1, cores - threads)
    return 1 + CONTENTION * min(1.0, others / room)


@dataclass(frozen=True)
class FinishedCell:
    """What one finished cell took, by its own record."""

    size: int
    work: CellWork
    training_seconds: float
    evaluation_seconds: float

    @classmethod
    def of(
        cls, cell: Cell, images: ImagesInNumbers, metrics: Mapping[str, Any], device: str | None
    ) -> FinishedCell | None:
        """Return it for a metrics.json; None where it has no durations, or was made on another kind of machine.

        `device` is "cpu" or "gpu" of this machine; None stands for whatever nodes a cluster has.
        """
        timing, made_on = _mapping(metrics.get("timing")), _mapping(metrics.get("environment"))
        training = _positive(timing.get("training_seconds"), None)
        evaluation = _positive(timing.get("evaluation_seconds"), None)
        if training is None or evaluation is None or not cell.iterations or not evaluations(cell):
            return None
        if device is not None:
            on_cpu = made_on.get("device") == "cpu"
            if on_cpu != (device == "cpu") or made_on.get("processor") != describe_processor():
                return None
        return cls(cell.size, CellWork.of(cell, images), training, evaluation)


@dataclass(frozen=True)
class StudyPace:
    """The pace of one study's cells: that of the machine, corrected by the cells that have finished.

    A cell of a size that has finished cells follows these; another size follows all of them.
    """

    pace: Pace
    finished: tuple[FinishedCell, ...] = ()
    slowdown: float = 1.0  # by other trainings beside it; what finished cells took has it in it
    slowness_of_python: float = 1.0

    @property
    def basis(self) -> Basis:
        """Return what the estimate rests on."""
        return "finished" if self.finished else self.pace.basis

    def cell_seconds(self, size: int, work: CellWork) -> float:
        """Return the seconds of a whole job that has this work left, its start included."""
        training, evaluation = self.pace.training_seconds(work), self.pace.evaluation_seconds(work)
        alike = [cell for cell in self.finished if cell.size == size] or self.finished
        if alike:
            training *= _ratio((cell.training_seconds, self.pace.training_seconds(cell.work)) for cell in alike)
            evaluation *= _ratio((cell.evaluation_seconds, self.pace.evaluation_seconds(cell.work)) for cell in alike)
            return self.pace.start_seconds * self.slowdown + training + evaluation
        return (self.pace.start_seconds + training + evaluation) * self.slowdown


def _ratio(pairs: Iterable[tuple[float, float]]) -> float:
    """Return the sum of what was measured by the sum of what was expected."""
    listed = list(pairs)
    expected = sum(pair[1] for pair in listed)
    return sum(pair[0] for pair in listed) / expected if expected > 0 else 1.0


def _read_kept() -> dict[str, Any]:
    """Return what is kept of this machine; nothing where there is no file, or no usable one."""
    try:
        kept = json.loads(pace_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, RuntimeError):
        return {}
    kept = _mapping(kept)
    return kept if kept.get("format") == FORMAT and kept.get("machine") == machine() else {}


def _start_seconds(kept: Mapping[str, Any], on_gpu: bool) -> float | None:
    return _positive(_mapping(kept.get("start_seconds")).get(_device(on_gpu)), "start_seconds", LONGEST_START)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _positive(value: object, name: str | None, largest: float = LARGEST) -> float | None:
    """Return the value where it is a finite number in its range; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    least = 0.0 if name is None else LEAST[name]
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and least <= number <= largest else None


def _device(on_gpu: bool) -> str:
    return "gpu" if on_gpu else "cpu"
