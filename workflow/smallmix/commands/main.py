"""The entry point of `python -m smallmix`: find the command, run it, and turn errors into messages.

A module beside this one has its commands in COMMANDS, by name. They parse arguments and call the rooms below. What
several modules need is in `options`; none imports another. Libraries are imported when a command runs, so that
`--help` is quick.
"""

from __future__ import annotations

import argparse
import atexit
import importlib
import io
import os
import sys
from typing import NoReturn

from smallmix.commands.options import Command
from smallmix.errors import SmallmixError
from smallmix.version import VERSION

# Command -> its module in this folder, in the order of a study.
MODULES = {
    "resolve-study": "study",
    "plan": "study",
    "status": "status",
    "fetch-dataset": "data",
    "extract-subset": "data",
    "tabulate-subsets": "data",
    "train-cell": "train_cell",
    "train-cells": "train_cells",
    "collect-metrics": "tables",
    "summarize-cells": "tables",
    "compare-methods": "tables",
    "judge-claims": "tables",
    "plot-figures": "report",
    "render-report": "report",
    "report-so-far": "report",
    "keep-results": "report",
    "adopt-results": "outdated",
    "discard-outdated": "outdated",
    "clean": "clean",
}


def run_process() -> NoReturn:
    """Run the command of this process and leave without taking the interpreter's objects apart.

    That takes 0.4 s where PyTorch is loaded, and serves nobody: files are closed, the kernel drops locks and memory.
    """
    code = main()
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # closed by who started this process
                stream.flush()
    except OSError:
        sys.exit(code)  # Python says so itself, as it does at any end
    os._exit(code)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit code. Errors meant for people are printed without a traceback."""
    given = sys.argv[1:] if arguments is None else arguments
    _prepare_process()
    parser, chosen = _build_parser(given)
    parsed = parser.parse_args(given)
    if chosen is None:
        parser.print_help()
        return 0 if not given else 2
    try:
        return int(chosen.run(parsed))
    except SmallmixError as error:
        print(f"smallmix {parsed.command}: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; keep Python from complaining while it closes the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print(f"smallmix {parsed.command}: interrupted", file=sys.stderr)
        return 130


def _prepare_process() -> None:
    """Let no setting of a notebook or a terminal make a command fail: labels print anywhere, figures need no window."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    os.environ["MPLBACKEND"] = "agg"


def _build_parser(given: list[str]) -> tuple[argparse.ArgumentParser, Command | None]:
    """Return a parser that knows all commands, and the chosen command. Other modules are imported for help alone."""
    parser = argparse.ArgumentParser(
        prog="python -m smallmix", description="How much does mixup help when you have little training data?"
    )
    parser.add_argument("--version", action="version", version=f"smallmix {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    wanted = next((word for word in given if not word.startswith("-")), None)
    chosen: Command | None = None
    for name, module in MODULES.items():
        if wanted in MODULES and name != wanted:
            commands.add_parser(name)
            continue
        command: Command = importlib.import_module(f"smallmix.commands.{module}").COMMANDS[name]
        command.add_arguments(commands.add_parser(name, help=command.summary, description=command.summary))
        if name == wanted:
            chosen = command
    return parser, chosen
