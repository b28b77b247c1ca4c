"""Snakemake's terminal for a smallmix run: one line a cell, a clean stop, and errors with their remedy at the end.

Snakemake finds logger plugins by the prefix of this module's name and imports all of them at every start, so this file
imports no more than Snakemake has loaded already. The default profile chooses the plugin; `--logger` chooses another.
A user who asks for more or less output (`--verbose`, `--quiet …`, `--printshellcmds`, `--debug-dag`) gets Snakemake's
own.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from types import FrameType, TracebackType
from typing import TextIO

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

UNNEEDED_BEFORE = ("Assuming unrestricted shared filesystem usage", "Config file config.yaml is extended by")


class LogHandler(LogHandlerBase):
    """Shows the records of one Snakemake call: by Snakemake's own handler until a run starts, then in short lines.

    Snakemake calls `emit` in a thread of its own, and `close` from the main thread after the last record.
    """

    def __post_init__(self) -> None:
        from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter

        from snakemake_logger_plugin_smallmix.run_display import RunDisplay

        settings = self.common_settings
        # As Snakemake does: the plan of a dry run is what was asked for, everything else is talk beside the result.
        stream: TextIO = sys.stdout if settings.stdout else sys.stderr
        quiet = {str(getattr(entry, "name", entry)).lower() for entry in settings.quiet or ()}
        wants_more = settings.verbose or settings.debug_dag or settings.printshellcmds
        # The profile is quiet about reasons. Who chooses another quietness has asked for Snakemake's own words.
        self.own_words = not wants_more and "reason" in quiet and "all" not in quiet
        self._snakemakes = ColorizingTextHandler(nocolor=settings.nocolor, stream=stream)
        self._snakemakes.addFilter(
            DefaultFilter(
                settings.quiet, settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds
            )
        )
        self._snakemakes.setFormatter(DefaultFormatter(settings.quiet, settings.show_failed_logs))
        self._display = RunDisplay(stream, dry=settings.dryrun, quiet=quiet) if self.own_words else None
        self._running = False
        self._closed = False
        if self.own_words:
            _print_no_traceback_of_ctrl_c()
            self._end_at_the_second_ctrl_c()

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        event = getattr(record, "event", None)
        if event == LogEvent.WORKFLOW_STARTED:
            self._running = True
        try:
            if self._display is not None and (self._running or event == LogEvent.ERROR):
                self._display.show(record)
            elif self.own_words and record.getMessage().startswith(UNNEEDED_BEFORE):
                return
            elif self._snakemakes.filter(record):
                self._snakemakes.emit(record)
        except BrokenPipeError:
            raise
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Say how the run ended."""
        self._say_end()
        super().close()

    def _say_end(self) -> None:
        if self._display is not None and not self._closed:
            self._closed = True
            self._display.end()

    def _end_at_the_second_ctrl_c(self) -> None:
        """Let a second Ctrl-C say how to go on and end the process by SIGINT, which a shell shows as 130.

        Snakemake's own way out of a second one fails while jobs run: it closes event loops that are still in use, and
        ends with a traceback and exit code 1.
        """
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return  # ignored (nohup, background jobs), or another program's business
        came = False

        def receive(number: int, frame: FrameType | None) -> None:
            nonlocal came
            if not came:
                came = True
                raise KeyboardInterrupt
            signal.signal(number, signal.SIG_DFL)
            with contextlib.suppress(Exception):  # it may come amid a line: the process ends all the same
                self._say_end()
            signal.raise_signal(number)

        with contextlib.suppress(ValueError):  # not the main thread: Python hears signals there alone
            signal.signal(signal.SIGINT, receive)

    @property
    def writes_to_stream(self) -> bool:
        """Return True: it takes the place of Snakemake's own output."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Return False: Snakemake's own log file stays complete."""
        return False

    @property
    def has_filter(self) -> bool:
        """Return True: it decides itself what is shown."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Return True: it finds words of its own."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """Return False."""
        return False


def _print_no_traceback_of_ctrl_c() -> None:
    """Let a second Ctrl-C end the process without a traceback; it still ends by SIGINT, which a shell shows as 130."""
    usual = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            usual(kind, error, trace)
        else:
            # What waits for the jobs at the interpreter's end would print a traceback for each further key.
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    sys.excepthook = hook
