"""The plan of a run: one line as it starts, or a table with time and disk, and warnings."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smallmix.datasets.description import DatasetDescription, load_description
from smallmix.errors import SmallmixError
from smallmix.planning.capacity import Capacity, usable_cores
from smallmix.planning.cost import (
    ImagesInNumbers,
    Pace,
    checkpoint_bytes,
    dataset_bytes,
    evaluation_flops,
    known_pace,
    note_pace,
    result_bytes,
    training_flops,
)
from smallmix.science.early_loss import alarming_loss
from smallmix.study.cell import Cell
from smallmix.study.layout import Layout
from smallmix.study.study import Study, StudyCell
from smallmix.tables.cell_status import STATUSES, CellStatus
from smallmix.tables.collect import find_statuses
from smallmix.training.gpu_slots import list_gpus
from smallmix.wording import DAY, duration

CELLS_NAMED = 5


@dataclass(frozen=True)
class StudyPlan:
    """A study's cells with their states, and what is known of the images."""

    layout: Layout
    states: dict[str, CellStatus]
    images: ImagesInNumbers
    fetched: bool

    @classmethod
    def of(cls, study: Study, root: Path) -> StudyPlan:
        """Return the plan by what is on the disk below `root`."""
        layout = Layout(study, root)
        description: DatasetDescription | None
        try:
            description = load_description(layout.dataset)
        except SmallmixError:
            description = None
        images = ImagesInNumbers.of(study, description)
        return cls(layout, find_statuses(layout), images, description is not None)

    @property
    def to_train(self) -> list[StudyCell]:
        """Return the cells that a run would train or continue."""
        return [cell for cell in self.layout.study.cells if self.states[cell.id].needs_training]

    def at_once(self, capacity: Capacity, cells: Sequence[StudyCell]) -> int:
        """Return how many of the cells train side by side."""
        threads = int(self.layout.study.configuration["recipe"]["cpu_threads"])
        return max(1, min(capacity.at_once(threads), len(cells)))

    def seconds(self, pace: Pace, cells: Sequence[StudyCell], at_once: int) -> float:
        """Return the estimated seconds for the cells, starts and evaluations included."""
        each = [pace.cell_seconds(cell.value, self.images) for cell in cells]
        return max(sum(each) / at_once, max(each, default=0.0))


def operations(cell: Cell, images: ImagesInNumbers) -> int:
    """Return the operations of a cell, training and evaluation."""
    return training_flops(cell, images) + evaluation_flops(cell, images)


def brief_plan(study: Study, root: Path, capacity: Capacity, chosen: Collection[str] | None = None) -> str:
    """Return one line: cells to train, device, and an estimate by what is known of this machine.

    `chosen` are the ids of the cells that this run asks for; None stands for the whole study.
    """
    plan = StudyPlan.of(study, root)
    if not plan.to_train:
        return f"smallmix: study {study.name}: all {len(study.cells)} cells are trained."
    cells = [cell for cell in plan.to_train if chosen is None or cell.id in chosen]
    asked, cells = cells, cells or plan.to_train
    resumable = sum(plan.states[cell.id].has_checkpoint for cell in cells)
    at_once = plan.at_once(capacity, cells)
    if capacity.executor is not None:
        where = f"as jobs of {capacity.executor} (up to {at_once} at once); how long they take depends on the nodes."
    else:
        pace = known_pace(cells[0].value, plan.images, root, on_gpu=bool(capacity.on_gpus))
        seconds = plan.seconds(pace, cells, at_once)
        device = f"{capacity.on_gpus} GPU{'s' if capacity.on_gpus > 1 else ''}" if capacity.on_gpus else "CPU"
        device += f" ({at_once} at once)" if not capacity.on_gpus or at_once != capacity.on_gpus else ""
        source = "as `plan` measured it" if pace.measured else "by assumed speeds"
        where = f"on {device}; {'' if asked else 'a full run takes '}roughly {plain_duration(seconds)}, {source}."
        if seconds >= DAY:
            measure = "names" if pace.measured else "measures it and names"
            where += f" `snakemake plan --cores all` {measure} smaller studies."
    of_all = f"{len(study.cells)} cells"
    if 0 < len(asked) < len(plan.to_train):
        of_all = f"the {len(plan.to_train)} cells that are not trained yet, {len(study.cells)} in all,"
    continued = f" ({resumable} of them continue from a checkpoint)" if resumable else ""
    return f"smallmix: study {study.name}: {len(cells)} of {of_all} to train{continued} {where}"


