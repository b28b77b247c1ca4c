"""The entry point `smallmix` (or `python -m smallmix`): find the command, run it, and turn errors into messages.

A module beside this one has its commands in COMMANDS, by name. They parse arguments and call the rooms below. What
several modules need is in `options`; none imports another. Libraries are imported when a command runs, so that
`--help` is quick.
"""

from __future__ import annotations

import argparse
import atexit
import difflib
import errno
import importlib
import io
import os
import sys
import textwrap
from typing import NoReturn

from smallmix.commands.options import Command
from smallmix.errors import EXIT_CODES, INTERRUPTED, NOBODY_READS, SmallmixError
from smallmix.version import VERSION

# Command -> its module in this folder. What people type, in the order of a study's life.
FOR_PEOPLE = {
    "run": "run",
    "plan": "study",
    "status": "status",
    "report": "report",
    "index": "index",
    "check-own-code": "own_code",
    "compare": "compare",
    "export": "export",
    "keep": "report",
    "predict": "predict",
    "store": "store",
    "adopt": "outdated",
    "discard": "outdated",
    "clean": "clean",
}
# What the rules call, in the order of a study. Each works without Snakemake, too.
STEPS = {
    "resolve-study": "study",
    "fetch-dataset": "data",
    "extract-subset": "data",
    "draw-validation": "data",
    "tabulate-subsets": "data",
    "train-cell": "train_cell",
    "train-cells": "train_cells",
    "collect-metrics": "tables",
    "summarize-cells": "tables",
    "compare-methods": "tables",
    "tabulate-classes": "class_tables",
    "compute-metrics": "class_tables",
    "judge-claims": "tables",
    "plot-figures": "report",
    "render-report": "report",
}
MODULES = {**FOR_PEOPLE, **STEPS}
RENAMED = {"report-so-far": "report", "keep-results": "keep", "adopt-results": "adopt", "discard-outdated": "discard"}
DESCRIPTION = """\
How much does mixup help when you have little training data?

STUDY is a name, such as demo, or a configuration file. Several are merged in their order.
Without one it is the article's study. config.yaml is always the base, as with snakemake."""
EXAMPLE = """\
example:
  smallmix plan demo           what a run would take here
  smallmix run demo            train, and write reports/demo/report.html; Ctrl-C and again continues
  smallmix run my-study.yaml   a study of your own"""
WRONG_CALL = 2
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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
    problem = _explain_wrong_call(given)
    if problem:
        print(f"smallmix: {problem}", file=sys.stderr)
        return WRONG_CALL
    parser, chosen = _build_parser(given)
    further: list[str] = []
    if chosen is not None and chosen.passes_on and not {"-h", "--help"} & set(given):
        place = given.index(_command_of(given) or "")
        parsed = argparse.Namespace(command=given[place], words=given[place + 1 :])
    else:
        parsed, further = parser.parse_known_args(given)
        parsed.studies = [*getattr(parsed, "studies", []), *getattr(parsed, "configfile", [])]
    if chosen is None:
        parser.print_help()
        return 0 if not given else WRONG_CALL
    if further:
        print(f"smallmix {parsed.command}: {_explain_further(further, parsed.command)}", file=sys.stderr)
        return WRONG_CALL
    code = NOBODY_READS
    try:
        code = int(chosen.run(parsed))
        sys.stdout.flush()
        return code
    except SmallmixError as error:
        print(f"smallmix {parsed.command}: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Keep Python from complaining while it closes the pipe. Where the
        # command had come to its end, its own code stands.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code
    except OSError as error:
        if error.errno not in FULL or error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(
            f"smallmix {parsed.command}: cannot write what it prints: {error.strerror}. Free some space, then run the "
            "same command again.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(f"smallmix {parsed.command}: interrupted", file=sys.stderr)
        return INTERRUPTED


def _prepare_process() -> None:
    """Let no setting of a notebook or a terminal make a command fail: labels print anywhere, figures need no window."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started this process
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    os.environ["MPLBACKEND"] = "agg"


def _command_of(given: list[str]) -> str | None:
    return next((word for word in given if not word.startswith("-")), None)


def _explain_wrong_call(given: list[str]) -> str | None:
    """Return what is wrong with the name of the command, and with options that are no more; None if nothing is."""
    wanted = _command_of(given)
    if wanted is None:
        return None
    if wanted in RENAMED:
        return f"{wanted} is called {RENAMED[wanted]} now. Type: smallmix {RENAMED[wanted]} STUDY"
    if wanted not in MODULES:
        near = difflib.get_close_matches(wanted, MODULES, n=2)
        asked = f" Did you mean {' or '.join(near)}?" if near else ""
        return f"there is no command {wanted}.{asked} The commands: {', '.join(FOR_PEOPLE)}. More: smallmix --help"
    return None


def _explain_further(further: list[str], command: str) -> str:
    """Return what to do about arguments that the command does not know."""
    return f"unknown: {' '.join(further)}. Studies stand before the options. More: smallmix {command} --help"


def _build_parser(given: list[str]) -> tuple[argparse.ArgumentParser, Command | None]:
    """Return a parser that knows all commands, and the chosen command. Other modules are imported for help alone."""
    wanted = _command_of(given)
    parser = argparse.ArgumentParser(
        prog="smallmix", usage="smallmix COMMAND [STUDY …] [options]", formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"smallmix {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", help=argparse.SUPPRESS)
    if wanted is None:
        parser.description = "\n\n".join(
            [DESCRIPTION, _list_commands("for people", FOR_PEOPLE), _list_commands("steps of the workflow", STEPS)]
        )
        parser.epilog = "\n\n".join([EXAMPLE, _list_exit_codes(), "smallmix COMMAND --help explains a command."])
        return parser, None
    command = _load(wanted)
    command.add_arguments(
        commands.add_parser(wanted, prog=f"smallmix {wanted}", help=command.summary, description=command.summary)
    )
    return parser, command


def _load(name: str) -> Command:
    command: Command = importlib.import_module(f"smallmix.commands.{MODULES[name]}").COMMANDS[name]
    return command


def _list_commands(title: str, names: dict[str, str]) -> str:
    """Return a paragraph of the help: a title and a line for each command."""
    lines = [f"  {name:<16} {_load(name).summary}" for name in names]
    wrapped = [textwrap.fill(line, 110, subsequent_indent=" " * 19) for line in lines]
    return "\n".join([f"{title}:", *wrapped])


def _list_exit_codes() -> str:
    """Return the paragraph of the help about exit codes."""
    return "\n".join(["exit codes:", *(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())])
