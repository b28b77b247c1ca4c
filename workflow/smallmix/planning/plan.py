"""The plan of a run in words: a line for the impatient, or a table with time and disk."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smallmix.datasets.description import DatasetDescription, load_description
from smallmix.errors import SmallmixError
from smallmix.planning.cautions import warn_of_early_losses, warn_of_small_batches
from smallmix.planning.cell_states import CellState, find_cell_states
from smallmix.planning.cost import (
    ImagesInNumbers,
    checkpoint_bytes,
    dataset_bytes,
    evaluation_flops,
    result_bytes,
    training_flops,
)
from smallmix.study.cell import Cell
from smallmix.study.layout import Layout
from smallmix.study.study import Study, StudyCell

# Operations a second of one cell, where nothing was measured: seen on one core of a server, and on a large GPU.
ASSUMED_FLOPS_CPU_CORE = 6.0e10
ASSUMED_FLOPS_GPU = 5.0e13
DAY = 86_400


@dataclass(frozen=True)
class StudyPlan:
    """A study's cells with their states, and what is known of the images."""

    layout: Layout
    states: dict[str, CellState]
    images: ImagesInNumbers
    fetched: bool

    @classmethod
    def of(cls, study: Study, root: Path) -> StudyPlan:
        """Look at what is on the disk."""
        layout = Layout(study, root)
        description: DatasetDescription | None
        try:
            description = load_description(layout.dataset)
        except SmallmixError:
            description = None
        images = ImagesInNumbers.of(study, description)
        return cls(layout, find_cell_states(layout), images, description is not None)

    @property
    def to_train(self) -> list[StudyCell]:
        """The cells that a run would train or continue."""
        return [cell for cell in self.layout.study.cells if self.states[cell.place] in ("missing", "resumable")]

    def parallel_cells(self, cores: int, cards: int) -> int:
        """Cells trained at once."""
        threads = self.layout.study.configuration["recipe"]["cpu_threads"]
        at_once = cards if cards else max(1, cores // threads)
        return max(1, min(at_once, len(self.to_train)))

    def seconds(self, flops_a_second: float, parallel: int) -> float:
        """Estimated time of everything that is to be trained."""
        total = sum(operations(cell.value, self.images) for cell in self.to_train)
        longest = max((operations(cell.value, self.images) for cell in self.to_train), default=0)
        return max(total / parallel, longest) / flops_a_second


def operations(cell: Cell, images: ImagesInNumbers) -> int:
    """Operations of a cell, training and evaluation."""
    return training_flops(cell, images) + evaluation_flops(cell, images)


def count_cards() -> int:
    """CUDA cards that this process may use, without starting CUDA."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([card for card in visible.split(",") if card.strip() not in ("", "-1")])
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def brief_plan(study: Study, root: Path, cores: int) -> str:
    """One line: cells to train, device, a rough estimate from assumed speeds."""
    plan = StudyPlan.of(study, root)
    cards = count_cards()
    states = Counter(plan.states.values())
    if not plan.to_train:
        return f"smallmix: study {study.name}: all {len(study.cells)} cells are trained."
    parallel = plan.parallel_cells(cores, cards)
    assumed = ASSUMED_FLOPS_GPU if cards else ASSUMED_FLOPS_CPU_CORE * study.configuration["recipe"]["cpu_threads"]
    seconds = plan.seconds(assumed, parallel)
    where = f"{cards} GPU{'s' if cards > 1 else ''}" if cards else f"CPU ({parallel} at once)"
    resumable = f" ({states['resumable']} of them continue from a checkpoint)" if states["resumable"] else ""
    advice = "" if seconds < DAY else " `snakemake --cores 1 plan` measures it and names smaller studies."
    return (
        f"smallmix: study {study.name}: {len(plan.to_train)} of {len(study.cells)} cells to train{resumable} on "
        f"{where}; roughly {describe_duration(seconds)}.{advice}"
    )


def full_plan(study: Study, root: Path, cores: int, studies: Sequence[str]) -> str:
    """The plan for people: a table by size, and totals measured by a short probe."""
    from smallmix.planning.probe import advise_on_precision, probe

    plan = StudyPlan.of(study, root)
    cards = count_cards()
    parallel = plan.parallel_cells(cores, cards)
    everything = study.cells
    sample = (plan.to_train or list(everything))[0].value
    measured = probe(sample, plan.images)
    speed = measured.flops_a_second
    lines = [
        f"Study {study.name}: {study.title}",
        f"Data set {study.dataset}: {'fetched' if plan.fetched else 'not fetched yet'}",
        "",
        f"{'size':>8} {'cells':>6} {'done':>6} {'stored':>7} {'resumable':>10} {'missing':>8} "
        f"{'iterations a cell':>18} {'PFLOP a cell':>13} {'time a cell':>14}",
    ]
    for size in study.sizes:
        cells = [cell for cell in everything if cell.size == size]
        states = Counter(plan.states[cell.place] for cell in cells)
        value = cells[0].value
        work = operations(value, plan.images)
        lines.append(
            f"{size:>8,} {len(cells):>6} {states['done']:>6} {states['stored']:>7} {states['resumable']:>10} "
            f"{states['missing']:>8} {value.iterations:>18,} {work / 1e15:>13.3g} {describe_duration(work / speed):>14}"
        )
    seconds = plan.seconds(speed, parallel)
    running = max((checkpoint_bytes(cell.value, plan.images) for cell in plan.to_train), default=0) * parallel
    disk = sum(result_bytes(cell.value, plan.images) for cell in plan.to_train) + running
    disk += 0 if plan.fetched else dataset_bytes(plan.images)
    total_iterations = sum(cell.value.iterations for cell in plan.to_train)
    total_work = sum(operations(cell.value, plan.images) for cell in plan.to_train)
    lines += [
        "",
        f"To train: {len(plan.to_train)} of {len(everything)} cells, {total_iterations:,} iterations, "
        f"{total_work / 1e15:,.3g} PFLOP.",
        f"Measured here: {1000 * measured.seconds_a_step:,.1f} ms a step, {speed / 1e9:,.0f} GFLOP/s a cell, on "
        f"{measured.device} (a probe of a few steps).",
        f"Estimated time: {describe_duration(seconds)} with {parallel} {'cells' if parallel > 1 else 'cell'} at once.",
        f"Disk: about {describe_bytes(disk)} more.",
    ]
    done = [cell for cell in everything if plan.states[cell.place] == "done"]
    warnings = (warn_of_small_batches(study), warn_of_early_losses(plan.layout, done, plan.images.classes))
    lines += [warning for warning in warnings if warning is not None]
    advice = advise_on_precision(sample, plan.images, measured) if plan.to_train else None
    if advice is not None:
        lines.append(advice)
    if seconds > DAY:
        lines += [
            "",
            "That is days on this machine. Smaller studies answer the same question sooner:",
            *(f"  {name}" for name in studies),
            "Or run it where there is a GPU, or on a cluster.",
        ]
    return "\n".join(lines)


def describe_duration(seconds: float) -> str:
    """A duration for people, in one or two units."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * DAY:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / DAY:,.0f} days"


def describe_bytes(count: int) -> str:
    """A number of bytes for people."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:,.0f} {unit}" if amount >= 10 or unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError("unreachable")
