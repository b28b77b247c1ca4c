"""The lines below the others on a terminal: the cells that train now, and how far the study is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text
    from smallmix.planning.run_view import CurrentRun

SECONDS_BETWEEN = 2.0
# Reading a study of thousands of cells takes a while. It may take this share of the time.
SHARE_OF_TIME = 0.1
CELLS_SHOWN = 8


class LiveLines:
    """Redraws a few lines in place while cells train. Nothing is drawn where the stream is no terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live: Live | None = None
        self._reader: Any = None
        self._lines: list[str] = []
        self._next_reading = 0.0

    def start(self, run: CurrentRun | None) -> None:
        """Begin to draw, if there is a terminal that can move its cursor."""
        if self._live is not None or run is None or not self._stream.isatty():
            return
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream)
        if not console.is_terminal or console.is_dumb_terminal:
            return
        if self._reader is None:
            from smallmix.planning.status import StatusReader

            self._reader = StatusReader(run.layout)
        self._live = Live(
            console=console,
            get_renderable=self._draw,
            refresh_per_second=1 / SECONDS_BETWEEN,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def print(self, line: str) -> bool:
        """Print a line above the drawn ones; return False where nothing is drawn and the caller must print it."""
        if self._live is None:
            return False
        self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)
        return True

    def stop(self) -> None:
        """Remove the lines."""
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()

    def _draw(self) -> Text:
        from rich.text import Text

        if time.monotonic() >= self._next_reading:
            began = time.monotonic()
            try:
                self._lines = self._read()
            except Exception as error:  # a picture of the run must not end it
                self._lines = [f"(the state of the study cannot be read: {error})"]
            self._next_reading = time.monotonic() + (time.monotonic() - began) / SHARE_OF_TIME
        return Text("\n".join(self._lines), no_wrap=True, overflow="ellipsis")

    def _read(self) -> list[str]:
        from smallmix.planning.status_view import cell_line, summary_line, time_left_text

        status = self._reader.read()
        running = status.of_state("running")
        # Cells that only start hold no lock yet. Snakemake runs them, so "no cell trains now" would be wrong here.
        knows = bool(running) or status.seconds_left is not None
        more = [f"... and {len(running) - CELLS_SHOWN} more"] if len(running) > CELLS_SHOWN else []
        return [
            "",
            *map(cell_line, running[:CELLS_SHOWN]),
            *more,
            summary_line(status) + (f"; time left: {time_left_text(status)}" if knows else ""),
        ]
