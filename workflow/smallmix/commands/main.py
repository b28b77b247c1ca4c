"""The entry point of `python -m smallmix`: find the command's module, run it, and turn errors into messages.

A command is a module with SUMMARY (one line for the help), `add_arguments(parser)` and `run(arguments)`, which returns
the exit code. It parses arguments and calls one of the rooms below. What several commands need is in `options`; no
command imports another. Libraries are imported inside `run`, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import atexit
import importlib
import io
import os
import sys
from types import ModuleType
from typing import NoReturn

from smallmix.errors import SmallmixError
from smallmix.version import VERSION

# Command -> module in this folder, in the order of a study.
COMMANDS = {
    "resolve-study": "resolve_study",
    "plan": "plan",
    "fetch-dataset": "fetch_dataset",
    "extract-subset": "extract_subset",
    "tabulate-subsets": "tabulate_subsets",
    "train-cell": "train_cell",
    "train-cells": "train_cells",
    "collect-metrics": "collect_metrics",
    "summarize-cells": "summarize_cells",
    "compare-methods": "compare_methods",
    "judge-claims": "judge_claims",
    "plot-figures": "plot_figures",
    "render-report": "render_report",
    "report-so-far": "report_so_far",
    "keep-results": "keep_results",
    "adopt-results": "adopt_results",
    "discard-outdated": "discard_outdated",
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


def _build_parser(given: list[str]) -> tuple[argparse.ArgumentParser, ModuleType | None]:
    """Return a parser that knows all commands, and the chosen one's module. The others are imported for help alone."""
    parser = argparse.ArgumentParser(
        prog="python -m smallmix", description="How much does mixup help when you have little training data?"
    )
    parser.add_argument("--version", action="version", version=f"smallmix {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    wanted = next((word for word in given if not word.startswith("-")), None)
    chosen: ModuleType | None = None
    for name, module_name in COMMANDS.items():
        if wanted in COMMANDS and name != wanted:
            commands.add_parser(name)
            continue
        module = importlib.import_module(f"smallmix.commands.{module_name}")
        command = commands.add_parser(name, help=module.SUMMARY, description=module.SUMMARY)
        module.add_arguments(command)
        if name == wanted:
            chosen = module
    return parser, chosen
