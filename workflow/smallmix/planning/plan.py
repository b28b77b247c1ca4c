"""The plan of a run in words: a line for the impatient, or a table with time and disk."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from smallmix.datasets.description import DatasetDescription, load_description
from smallmix.errors import SmallmixError
from smallmix.planning.cautions import warn_of_early_losses, warn_of_small_batches
from smallmix.planning.cost import (
    ImagesInNumbers,
    checkpoint_bytes,
    dataset_bytes,
    evaluation_flops,
    result_bytes,
    training_flops,
)
from smallmix.planning.pace import Pace, known_pace, note_pace
from smallmix.study.cell import Cell
from smallmix.study.layout import Layout
from smallmix.study.study import Study, StudyCell
from smallmix.tables.cell_status import STATUSES, CellStatus
from smallmix.tables.collect import find_statuses
from smallmix.training.card_slots import cards_of_this_process

DAY = 86_400


@dataclass(frozen=True)
class Room:
    """What a run may use: cores, and cells that train on cards at once (0: all train on the CPU).

    `executor` names the system that runs the cells as jobs elsewhere, `jobs` at once; None where they run here.
    """

    cores: int
    on_cards: int = 0
    executor: str | None = None
    jobs: int = 1

    @classmethod
    def here(cls, cores: int | None = None, gpu_limit: int | None = None) -> Room:
        """The cores (by default those that this process may use) and the cards as a training counts them.

        `gpu_limit` is Snakemake's limit of the resource `gpu`: how many cells it starts on cards at once.
        """
        cards = len(cards_of_this_process())
        on_cards = cards if gpu_limit is None else (gpu_limit if cards else 0)
        return cls(usable_cores() if cores is None else cores, on_cards)

    def at_once(self, threads: int) -> int:
        """How many cells of so many threads train side by side."""
        if self.executor is not None:
            return max(1, self.jobs)
        by_cores = max(1, self.cores // threads)
        return min(by_cores, self.on_cards) if self.on_cards else by_cores


@dataclass(frozen=True)
class StudyPlan:
    """A study's cells with their states, and what is known of the images."""

    layout: Layout
    states: dict[str, CellStatus]
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
        return cls(layout, find_statuses(layout), images, description is not None)

    @property
    def to_train(self) -> list[StudyCell]:
        """The cells that a run would train or continue."""
        return [cell for cell in self.layout.study.cells if self.states[cell.place].needs_training]

    def at_once(self, room: Room, cells: Sequence[StudyCell]) -> int:
        """How many of the cells train side by side."""
        threads = int(self.layout.study.configuration["recipe"]["cpu_threads"])
        return max(1, min(room.at_once(threads), len(cells)))

    def seconds(self, pace: Pace, cells: Sequence[StudyCell], at_once: int) -> float:
        """Estimated time of the cells, starts and readings included."""
        each = [pace.cell_seconds(cell.value, self.images) for cell in cells]
        return max(sum(each) / at_once, max(each, default=0.0))


def operations(cell: Cell, images: ImagesInNumbers) -> int:
    """Operations of a cell, training and evaluation."""
    return training_flops(cell, images) + evaluation_flops(cell, images)