def full_plan(study: Study, root: Path, capacity: Capacity, studies: Sequence[str]) -> str:
    """Return a table by size, totals by the steps that a short probe measured, and warnings."""
    from smallmix.planning.probe import advise_on_precision, probe
    from smallmix.training.messages import explain_unusable_gpus

    plan = StudyPlan.of(study, root)
    everything = study.cells
    cells = plan.to_train
    sample = (cells or list(everything))[0].value
    measured = probe(sample, plan.images)
    unusable = explain_unusable_gpus(list_gpus()) if capacity.on_gpus else None
    pace = note_pace(sample, plan.images, root, measured.seconds_a_step, on_gpu=bool(capacity.on_gpus))
    lines = [
        f"Study {study.name}: {study.title}",
        f"Data set {study.dataset}: {'fetched' if plan.fetched else 'not fetched yet'}",
        "",
        f"{'size':>8} {'cells':>6} {' '.join(STATUSES)} "
        f"{'iterations a cell':>18} {'PFLOP a cell':>13} {'time a cell':>14}",
    ]
    for size in study.sizes:
        of_size = [cell for cell in everything if cell.size == size]
        counts = Counter(plan.states[cell.id].status for cell in of_size)
        value = of_size[0].value
        work, seconds = operations(value, plan.images), pace.cell_seconds(value, plan.images)
        lines.append(
            f"{size:>8,} {len(of_size):>6} {' '.join(f'{counts[status]:>{len(status)}}' for status in STATUSES)} "
            f"{value.iterations:>18,} {work / 1e15:>13.3g} {plain_duration(seconds):>14}"
        )
    at_once = plan.at_once(capacity, cells)
    seconds = plan.seconds(pace, cells, at_once)
    running = max((checkpoint_bytes(cell.value, plan.images) for cell in cells), default=0) * at_once
    disk = sum(result_bytes(cell.value, plan.images) for cell in cells) + running
    disk += 0 if plan.fetched else dataset_bytes(plan.images)
    total_iterations = sum(cell.value.iterations for cell in cells)
    training = sum(training_flops(cell.value, plan.images) for cell in cells)
    evaluating = sum(evaluation_flops(cell.value, plan.images) for cell in cells)
    lines += [
        "",
        f"To train: {len(cells)} of {len(everything)} cells, {total_iterations:,} iterations, "
        f"{(training + evaluating) / 1e15:,.3g} PFLOP ({training / 1e15:,.3g} for training, {evaluating / 1e15:,.3g} "
        "for evaluations).",
        f"Measured here: {1000 * measured.seconds_a_step:,.1f} ms a step, {measured.flops_a_second / 1e9:,.0f} GFLOP/s "
        f"a cell, on {measured.device} (a probe of a few steps).",
        f"Estimated time: {plain_duration(seconds)} with {at_once} {'cells' if at_once > 1 else 'cell'} at once, "
        "starts and evaluations included.",
    ]
    all_cores = dataclasses.replace(capacity, cores=usable_cores())
    if cells and plan.at_once(all_cores, cells) > at_once:
        more = plan.at_once(all_cores, cells)
        faster = plain_duration(plan.seconds(pace, cells, more))
        lines.append(f"With --cores all: {faster} with {more} cells at once.")
    lines.append(f"Disk: about {describe_bytes(disk)} more.")
    if unusable is not None:
        lines.append(f"Warning: {unusable}")
    done = [cell for cell in everything if plan.states[cell.id].status == "current"]
    warnings = (warn_of_small_batches(study), warn_of_early_losses(plan.layout, done, plan.images.classes))
    lines += [warning for warning in warnings if warning is not None]
    advice = advise_on_precision(sample, plan.images, measured) if cells else None
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


def warn_of_small_batches(study: Study) -> str | None:
    """Return a warning of sizes whose last batch is smaller than an eighth of a batch; None where there are none."""
    remainders = study.small_remainders
    if not remainders:
        return None
    batch_size = study.configuration["recipe"]["batch_size"]
    sizes = ", ".join(f"{last} of {batch_size} at {size:,} images" for size, last in remainders.items())
    return (
        f"Warning: the last batch of an epoch is small: {sizes}. Steps on the statistics of so few images can cost "
        "many points or end in NaN. recipe.last_batch: even deals the images out evenly."
    )


def warn_of_early_losses(layout: Layout, finished: Iterable[StudyCell], classes: int) -> str | None:
    """Return a warning of finished cells whose first steps had an alarming loss; None where there are none."""
    limit, found = alarming_loss(classes), []
    for cell in finished:
        try:
            metrics = json.loads((layout.cell(cell) / "metrics.json").read_text(encoding="utf-8"))
            loss, iteration = float(metrics["largest_early_loss"]), int(metrics["largest_early_loss_iteration"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # the cell's own state reports a damaged file
        if loss > limit:
            found.append(f"{cell.id} ({loss:.4g} at iteration {iteration:,})")
    if not found:
        return None
    more = f", and {len(found) - CELLS_NAMED} more" if len(found) > CELLS_NAMED else ""
    count = f"{len(found)} finished cell{'s' if len(found) > 1 else ''}"
    return (
        f"Warning: {count} began to diverge, with an early training loss above {limit:.3g}, ten times the loss of "
        f"guessing: {', '.join(found[:CELLS_NAMED])}{more}. Their accuracy may be far too low; the cells' logs say "
        "what may help."
    )


def plain_duration(seconds: float) -> str:
    """Return a duration in ASCII: terminals and logs may know no other characters."""
    return duration(seconds, space=" ")


def describe_bytes(count: int) -> str:
    """Return a number of bytes for people: 12 MB."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:,.0f} {unit}" if amount >= 10 or unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError("unreachable")
