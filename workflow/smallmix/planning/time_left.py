"""How long the unfinished cells of a study will take, by the cells of this study that were measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from smallmix.datasets.description import find_description
from smallmix.errors import SmallmixError
from smallmix.planning.cost import CellWork, ImagesInNumbers
from smallmix.planning.pace import known_pace
from smallmix.study.layout import Layout
from smallmix.study.study import StudyCell

START_SECONDS = 2.5  # of a cell that is not begun: a process, libraries and images
LATELY = 120.0  # seconds: cells that ended so long ago still tell how many train side by side,
JUST_NOW = 20.0  # and so long, that a study runs at all


@dataclass(frozen=True)
class Measured:
    """How long a cell takes here in all, in seconds, by a finished or a running training."""

    cell: StudyCell
    seconds: float


@dataclass(frozen=True)
class Unfinished:
    """A cell that is not finished, the share of its iterations that is done, and what it says of its own time left."""

    cell: StudyCell
    done: float = 0.0
    seconds_left: float | None = None


def cells_seconds_left(
    layout: Layout, measured: Sequence[Measured], unfinished: Sequence[Unfinished]
) -> dict[str, float] | None:
    """Return the seconds that each unfinished cell still takes, by cell id; None where nothing was measured.

    A cell without a time of its own is taken to relate to the measured ones, of its own size where there are some, as
    the plan relates their costs.
    """
    relations = _relations(layout, [*(one.cell for one in measured), *(one.cell for one in unfinished)])
    factors: dict[int, list[float]] = {}
    for one in measured:
        factors.setdefault(one.cell.size, []).append(one.seconds / relations[one.cell.id])
    if not factors:
        return None
    overall = statistics.median([factor for of_size in factors.values() for factor in of_size])
    by_size = {size: statistics.median(of_size) for size, of_size in factors.items()}
    left: dict[str, float] = {}
    for missing in unfinished:
        own = missing.seconds_left
        if own is None:
            whole = by_size.get(missing.cell.size, overall) * relations[missing.cell.id]
            own = START_SECONDS + (1 - missing.done) * whole
        left[missing.cell.id] = own
    return left


def side_by_side(running: int, spans: Sequence[tuple[float, float]], now: float) -> int:
    """Return how many cells train at once: those that run now, or more where more ended together just now.

    `spans` are the beginnings and ends of finished trainings, in seconds since 1970. Between two cells, a run's next
    process is only starting: then fewer are seen than train.
    """
    recent = LATELY if running else JUST_NOW
    ends = [end for _, end in spans if 0 <= now - end <= recent]
    together = [sum(begin < moment <= end for begin, end in spans) for moment in ends]
    return max([running, *together])


def _relations(layout: Layout, cells: Sequence[StudyCell]) -> Mapping[str, float]:
    """Return the cost of each cell in an arbitrary unit, by cell id. Only this asks the plan's model of costs."""
    try:
        images = ImagesInNumbers.of(layout.study, find_description(layout.dataset))
    except SmallmixError:
        return {cell.id: float(cell.value.iterations) for cell in cells}
    known: dict[tuple[int, str], float] = {}
    for cell in cells:
        if (cell.size, cell.method) not in known:
            pace, work = known_pace(cell.value, images, on_gpu=False), CellWork.of(cell.value, images)
            seconds = pace.training_seconds(work) + pace.evaluation_seconds(work)
            known[cell.size, cell.method] = max(seconds, 1e-9)
    return {cell.id: known[cell.size, cell.method] for cell in cells}
