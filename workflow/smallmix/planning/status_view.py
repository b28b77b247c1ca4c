"""The status of a study for people: a table on a terminal, short lines in a pipe.

Rich draws the table. Without UTF-8, and in the plain lines, every character is one of ASCII.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smallmix.planning.status import LATELY_SHOWN, STATES, CellWatch, State, StatusReader, StudyStatus
from smallmix.study.layout import Layout
from smallmix.wording import NO_NUMBER, count_of, duration, percent, visible_text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table
    from rich.text import Text

    from smallmix.statistics.answer import AnswerSoFar

# How many running and failed cells are listed, each, and how many that ended lately: fewer where the screen is low.
LISTS = ((10, LATELY_SHOWN), (10, 2), (10, 0), (4, 0), (1, 0))
MOST_MARKS = 40  # seeds with a mark each; more are counted
WIDE = 100  # columns of a terminal, from which on the iteration is shown, too
BAR = 12
REASON_SHOWN = 400  # characters


@dataclass(frozen=True)
class Look:
    """How a state is drawn: by a mark that needs no colour, and in ASCII."""

    mark: str
    ascii: str
    word: str
    style: str


LOOKS: dict[State, Look] = {
    "current": Look("●", "#", "done", "green"),
    "stored": Look("○", "o", "in the store", "green"),
    "running": Look("◐", ">", "running", "cyan"),
    "stopped": Look("◔", "+", "stopped", "yellow"),
    "waiting": Look("·", ".", "waiting", "dim"),
    "failed": Look("✗", "x", "failed", "bold red"),
    "outdated": Look("!", "!", "outdated", "magenta"),
}
TO_ASCII = str.maketrans(
    {
        "\N{NO-BREAK SPACE}": " ",
        "\N{MINUS SIGN}": "-",
        "\N{EN DASH}": "-",
        "\N{HORIZONTAL ELLIPSIS}": "...",
        "█": "#",
        "░": "-",
        **{look.mark: look.ascii for look in LOOKS.values()},
    }
)


def render_table(status: StudyStatus, *, ascii_only: bool = False, rows: int | None = None) -> RenderableType:
    """Return what rich draws of the status, as wide as the console: from 60 columns on.

    With `rows`, lists are shortened where it would be higher: what stands last is what people wait for.
    """
    return _StatusTable(status, ascii_only, rows)


def plain_lines(status: StudyStatus) -> list[str]:
    """Return the status as short lines of ASCII: a summary, one line for each cell, and what it comes to.

    A cell's line begins with its place and its state, as STATES names them.
    """
    lines = [summary_line(status), *(cell_line(one) for one in status.cells)]
    lines += [f"time left: {time_left_text(status)}"]
    if status.answer is not None:
        lines += [f"answer so far: {status.answer}", *(f"difference: {gain}" for gain in status.gains)]
    return [_ascii(line) for line in (*lines, f"report: {report_text(status)}")]


def summary_line(status: StudyStatus) -> str:
    """Return one line: the study, and how many cells are in which state."""
    done = len(status.of_state("current"))
    others = [f"{count:,} {LOOKS[state].word}" for state, count in status.counts.items() if state != "current"]
    return ", ".join([f"study {status.study}: {done:,} of {count_of(len(status.cells), 'cell')} done", *others])


def cell_line(one: CellWatch) -> str:
    """Return one cell's line: n20/non/seed0 running, iteration 129 of 300 (43 %), 8 s left, 21.3 it/s."""
    return _ascii(", ".join([f"{one.id} {one.state}", *_details(one)]))


def time_left_text(status: StudyStatus) -> str:
    """Say how long the study takes, by its measured cells."""
    if all(one.is_done for one in status.cells):
        return "nothing is left to train"
    if status.seconds_left is not None:
        return f"about {_duration(status.seconds_left)}, {status.at_once} at once, by measured cells"
    if status.seconds_of_work is not None:
        return f"no cell trains now; about {_duration(status.seconds_of_work)} of training are left"
    return "unknown until a cell has been measured" if status.of_state("running") else "no cell trains now"


def report_text(status: StudyStatus) -> str:
    """Say where the report is, or will be."""
    place = status.report_place.as_posix()
    if status.report is None:
        return f"{place} (not written yet)"
    return place if status.report_is_new else f"{place} (of an earlier state of the study)"


def answer_line(layout: Layout) -> str | None:
    """Return the report's sentence by the cells that are finished now; None where there is none."""
    from smallmix.statistics.answer import answer_so_far  # pandas and SciPy, which the lines of a run do without

    reader = StatusReader(layout)
    reader.read()
    said = answer_so_far(layout.study, reader.current_metrics())
    return None if said is None else said.sentence