def usable_cores() -> int:
    """The cores that this process may use, as `--cores all` counts them."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def brief_plan(study: Study, root: Path, room: Room, chosen: Collection[str] | None = None) -> str:
    """One line: cells to train, device, an estimate by what is known of this machine.

    `chosen` are the places of the cells that this run asks for; None stands for the whole study.
    """
    plan = StudyPlan.of(study, root)
    if not plan.to_train:
        return f"smallmix: study {study.name}: all {len(study.cells)} cells are trained."
    cells = [cell for cell in plan.to_train if chosen is None or cell.place in chosen]
    asked, cells = cells, cells or plan.to_train
    resumable = sum(plan.states[cell.place].has_checkpoint for cell in cells)
    at_once = plan.at_once(room, cells)
    if room.executor is not None:
        where = f"as jobs of {room.executor} (up to {at_once} at once); how long they take depends on the nodes."
    else:
        pace = known_pace(cells[0].value, plan.images, root, on_card=bool(room.on_cards))
        seconds = plan.seconds(pace, cells, at_once)
        device = f"{room.on_cards} GPU{'s' if room.on_cards > 1 else ''}" if room.on_cards else "CPU"
        device += f" ({at_once} at once)" if not room.on_cards or at_once != room.on_cards else ""
        source = "as `plan` measured it" if pace.measured else "by assumed speeds"
        where = f"on {device}; {'' if asked else 'a full run takes '}roughly {describe_duration(seconds)}, {source}."
        if seconds >= DAY:
            measure = "names" if pace.measured else "measures it and names"
            where += f" `snakemake plan --cores all` {measure} smaller studies."
    of_all = f"{len(study.cells)} cells"
    if 0 < len(asked) < len(plan.to_train):
        of_all = f"the {len(plan.to_train)} cells that are not trained yet, {len(study.cells)} in all,"
    continued = f" ({resumable} of them continue from a checkpoint)" if resumable else ""
    return f"smallmix: study {study.name}: {len(cells)} of {of_all} to train{continued} {where}"


def full_plan(study: Study, root: Path, room: Room, studies: Sequence[str]) -> str:
    """The plan for people: a table by size, and totals by the steps that a short probe measured."""
    from smallmix.planning.probe import advise_on_precision, probe
    from smallmix.training.devices import explain_unusable_cards

    plan = StudyPlan.of(study, root)
    everything = study.cells
    cells = plan.to_train
    sample = (cells or list(everything))[0].value
    measured = probe(sample, plan.images)
    unusable = explain_unusable_cards(cards_of_this_process()) if room.on_cards else None
    pace = note_pace(sample, plan.images, root, measured.seconds_a_step, on_card=bool(room.on_cards))
    lines = [
        f"Study {study.name}: {study.title}",
        f"Data set {study.dataset}: {'fetched' if plan.fetched else 'not fetched yet'}",
        "",
        f"{'size':>8} {'cells':>6} {' '.join(STATUSES)} "
        f"{'iterations a cell':>18} {'PFLOP a cell':>13} {'time a cell':>14}",
    ]
    for size in study.sizes:
        of_size = [cell for cell in everything if cell.size == size]
        counts = Counter(plan.states[cell.place].status for cell in of_size)
        value = of_size[0].value
        work, seconds = operations(value, plan.images), pace.cell_seconds(value, plan.images)
        lines.append(
            f"{size:>8,} {len(of_size):>6} {' '.join(f'{counts[status]:>{len(status)}}' for status in STATUSES)} "
            f"{value.iterations:>18,} {work / 1e15:>13.3g} {describe_duration(seconds):>14}"
        )
    at_once = plan.at_once(room, cells)
    seconds = plan.seconds(pace, cells, at_once)
    running = max((checkpoint_bytes(cell.value, plan.images) for cell in cells), default=0) * at_once
    disk = sum(result_bytes(cell.value, plan.images) for cell in cells) + running
    disk += 0 if plan.fetched else dataset_bytes(plan.images)
    total_iterations = sum(cell.value.iterations for cell in cells)
    training = sum(training_flops(cell.value, plan.images) for cell in cells)
    reading = sum(evaluation_flops(cell.value, plan.images) for cell in cells)
    lines += [
        "",
        f"To train: {len(cells)} of {len(everything)} cells, {total_iterations:,} iterations, "
        f"{(training + reading) / 1e15:,.3g} PFLOP ({training / 1e15:,.3g} for training, {reading / 1e15:,.3g} for "
        "evaluations).",
        f"Measured here: {1000 * measured.seconds_a_step:,.1f} ms a step, {measured.flops_a_second / 1e9:,.0f} GFLOP/s "
        f"a cell, on {measured.device} (a probe of a few steps).",
        f"Estimated time: {describe_duration(seconds)} with {at_once} {'cells' if at_once > 1 else 'cell'} at once, "
        "starts and evaluations included.",
    ]
    all_cores = dataclasses.replace(room, cores=usable_cores())
    if cells and plan.at_once(all_cores, cells) > at_once:
        more = plan.at_once(all_cores, cells)
        faster = describe_duration(plan.seconds(pace, cells, more))
        lines.append(f"With --cores all: {faster} with {more} cells at once.")
    lines.append(f"Disk: about {describe_bytes(disk)} more.")
    if unusable is not None:
        lines.append(f"Warning: {unusable}")
    done = [cell for cell in everything if plan.states[cell.place].status == "current"]
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
