"""`status`: how far a study is, once or again and again, by its files alone."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

from smallmix.commands.options import Command, add_configuration, add_study_names
from smallmix.errors import INCOMPLETE, INTERRUPTED, SmallmixError
from smallmix.study.study_names import study_files

if TYPE_CHECKING:
    from rich.console import Console

    from smallmix.planning.status import StudyStatus

SECONDS_BETWEEN = 2.0
FAILED = 1


def _declare_status(parser: argparse.ArgumentParser) -> None:
    add_study_names(parser)
    add_configuration(parser)
    parser.add_argument(
        "--watch", nargs="?", type=_seconds, const=SECONDS_BETWEEN, metavar="SECONDS",
        help=f"look again every so often (default: {SECONDS_BETWEEN:g}) until the study is complete, or Ctrl-C. On a "
        "terminal the table is drawn anew; in a pipe, the cells that changed get a line",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the status as JSON, one line each time")
    parser.add_argument("--plain", action="store_true", help="print plain lines on a terminal, too")
    parser.add_argument(
        "--check", action="store_true",
        help=f"say by the exit code how it stands: 0 complete, {FAILED} cells failed, {INCOMPLETE} not complete yet. "
        f"Without this option it is 0 ({INTERRUPTED} after Ctrl-C)",
    )  # fmt: skip


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.1 and 86400 seconds")
    return seconds


def _status(arguments: argparse.Namespace) -> int:
    """Print the status, once or again and again."""
    from smallmix.planning.status import StatusReader
    from smallmix.planning.status_view import with_answer
    from smallmix.statistics.answer import AnswerSoFar, answer_so_far
    from smallmix.study.command_lines import choose_study
    from smallmix.study.layout import Layout
    from smallmix.tables.configuration_of_results import other_configuration

    study = choose_study(arguments.configuration, study_files(arguments.studies, arguments.root))
    reader = StatusReader(Layout(study, arguments.root))
    known: tuple[tuple[str, ...], AnswerSoFar | None] = ((), None)

    problem = None
    with contextlib.suppress(SmallmixError):  # a damaged study.json says nothing of the cells
        problem = other_configuration(study, Layout(study, arguments.root).results)
    if problem is not None and not reader.read().of_state("current"):
        print(
            f"smallmix status: {problem}\nRun the study again, or name the file that made these results, if that is "
            "another one.",
            file=sys.stderr,
        )

    def look() -> StudyStatus:
        """Read the status; the answer only changes with the cells that are done."""
        nonlocal known
        status = reader.read()
        done = tuple(f"{one.id} {one.ended} {one.accuracy}" for one in status.of_state("current"))
        if done != known[0]:
            known = done, answer_so_far(study, reader.current_metrics())
        return with_answer(status, known[1])

    try:
        if sys.stdout.isatty() and not arguments.json and not arguments.plain:
            status = _draw(look, arguments.watch)
        else:
            status = _print(look, arguments.watch, as_json=arguments.json)
    except KeyboardInterrupt:
        return INTERRUPTED
    if not arguments.check or status.is_complete:
        return 0
    return FAILED if status.of_state("failed") else INCOMPLETE


def _draw(look: Callable[[], StudyStatus], seconds: float | None) -> StudyStatus:
    """Draw the table on the terminal; with `seconds`, again and again in the same place until the study is complete."""
    from rich.live import Live

    from smallmix.planning.status_view import render_table

    console = terminal()
    ascii_only = not console.encoding.lower().startswith("utf")
    status = look()
    if seconds is None or status.is_complete:
        console.print(render_table(status, ascii_only=ascii_only))
        return status
    with _ended_by_sigterm(), Live(console=console, auto_refresh=False, transient=False) as live:
        while True:
            rows = None if status.is_complete else console.height
            live.update(render_table(status, ascii_only=ascii_only, rows=rows), refresh=True)
            if status.is_complete:
                return status
            time.sleep(seconds)
            status = look()


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the process after the block has cleaned up: it hides the terminal's cursor."""
    usual = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    except _Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, usual)


class _Terminated(BaseException):
    """SIGTERM came."""


def _leave(number: int, frame: FrameType | None) -> None:
    # A second signal must not interrupt the cleaning up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Terminated


def terminal() -> Console:
    """Return the terminal as rich sees it. Numbers and paths get no colours of their own."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def _print(look: Callable[[], StudyStatus], seconds: float | None, *, as_json: bool) -> StudyStatus:
    """Print plain lines or JSON; with `seconds`, what changed whenever a cell's state does, until all are done."""
    from smallmix.planning.status_view import as_json as json_of
    from smallmix.planning.status_view import cell_line, plain_lines, summary_line

    status = look()
    print(json.dumps(json_of(status)) if as_json else "\n".join(plain_lines(status)), flush=True)
    while seconds is not None and not status.is_complete:
        time.sleep(seconds)
        before, status = status, look()
        old = {one.id: one.state for one in before.cells}
        changed = [one for one in status.cells if one.state != old[one.id]]
        if not changed:
            continue
        if as_json:
            print(json.dumps(json_of(status)), flush=True)
        else:
            rest = plain_lines(status)[1 + len(status.cells) :] if status.is_complete else []
            print("\n".join([*map(cell_line, changed), summary_line(status), *rest]), flush=True)
    return status


COMMANDS = {
    "status": Command(
        "say how far a study is: every cell, what runs, what failed, the time left and the answer so far",
        _declare_status,
        _status,
    )
}