def with_answer(status: StudyStatus, said: AnswerSoFar | None) -> StudyStatus:
    """Return the status with the answer so far."""
    if said is None:
        return status
    gains = tuple(f"{gain.method}: {gain.text}" for gain in said.gains)
    return dataclasses.replace(status, answer=said.sentence, gains=gains)


def as_json(status: StudyStatus) -> dict[str, Any]:
    """Return the status as plain JSON types. Accuracies are fractions, moments are in seconds since 1970."""
    cells = [
        {
            "cell": one.id,
            "size": one.cell.size,
            "method": one.cell.method,
            "seed": one.cell.seed,
            **{
                field.name: getattr(one, field.name)
                for field in dataclasses.fields(one)
                if field.name not in ("cell", "log")
            },
            "log": None if one.log is None else one.log.as_posix(),
        }
        for one in status.cells
    ]
    names = ("study", "title", "now", "at_once", "seconds_left", "seconds_of_work", "answer", "gains")
    return {
        "format": 1,
        **{name: getattr(status, name) for name in names},
        "complete": status.is_complete,
        "counts": {state: status.counts.get(state, 0) for state in STATES},
        "report": None if status.report is None else status.report.as_posix(),
        "report_is_new": status.report_is_new,
        "cells": cells,
    }


class _StatusTable:
    """Draws a status with rich, by the width it is given and, where it is known, the height."""

    def __init__(self, status: StudyStatus, ascii_only: bool, rows: int | None) -> None:
        self._status, self._ascii, self._rows = status, ascii_only, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich.console import Group

        for listed, ended in LISTS:
            parts = list(self._parts(options.max_width, listed, ended))
            free = options.update(height=None)  # without it, rich fills a given height with empty lines
            if self._rows is None or len(console.render_lines(Group(*parts), free)) <= self._rows:
                break
        yield from parts

    def _parts(self, width: int, listed: int, ended: int) -> Iterator[RenderableType]:
        """Return all parts, with at most so many running, failed, and lately ended cells."""
        yield self._text(f"{self._status.study}: {visible_text(self._status.title)}", "bold")
        yield self._text(summary_line(self._status).partition(": ")[2])
        yield self._text("")
        yield self._grid(width)
        yield self._legend()
        if self._status.of_state("current"):
            yield self._text("The numbers are means of the best test accuracies of cells that are done.", "dim")
        for title, cells, draw in (
            ("Running", self._status.of_state("running"), self._running),
            ("Failed", self._status.of_state("failed"), self._failed),
        ):
            if cells:
                yield self._text(f"\n{title}", "bold")
                yield from draw(cells[:listed], width)
                if len(cells) > listed:
                    yield self._text(f"  ... and {len(cells) - listed} more")
        if self._status.lately[:ended]:
            yield self._text("\nEnded lately", "bold")
            yield self._lately(ended)
        yield self._text("")
        yield self._pairs()

    def _text(self, text: str, style: str = "") -> Text:
        from rich.text import Text

        return Text(_ascii(text) if self._ascii else text, style=style)

    def _mark(self, state: State) -> Text:
        look = LOOKS[state]
        return self._text(look.mark, look.style)

    def _grid(self, width: int) -> Table:
        """Return sizes by methods with a mark for each seed, or a line for each size and method where that is wider."""
        status = self._status
        marks = min(len(status.seeds), MOST_MARKS)
        column = max(marks + 8, *(len(method) for method in status.methods)) + 3
        if len(status.seeds) > MOST_MARKS or 8 + column * len(status.methods) > width:
            return self._long_grid()
        table = _bare_table()
        table.add_column("images", justify="right")
        for method in status.methods:
            table.add_column(method)
        for size in sorted(status.sizes):
            table.add_row(f"{size:,}", *(self._seeds(status.at(size, method)) for method in status.methods))
        return table

    def _long_grid(self) -> Table:
        status = self._status
        table = _bare_table()
        table.add_column("images", justify="right")
        table.add_column("method")
        table.add_column("seeds", overflow="fold", no_wrap=False)
        for size in sorted(status.sizes):
            for method in status.methods:
                table.add_row(f"{size:,}", method, self._seeds(status.at(size, method)))
        return table

    def _seeds(self, cells: Sequence[CellWatch]) -> Text:
        """Return a mark for each seed and the mean accuracy of those that are done."""
        text = self._text("")
        if len(cells) > MOST_MARKS:
            found = {state: sum(one.state == state for one in cells) for state in STATES}
            text.append(", ".join(f"{count} {LOOKS[state].word}" for state, count in found.items() if count))
        else:
            for one in cells:
                text.append_text(self._mark(one.state))
        known = [one.accuracy for one in cells if one.state == "current" and one.accuracy is not None]
        if known:
            text.append_text(self._text(f"  {percent(sum(known) / len(known))}"))
        return text

    def _legend(self) -> Text:
        text = self._text("")
        for state in STATES:
            if self._status.counts.get(state):
                text.append_text(self._mark(state))
                text.append_text(self._text(f" {LOOKS[state].word}  ", "dim"))
        return text

    def _running(self, cells: Sequence[CellWatch], width: int) -> Iterator[RenderableType]:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for number in range(6):
            table.add_column(justify="left" if number < 2 else "right", no_wrap=True)
        for one in cells:
            filled = int(one.share * BAR)
            bar = self._text("█" * filled, "cyan")
            bar.append_text(self._text("░" * (BAR - filled), "dim"))
            share = f"{100 * one.share:.0f} %"
            if width >= WIDE and one.iteration is not None:
                share = f"{one.iteration:,}/{one.iterations:,}  {share}"
            numbers = [
                share,
                NO_NUMBER if one.accuracy is None else percent(one.accuracy),
                "" if one.rate is None else f"{_rate(one.rate)} it/s",
                "starting" if one.iteration is None else "" if one.seconds_left is None else f"{_left(one)} left",
            ]
            table.add_row(self._text(one.id), bar, *map(self._text, numbers))
        yield table
        for one in cells:
            if not one.by_lock:
                yield self._text(f"{one.id}: {one.reason} ({_silence(one)})", "dim")

    def _failed(self, cells: Sequence[CellWatch], width: int) -> Iterator[RenderableType]:
        for one in cells:
            text = self._text(f"{one.id}: ", "bold red")
            text.append_text(self._text(_flat(one.reason), "not bold default"))
            yield text
            if one.log is not None:
                yield self._text(f"  log: {one.log.as_posix()}", "dim")
        yield self._text("To train them again, run the study again: what is done stays.", "dim")

    def _lately(self, most: int) -> Table:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for _ in range(4):
            table.add_column(no_wrap=True)
        for one in self._status.lately[:most]:
            mark = self._mark(one.state)
            mark.append_text(self._text(f" {one.id}", "default"))
            what = LOOKS[one.state].word
            if one.state == "stopped" and one.iteration is not None:
                what = f"stopped at {one.iteration:,} of {one.iterations:,}"
            elif one.state == "current" and one.seconds is not None:
                what = f"trained in {_duration(one.seconds)}"
            accuracy = "" if one.accuracy is None else percent(one.accuracy)
            ago = max(0.0, self._status.now - (one.ended or 0.0))
            table.add_row(mark, *map(self._text, (accuracy, what, f"{_duration(ago)} ago")))
        return table

    def _pairs(self) -> Table:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(ratio=1)
        status = self._status
        pairs = [("Time left", time_left_text(status))]
        if status.answer is not None:
            pairs.append(("Answer" if status.is_complete else "So far", "\n".join([status.answer, *status.gains])))
        for name, text in (*pairs, ("Report", report_text(status))):
            table.add_row(self._text(name, "bold"), self._text(text))
        return table


def _bare_table() -> Table:
    from rich.table import Table

    return Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")


def _details(one: CellWatch) -> list[str]:
    """Return what a cell's line says after its state."""
    parts = []
    if one.state in ("running", "stopped", "failed") and one.iteration is not None:
        parts.append(f"iteration {one.iteration:,} of {one.iterations:,} ({100 * one.share:.0f} %)")
    if one.state == "running" and one.iteration is None:
        parts.append("starting")
    if one.state == "running" and one.seconds_left is not None:
        parts.append(f"{_left(one)} left")  # early in the line, which a narrow terminal cuts off
    if one.accuracy is not None:
        is_best = one.state == "current" and one.selection == "best"
        parts.append(f"{'best test' if is_best else 'test'} accuracy {percent(one.accuracy, 2)}")
    if one.rate is not None:
        parts.append(f"{_rate(one.rate)} it/s")
    if one.state == "running" and not one.by_lock:
        parts.append(f"{one.reason} ({_silence(one)})")
    if one.state == "current" and one.seconds is not None:
        parts.append(f"trained in {_duration(one.seconds)}")
    if one.state in ("failed", "outdated") and one.reason:
        parts.append(_flat(one.reason))
    if one.state == "failed" and one.log is not None:
        parts.append(f"log {one.log.as_posix()}")
    return parts


def _silence(one: CellWatch) -> str:
    return f"written {_duration(one.seconds_silent or 0.0)} ago"


def _left(one: CellWatch) -> str:
    return _duration(one.seconds_left or 0.0)


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}" if rate >= 1 else f"{rate:.2f}"


def _duration(seconds: float) -> str:
    return duration(seconds, space=" ")


def _flat(reason: str) -> str:
    """Return a reason, which may quote foreign text, on one line."""
    return visible_text(" ".join(reason.split()), REASON_SHOWN)


def _ascii(text: str) -> str:
    return text.translate(TO_ASCII).encode("ascii", "backslashreplace").decode("ascii")
